"""Pose documents: JSON of any dialect, as a list of frames, and the routes of the server that draw and rewrite them."""

import json
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from typing import Any, TypeVar

from .batch import run_in_order
from .node import Input
from .server import post
from .settings import read_server

Answer = TypeVar("Answer")

DIALECTS = ("comfy", "a1111", "comfy-aux", "openpose", "fkunn1326", "skelmap")
STYLES = ("controlnet", "dwpose", "xinsir")
PARTS = ("body", "hands", "face", "feet")

SOURCES = (
    Input("pose", "POSE_KEYPOINT", "poses of any node; this or json", optional=True),
    Input(
        "json",
        "STRING",
        "a pose document in any dialect, as text; this or pose",
        optional=True,
        widget={"force_input": True},
    ),
)
"""Two sockets, one of which has to be connected; see `frames_of`."""

THRESHOLD = Input(
    "keypoint_threshold",
    "FLOAT",
    "score from which a point shows; -1: the server's default, mostly 0.3",
    widget={"default": -1.0, "min": -1.0, "max": 100.0, "step": 0.05},
)
STYLE = Input(
    "style",
    "COMBO",
    "controlnet: as most ControlNets know it; xinsir: thick limbs for xinsir's SDXL ControlNets; dwpose: the authors'",
    widget={"options": list(STYLES), "default": "controlnet"},
)
PART_SWITCHES = tuple(
    Input(part, "BOOLEAN", f"show {part}" + (": no ControlNet knows them" if part == "feet" else ""), widget=switched)
    for part, switched in ((part, {"default": part != "feet"}) for part in PARTS)
)


def side(name: str, tooltip: str) -> Input:
    """A length in pixels, 0 for unknown or whatever follows from the rest."""
    return Input(name, "INT", tooltip, widget={"default": 0, "min": 0, "max": 16384, "step": 8})


def parts_of(switches: Mapping[str, bool]) -> str:
    """The parts that are switched on, as the server takes them.

    Raises:
        ValueError: all are off.
    """
    parts = ",".join(part for part in PARTS if switches[part])
    if not parts:
        raise ValueError(f"switch on at least one of {', '.join(PARTS)}")
    return parts


def at_least_zero(value: float) -> float | None:
    """A threshold; None, which stands for the server's default, where it is negative."""
    return value if value >= 0 else None


def parse(text: str | bytes, origin: str) -> Any:
    """A JSON document; bytes may be UTF-8 or UTF-16, with a byte order mark or without.

    Raises:
        ValueError: it is none; the message names its origin.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{origin}: not JSON: {error}") from error


def frames_of(pose: object = None, text: str | None = None) -> list[Any]:
    """The frames of a POSE_KEYPOINT or of a document as text: one per picture, at least one.

    Raises:
        ValueError: none or both are given, the text is not JSON, or there is no frame in it.
    """
    if (pose is None) == (text is None):
        raise ValueError("connect pose or json, one of the two")
    return split(pose, "pose") if text is None else split(parse(text, "json"), "json")


def split(document: object, origin: str) -> list[Any]:
    """The frames of a document, at least one.

    Raises:
        ValueError: there is none; the message names its origin.
    """
    frames = document if isinstance(document, list) else [document]
    if not frames:
        raise ValueError(f"{origin}: a list without frames")
    return frames


def ask_about(
    route: str, frames: Sequence[object], parameters: Mapping[str, object], read: Callable[[bytes], Answer]
) -> list[Answer]:
    """What `read` makes of the answer of `POST /render` or `/convert` to each frame."""
    server = read_server()

    def ask(frame: object, stop: Event) -> Answer:
        body = json.dumps(frame).encode()
        return post(server, route, parameters, body, content_type="application/json", read=read, stop=stop)

    return run_in_order(ask, frames)


def convert(frames: Sequence[object], parameters: Mapping[str, object]) -> list[Any]:
    """Frames in another dialect; where that wraps a picture in a list, without the list."""
    answers = ask_about("/convert", frames, parameters, json.loads)
    return [answer[0] if isinstance(answer, list) else answer for answer in answers]


def to_text(frames: Sequence[object]) -> str:
    """A document: one frame as an object, several as a list."""
    return json.dumps(frames[0] if len(frames) == 1 else list(frames))
