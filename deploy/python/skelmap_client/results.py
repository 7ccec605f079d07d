"""What the server found, typed."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Person:
    """One person in a photo.

    Attributes:
        box: left, top, right, bottom in pixels of the upright photo; not clipped to it.
        box_score: how certain the detector is.
        keypoints: float32 (133, 3): x, y in pixels of the upright photo and the raw score, in the order of
            COCO-WholeBody. Points that the network does not know are 0, 0, 0.
        openpose: the person's entry in the dialect that was asked for, in pixels of the map.
    """

    box: tuple[float, float, float, float]
    box_score: float
    keypoints: np.ndarray = field(compare=False)
    openpose: Any = field(compare=False)


@dataclass(frozen=True)
class PoseAnswer:
    """Everybody in a photo.

    Attributes:
        size: width and height of the upright photo.
        canvas_size: width and height of the map.
        people: in the order that was asked for.
        map: RGB picture of the skeletons; None unless `include="map"` was asked for.
        dialect: of `Person.openpose`.
        estimator: name of the network that found the keypoints.
        detector: name of the network that found the boxes; empty where the caller gave them.
        provider: onnxruntime's name of what computed.
        warnings: what the caller should know.
        timings_ms: milliseconds per stage.
        document: the answer as JSON; `Client.render` and `Client.convert` take it.
    """

    size: tuple[int, int]
    canvas_size: tuple[int, int]
    people: tuple[Person, ...]
    map: Image.Image | None = field(compare=False)
    dialect: str
    estimator: str
    detector: str
    provider: str
    warnings: tuple[str, ...]
    timings_ms: Mapping[str, float] = field(compare=False)
    document: Mapping[str, Any] = field(compare=False, repr=False)


def read_answer(document: Mapping[str, Any]) -> PoseAnswer:
    """The JSON of `POST /pose`.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: it is something else.
    """
    return PoseAnswer(
        size=(document["width"], document["height"]),
        canvas_size=(document["canvas_width"], document["canvas_height"]),
        people=tuple(map(_read_person, document["people"])),
        map=_read_data_url(document["map"]) if "map" in document else None,
        dialect=document["dialect"],
        estimator=document["estimator"],
        detector=document["detector"],
        provider=document["provider"],
        warnings=tuple(document["warnings"]),
        timings_ms=document["timings_ms"],
        document=document,
    )


def _read_person(person: Mapping[str, Any]) -> Person:
    left, top, right, bottom = person["box"]
    keypoints = np.asarray(person["keypoints"], np.float32)
    if keypoints.shape != (133, 3):
        raise ValueError(f"keypoints of shape {keypoints.shape}")
    return Person((left, top, right, bottom), person["box_score"], keypoints, person["openpose"])


def _read_data_url(url: str) -> Image.Image:
    return read_picture(base64.b64decode(url.partition(",")[2]))


def read_picture(data: bytes) -> Image.Image:
    """An RGB picture from the bytes of its file.

    Raises:
        OSError: it is no picture.
    """
    with Image.open(io.BytesIO(data)) as opened:
        return opened.convert("RGB")
