"""Asking a server about photos: what is sent, and what its answers become in ComfyUI."""

import base64
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event
from typing import Any

import torch

from .batch import run_in_order
from .images import read_image, resize, write_png
from .server import Server, ServerError, get, post
from .settings import read_server

Box = tuple[float, float, float, float]
"""left, top, right, bottom in pixels of the photo."""

FINGERPRINT_S = 5.0
"""How long the cache's question may take at the most: ComfyUI asks it before every run, and does nothing meanwhile."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known about one photo.

    Attributes:
        map: float32 (height, width, 3), RGB, 0 to 1.
        document: the server's JSON without the map; keypoints and boxes in pixels of the photo.
        frame: its part of a POSE_KEYPOINT, in pixels of the map.
        boxes: the people as ComfyUI's BOUNDING_BOX writes them, in pixels of the photo.
    """

    map: torch.Tensor
    document: Mapping[str, Any]
    frame: Mapping[str, Any]
    boxes: Sequence[Mapping[str, float]]


def found_in(document: Mapping[str, Any], drawn: torch.Tensor) -> Found:
    """What a document and its map say about a photo.

    Raises:
        KeyError, TypeError, ValueError: the document is not one of the server's.
    """
    frame = {
        "people": [person["openpose"] for person in document["people"]],
        "canvas_width": document["canvas_width"],
        "canvas_height": document["canvas_height"],
    }
    people = [(*person["box"], person["box_score"]) for person in document["people"]]
    boxes = [
        {"x": left, "y": top, "width": right - left, "height": bottom - top, "score": score}
        for left, top, right, bottom, score in people
    ]
    return Found(drawn, document, frame, boxes)


def boxes_per_photo(boxes: Any, count: int) -> list[list[Box] | None]:
    """ComfyUI's BOUNDING_BOX for each photo of a batch; None where a detector shall look.

    Source: Comfy-Org/ComfyUI@47e4a90 `comfy_extras/nodes_sdpose.py`, but an empty list is nobody, not everybody.

    Args:
        boxes: None; one box; a list of boxes for every photo; or a list of such lists, one per photo, of which the
            last counts for the photos beyond it. A box is a dict with x, y, width, height in pixels.
        count: how many photos.

    Raises:
        ValueError: anything else.
    """
    if boxes is None or boxes == []:
        return [None] * count
    lists = boxes if isinstance(boxes, list) else [boxes]
    if isinstance(lists[0], dict):
        lists = [lists]
    read = [_read_boxes(one, f"boxes[{number}]") for number, one in enumerate(lists)]
    return [read[min(number, len(read) - 1)] for number in range(count)]


def _read_boxes(boxes: Any, field: str) -> list[Box]:
    try:
        corners = [[float(box[side]) for side in ("x", "y", "width", "height")] for box in boxes]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{field}: expected a list of {{x, y, width, height}}, got {boxes!r:.100}") from error
    return [(x, y, x + width, y + height) for x, y, width, height in corners]


Instead = Callable[[ServerError, Found, torch.Tensor], Found]
"""What to hand out for a photo without an answer: the error, nobody on a black map of the right size, the photo."""


def _fail(error: ServerError, _nobody: Found, _photo: torch.Tensor) -> Found:
    raise error


def _blank(error: ServerError, nobody: Found, _photo: torch.Tensor) -> Found:
    logger.warning("%s; a black map stands in", error)
    return nobody


def _original(error: ServerError, nobody: Found, photo: torch.Tensor) -> Found:
    logger.warning("%s; the photo stands in", error)
    height, width = nobody.map.shape[:2]
    return replace(nobody, map=resize(photo, width, height))


ON_ERROR: dict[str, Instead] = {"raise": _fail, "blank": _blank, "original": _original}


def estimate(
    image: torch.Tensor,
    parameters: Mapping[str, object],
    boxes: Sequence[Sequence[Box] | None],
    on_error: str = "raise",
) -> list[Found]:
    """What the server says about each photo (batch, height, width, channels), in their order.

    Args:
        image: the photos.
        parameters: of `POST /pose`.
        boxes: one entry per photo, see `boxes_per_photo`.
        on_error: a key of ON_ERROR.

    Raises:
        ServerError: a photo got no answer, and `on_error` is raise.
        ValueError: an empty batch, or settings that cannot be used.
    """
    if image.ndim != 4 or not len(image):
        raise ValueError(f"image: expected (batch, height, width, channels), got shape {tuple(image.shape)}")
    server, instead = read_server(), ON_ERROR[on_error]

    def ask(photo_and_boxes: tuple[torch.Tensor, Sequence[Box] | None], stop: Event) -> Found:
        photo, people = photo_and_boxes
        if people is not None and not people:
            return nobody(photo, parameters.get("resolution"))
        try:
            return _estimate_one(server, parameters, photo, people, stop)
        except ServerError as error:
            return instead(error, nobody(photo, parameters.get("resolution"), str(error)), photo)

    return run_in_order(ask, list(zip(image, boxes, strict=True)))


def _estimate_one(
    server: Server, parameters: Mapping[str, object], photo: torch.Tensor, boxes: Sequence[Box] | None, stop: Event
) -> Found:
    asked = {
        **parameters,
        "boxes": None if boxes is None else json.dumps([[round(side, 2) for side in box] for box in boxes]),
        "format": "json",
        "dialect": "comfy",
        "include": "map",
    }
    return post(server, "/pose", asked, write_png(photo), content_type="image/png", read=_read_found, stop=stop)


def _read_found(answer: bytes) -> Found:
    document = dict(json.loads(answer))
    drawn = read_image(base64.b64decode(document.pop("map").partition(",")[2]))
    return found_in(document, drawn)


def nobody(photo: torch.Tensor, resolution: object = None, *warnings: str) -> Found:
    """Nobody in a photo (height, width, channels): a black map of the size that the server would draw."""
    height, width = photo.shape[:2]
    factor = resolution / min(height, width) if isinstance(resolution, int) and resolution else 1.0
    canvas_height, canvas_width = (max(1, round(side * factor)) for side in (height, width))
    document = {
        "width": width,
        "height": height,
        "people": [],
        "canvas_width": canvas_width,
        "canvas_height": canvas_height,
        "warnings": list(warnings),
    }
    return found_in(document, torch.zeros(canvas_height, canvas_width, 3))


def models_fingerprint(estimator: str | None = None, detector: str | None = None) -> str:
    """Version of the server and the digests of the networks it would answer with; why not, where it does not say.

    Args:
        estimator: name of a network, None or empty for the server's default.
        detector: likewise.
    """
    try:
        asked = read_server()
        server = replace(asked, timeout_s=min(asked.timeout_s, FINGERPRINT_S))
        version, ready = (json.loads(get(server, path)) for path in ("/version", "/readyz"))
        names = (estimator or "").strip() or ready["estimator"], (detector or "").strip() or ready["detector"]
        return json.dumps([version["skelmap"], *((name, version["models"].get(name)) for name in names)])
    except (ServerError, ValueError, KeyError, TypeError) as error:
        return str(error)
