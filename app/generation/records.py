"""What a picture says about itself: text chunks of its PNG from which it can be made again.

`prompt`, `seed`, `model` and `pose` are for whoever looks into the file; `skelmap` is JSON with every parameter. Inputs
that no text holds, a ready map and an init image, are named by their sha256 and have to be given again.
"""

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace

import orjson
from PIL import Image as Pillow
from pydantic import ValidationError

from app import __version__
from app.generation.request import GenerationRequest
from app.generation.sources import Source
from app.problems import describe, sentence
from pose_core.errors import InvalidInput

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Record:
    """How to make a picture again.

    Attributes:
        request: with every default filled in.
        pose: the pose document as JSON, None for a ready map.
        map_sha256: of the ready map, None where there is a pose.
        init_sha256: of the init image, None where it started from noise.
    """

    request: GenerationRequest
    pose: bytes | None
    map_sha256: str | None
    init_sha256: str | None

    def of_image(self, number: int) -> "Record":
        """The record of one picture of a request: its own seed, counted from that of the first."""
        assert self.request.seed is not None
        own = {"seed": self.request.seed + number, "images": 1}
        return replace(self, request=self.request.model_copy(update=own))

    def source(self, ready_map: bytes | None = None, init_image: bytes | None = None) -> Source:
        """What it was steered by, with what the file cannot hold.

        Raises:
            InvalidInput: an input is missing, is another one, or was not used then.
        """
        _check_same("map", ready_map, self.map_sha256)
        _check_same("init_image", init_image, self.init_sha256)
        if self.pose is None:
            assert ready_map is not None
            return Source("map", ready_map, init_image)
        return Source("pose", self.pose, init_image)


def sha256(data: bytes) -> str:
    """The checksum as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def _check_same(field: str, data: bytes | None, expected: str | None) -> None:
    if data is None and expected is not None:
        raise InvalidInput(f"was used for this picture and is needed again, sha256 {expected}", field=field)
    if data is not None and expected is None:
        raise InvalidInput("was not used for this picture", field=field)
    if data is not None and expected is not None and sha256(data) != expected:
        raise InvalidInput(f"is another file than was used for this picture, sha256 {expected}", field=field)


def text_chunks(record: Record, versions: Mapping[str, str]) -> Mapping[str, str]:
    """Keyword to text; `versions` are those of the libraries that made the picture."""
    request = record.request.model_dump(mode="json")
    document = {
        "format": FORMAT,
        "request": request,
        "map_sha256": record.map_sha256,
        "init_sha256": record.init_sha256,
        "made_with": {"skelmap": __version__, **versions},
    }
    texts = {
        "prompt": record.request.prompt,
        "seed": str(record.request.seed),
        "model": str(record.request.model),
        "skelmap": orjson.dumps(document).decode(),
    }
    return texts if record.pose is None else {**texts, "pose": record.pose.decode()}


def read_record(png: bytes) -> Record:
    """The record in a picture that was made here.

    Raises:
        InvalidInput: no such picture, or a record that cannot be read.
    """
    try:
        with Pillow.open(io.BytesIO(png), formats=("PNG",)) as picture:
            texts = {str(key): str(value) for key, value in picture.info.items()}
        document = orjson.loads(texts["skelmap"])
        known = document["format"] == FORMAT
        request = GenerationRequest.model_validate(document["request"])
    except ValidationError as error:
        raise InvalidInput(f"its parameters cannot be used: {sentence(describe(error)[0])}", field="again") from error
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise InvalidInput("is no picture that skelmap generate made", field="again") from error
    if not known:
        raise InvalidInput(f"was made by another version: format {document['format']}", field="again")
    pose = texts["pose"].encode() if "pose" in texts else None
    return Record(request, pose, document.get("map_sha256"), document.get("init_sha256"))
