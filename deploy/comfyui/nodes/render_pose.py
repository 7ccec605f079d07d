"""Poses in, maps out."""

from typing import Any

import torch

from ..documents import (
    PART_SWITCHES,
    SOURCES,
    STYLE,
    THRESHOLD,
    ask_about,
    at_least_zero,
    frames_of,
    parts_of,
    side,
)
from ..images import read_image
from ..node import Input, Node, Output, Result

INPUTS = (
    STYLE,
    *PART_SWITCHES,
    THRESHOLD,
    side("width", "of the maps in pixels; 0: follows from height, or that of the first frame"),
    side("height", "of the maps in pixels; 0: follows from width, or that of the first frame"),
    Input(
        "fit",
        "COMBO",
        "where a frame has another aspect ratio: contain (whole, centred), cover (filled, cut) or stretch",
        widget={"options": ["contain", "cover", "stretch"], "default": "contain"},
    ),
    *SOURCES,
)


def run(
    *,
    style: str,
    keypoint_threshold: float,
    width: int,
    height: int,
    fit: str,
    pose: Any = None,
    json: str | None = None,
    **switches: bool,
) -> Result:
    """Draw every frame.

    Args:
        style: how the maps are drawn.
        keypoint_threshold: negative for the server's default.
        width: of the maps in pixels, or 0.
        height: likewise.
        fit: contain, cover or stretch.
        pose: a POSE_KEYPOINT; or
        json: a document as text.
        switches: body, hands, face, feet.

    Raises:
        ServerError: the first frame that got no answer.
        ValueError: inputs or settings that cannot be used.
    """
    frames = frames_of(pose, json)
    parameters = {
        "format": "png",
        "style": style,
        "parts": parts_of(switches),
        "keypoint_threshold": at_least_zero(keypoint_threshold),
        "fit": fit,
    }
    asked = {**parameters, "width": width or None, "height": height or None}
    first = ask_about("/render", frames[:1], asked, read_image)
    height, width, _ = first[0].shape  # one tensor holds one size
    others = ask_about("/render", frames[1:], {**parameters, "width": width, "height": height}, read_image)
    return Result((torch.stack(first + others),))


NODE = Node(
    title="Render Pose",
    description="Draws poses of any node or dialect as maps: edited ones, saved ones, in another style or size.",
    inputs=lambda: INPUTS,
    outputs=(Output("map", "IMAGE", "the skeletons on black, one per frame, all of one size"),),
    run=run,
)
