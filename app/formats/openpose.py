"""Only the pose document, in the asked-for dialect: what editors and other programs load."""

import orjson

from app.answer import Answer
from app.formats.format import Format
from pose_core.dialects import DIALECTS


def write(answer: Answer) -> bytes:
    """The document in map pixels."""
    return orjson.dumps(DIALECTS[answer.dialect].write(answer.scene, answer.threshold))


FORMAT = Format("application/vnd.openpose+json", "openpose.json", write)
