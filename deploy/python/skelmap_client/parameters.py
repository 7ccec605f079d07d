"""The parameters of each route by name and type; `docs/api.md` of the server says what they mean.

Values are checked by the server, whose refusal (`InvalidRequest`) names field, value and valid choices.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Union

import numpy as np

Parts = Union[str, Sequence[str]]
Boxes = Union[Sequence[Sequence[float]], np.ndarray]
"""Rows of left, top, right, bottom in pixels of the upright photo."""


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
    boxes: Boxes
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
    return {name: _write(name, value) for name, value in parameters.items() if value is not None}


def _write(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if name != "boxes" and isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return ",".join(value)
    return json.dumps(value, default=as_plain)


def as_plain(value: object) -> Any:  # noqa: ANN401 - any JSON value
    """Arrays and numbers of numpy as Python's own, for `json.dumps`."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
