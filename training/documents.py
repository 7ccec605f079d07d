"""JSON in COCO's layout, one record after the other; nothing is known about what a record holds."""

import json
from collections.abc import Container, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from pose_core.errors import InvalidInput
from pose_core.types import PersonBox, Size

Record = Mapping[str, object]
"""One entry of a document's lists: what it should be. Nothing is known about what it holds."""

LARGEST: Final = 1e6
"""No picture is as wide; a larger number is a mistake."""


class BadAnnotation(ValueError):
    """A record that cannot be used; says why."""


def load_json(path: Path, field: str = "annotations") -> Any:  # noqa: ANN401 - whatever is in the file
    """The content of a JSON file.

    Raises:
        InvalidInput: there is no such file, or it is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field=field) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no JSON document: {error}", field=field) from error


def lists_of(document: object, name: object) -> tuple[list[Record], list[Record]]:
    """The lists `images` and `annotations` of a COCO document.

    Raises:
        InvalidInput: it is not such a document.
    """
    lists = document if isinstance(document, Mapping) else {}
    images, annotations = lists.get("images"), lists.get("annotations")
    if not isinstance(images, list) or not isinstance(annotations, list):
        raise InvalidInput(f"{name} lacks the lists 'images' and 'annotations' of COCO", field="annotations")
    return images, annotations


def picture_fields(record: Record) -> tuple[int, str, Size]:
    """Number, file name and size of a picture; the name is relative.

    Raises:
        BadAnnotation: one of them is absent or impossible.
    """
    number = whole_number(record, "id")
    name = record.get("file_name") if isinstance(record, Mapping) else None
    width, height = whole_number(record, "width"), whole_number(record, "height")
    if number is None or not isinstance(name, str) or not name:
        raise BadAnnotation(f"a picture without an id or a file name: {str(record)[:80]}")
    if width is None or height is None or min(width, height) < 1:
        raise BadAnnotation(f"picture {number}, {name}, has no width or no height")
    # some of UBody's names start with a slash, though they are relative
    return number, name.lstrip("/"), Size(width, height)


def begins_with(file_name: str, start: str) -> bool:
    """Whether a relative file name begins like this; a slash at the end of `start` counts."""
    return PurePosixPath(file_name).as_posix().startswith(start)


def picture_number(record: Record, known: Container[int]) -> int:
    """The number of an annotation's picture.

    Raises:
        BadAnnotation: no such picture is listed, or the annotation is no JSON object.
    """
    if not isinstance(record, Mapping):
        raise BadAnnotation(f"the annotation should be an object, is {str(record)[:80]!r}")
    number = whole_number(record, "image_id")
    if number is None or number not in known:
        raise BadAnnotation(f"picture {record.get('image_id')!r} is not listed")
    return number


def whole_number(record: Record, key: str) -> int | None:
    """A whole number of a record; None if it holds none, or is no record."""
    value = record.get(key) if isinstance(record, Mapping) else None
    return value if isinstance(value, int) and abs(value) < 2**63 else None


def numbers(record: Record, key: str, count: int) -> Float64[np.ndarray, "count"]:
    """A list of finite numbers.

    Raises:
        BadAnnotation: it is absent, of another length, or holds something else.
    """
    values = record.get(key)
    if values is None:
        raise BadAnnotation(f"{key} is absent")
    if not isinstance(values, list) or len(values) != count:
        found = f"{len(values)}" if isinstance(values, list) else type(values).__name__
        raise BadAnnotation(f"{key} should be {count} numbers, is {found}")
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadAnnotation(f"{key} holds something that is no number: {error}") from error
    if array.ndim != 1:
        raise BadAnnotation(f"{key} holds lists instead of numbers")
    usable = abs(array) < LARGEST  # not so for NaN
    if not usable.all():
        first = int(usable.argmin())
        raise BadAnnotation(f"{key} holds {array[first]} at position {first}")
    return array


def box_of(record: Record) -> PersonBox:
    """The box of a record (x, y, width, height in JSON) as it is, not cut to the picture.

    Raises:
        BadAnnotation: there is none, or it has no area.
    """
    left, top, width, height = numbers(record, "bbox", 4).tolist()
    if width <= 0 or height <= 0:
        raise BadAnnotation(f"bbox has no area: {width} x {height} pixels")
    return PersonBox(left, top, left + width, top + height)


def clipped(box: PersonBox, size: Size) -> PersonBox:
    """The part of a box inside the picture, whose last pixel lies at size - 1.

    Raises:
        BadAnnotation: nothing of it is inside.
    """
    last_x, last_y = float(size.width - 1), float(size.height - 1)
    left, right = (min(max(x, 0.0), last_x) for x in (box.left, box.right))
    top, bottom = (min(max(y, 0.0), last_y) for y in (box.top, box.bottom))
    if right <= left or bottom <= top:
        raise BadAnnotation(f"bbox has no area inside the picture of {size.width} x {size.height} pixels")
    return PersonBox(left, top, right, bottom, box.score)
