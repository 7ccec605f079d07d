"""Careful access to a document of unknown origin: every surprise becomes an InvalidPoseData that names its field.

Nothing here recurses into the document or prints more of it than a few characters, so deep or huge junk is harmless.
"""

import reprlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from pose_core.dialects.dialect import Object
from pose_core.errors import InvalidPoseData
from pose_core.types import Size

MAX_PEOPLE = 1000
"""More people than this in one frame are taken for an accident or an attack."""

MAX_NUMBER = 1e6
"""Largest magnitude of a coordinate, a score or a side of the canvas."""


def describe(value: object) -> str:
    """A value in a few words of JSON, whatever its size."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return f"an object with {len(value)} keys"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, int) and abs(value) > MAX_NUMBER:
        return f"an integer of {value.bit_length()} bits"
    return reprlib.repr(value)


def pick_frame(document: object, frame: int) -> Object:
    """One frame of a document: the document itself, or an item of the list that it is."""
    frames = document if isinstance(document, list) else [document]
    if not 0 <= frame < len(frames):
        raise InvalidPoseData(f"{frame} is out of range, the document has {len(frames)} frames", field="frame")
    return _read_object(frames[frame], f"document[{frame}]" if isinstance(document, list) else "document")


def first_person(frame: Object) -> Object:
    """The first entry of `people` if there is one that is an object, else an empty object."""
    people = frame.get("people")
    person = people[0] if isinstance(people, list) and people else None
    return person if isinstance(person, dict) else {}


def list_people(frame: Object) -> list[Object]:
    """The entries of `people`; a frame that holds only `animals` has none."""
    if "people" not in frame and "animals" in frame:
        return []
    people = read_list(frame.get("people"), "people", MAX_PEOPLE)
    return [_read_object(person, f"people[{number}]") for number, person in enumerate(people)]


def _read_object(value: object, field: str) -> Object:
    if not isinstance(value, dict):
        raise InvalidPoseData(f"expected an object, got {describe(value)}", field=field)
    return value


def read_canvas(frame: Object, width: str, height: str, size: Size | None) -> Size:
    """The canvas that a frame names under the keys `width` and `height`, else `size`."""
    if frame.get(width) is None or frame.get(height) is None:
        if size is None:
            field = width if frame.get(width) is None else height
            remedy = "add them to the document or pass its canvas along as canvas_width and canvas_height"
            raise InvalidPoseData(f"{width} and {height} are missing; {remedy}", field=field)
        return size
    return Size(_read_side(frame[width], width), _read_side(frame[height], height))


def _read_side(value: object, field: str) -> int:
    side = read_number(value, field)
    if side < 1 or not side.is_integer():
        message = f"expected a whole number of pixels from 1 to {MAX_NUMBER:.0f}, got {describe(value)}"
        raise InvalidPoseData(message, field=field)
    return int(side)


def read_list(value: object, field: str, longest: int) -> list[object]:
    """A list of at most `longest` items."""
    if not isinstance(value, list):
        raise InvalidPoseData(f"expected a list, got {describe(value)}", field=field)
    if len(value) > longest:
        raise InvalidPoseData(f"expected at most {longest} items, got {len(value)}", field=field)
    return value


def read_number(value: object, field: str) -> float:
    """A finite number of reasonable magnitude."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidPoseData(f"expected a number, got {describe(value)}", field=field)
    if not abs(value) <= MAX_NUMBER:  # also false for NaN
        message = f"expected a number from {-MAX_NUMBER:.0f} to {MAX_NUMBER:.0f}, got {describe(value)}"
        raise InvalidPoseData(message, field=field)
    return float(value)


def read_rows(
    rows: Sequence[object], fields: Sequence[str], columns: tuple[str, ...]
) -> Float64[np.ndarray, "rows columns"]:
    """Rows of equally many numbers; `fields` names each row and `columns` what its numbers are."""
    table = np.zeros((len(rows), len(columns)))
    for number, (row, field) in enumerate(zip(rows, fields, strict=True)):
        if not isinstance(row, list) or len(row) != len(columns):
            raise InvalidPoseData(f"expected [{', '.join(columns)}], got {describe(row)}", field=field)
        table[number] = [read_number(value, f"{field}[{column}]") for column, value in enumerate(row)]
    return table
