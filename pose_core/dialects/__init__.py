"""The JSON dialects that pose programs speak: OpenPosePerson and OpenPoseScene to documents and back.

`DIALECTS["a1111"].write(scene, threshold)` writes, `read_scene(document)` reads whichever it is. A new dialect is a
file with a `DIALECT` and a line here.
"""

from typing import Final

from pose_core.dialects import a1111, comfy, comfy_aux, fkunn1326, openpose, skelmap
from pose_core.dialects.dialect import Dialect
from pose_core.dialects.document import describe, pick_frame
from pose_core.errors import InvalidPoseData, UnknownChoice
from pose_core.openpose import OpenPoseScene
from pose_core.types import Size

DIALECTS: Final[dict[str, Dialect]] = {
    "skelmap": skelmap.DIALECT,
    "fkunn1326": fkunn1326.DIALECT,
    "openpose": openpose.DIALECT,
    "comfy": comfy.DIALECT,
    "a1111": a1111.DIALECT,
    "comfy-aux": comfy_aux.DIALECT,
}
"""From the most to the least particular: a document is taken for the first dialect that recognises it."""


def recognise(document: object, frame: int = 0) -> str:
    """Name of the dialect that a frame of a document is written in."""
    picked = pick_frame(document, frame)
    for name, dialect in DIALECTS.items():
        if dialect.recognises(picked):
            return name
    message = f"expected people or keypoints in it, got {describe(picked)}"
    raise InvalidPoseData(message, field="document", choices=DIALECTS)


def read_scene(
    document: object, *, dialect: str | None = None, size: Size | None = None, frame: int = 0
) -> OpenPoseScene:
    """The scene in a document, from JSON as `json.loads` gives it.

    Args:
        document: an object, or a list with one object per frame.
        dialect: a name in DIALECTS, None to go by the content.
        size: the canvas of a document that does not name its own.
        frame: which frame, counted from 0.

    Raises:
        InvalidPoseData: nothing else, whatever the document.
        UnknownChoice: no such dialect.
    """
    if dialect is not None and dialect not in DIALECTS:
        raise UnknownChoice("dialect", dialect, DIALECTS)
    return DIALECTS[dialect or recognise(document, frame)].read(document, size=size, frame=frame)
