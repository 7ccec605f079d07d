"""The parameters of each route by name and type; `docs/api.md` of the server says what they mean.

Values are checked by the server, whose refusal (`InvalidRequest`) names field, value and valid choices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypedDict, Union

Parts = Union[str, Sequence[str]]
Box = Sequence[float]


class CanvasParameters(TypedDict, total=False):
    """How a map is drawn and handed out."""

    keypoint_threshold: float
    parts: Parts
    style: str
    resolution: int
    width: int
    height: int
    fit: str
    dialect: str


class PoseParameters(CanvasParameters, total=False):
    """Of `POST /pose`, but for `format`: each method of the client asks for its own."""

    estimator: str
    detector: str
    boxes: Sequence[Box]
    max_people: int
    order: str
    person_threshold: float
    on_empty: str
    include: str
    legacy_resize: str


class DocumentParameters(CanvasParameters, total=False):
    """Of `POST /render` and `POST /convert`."""

    source_dialect: str
    frame: int
    canvas_width: int
    canvas_height: int


def write_fields(parameters: Mapping[str, object]) -> dict[str, str]:
    """Parameters as form fields or a query: names with commas between, boxes as JSON; None counts as not given."""
    return {name: _write(value) for name, value in parameters.items() if value is not None}


def _write(value: object) -> str:
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    if isinstance(value, str):
        return value
    return json.dumps(value)
