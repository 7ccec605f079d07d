"""Poses of any dialect in, poses of another one out."""

from typing import Any

from ..documents import DIALECTS, SOURCES, THRESHOLD, at_least_zero, convert, frames_of, side, to_text
from ..node import Input, Node, Output, Result

INPUTS = (
    Input(
        "dialect",
        "COMBO",
        "of the json output: comfy for every ComfyUI node, a1111 for the WebUI and Forge, comfy-aux as "
        "comfyui_controlnet_aux writes, openpose for BODY_25, fkunn1326 for its editor, skelmap for all 133 points",
        widget={"options": list(DIALECTS), "default": "comfy"},
    ),
    THRESHOLD,
    side("width", "of the canvas in pixels; 0: follows from height, or as it is"),
    side("height", "of the canvas in pixels; 0: follows from width, or as it is"),
    *SOURCES,
)


def run(
    *, dialect: str, keypoint_threshold: float, width: int, height: int, pose: Any = None, json: str | None = None
) -> Result:
    """Rewrite every frame.

    Args:
        dialect: of the text.
        keypoint_threshold: score from which a point shows; negative for the server's default.
        width: of the canvas in pixels, or 0; coordinates follow it.
        height: likewise.
        pose: a POSE_KEYPOINT; or
        json: a document as text.

    Raises:
        ServerError: the first frame that got no answer.
        ValueError: inputs or settings that cannot be used.
    """
    frames = frames_of(pose, json)
    parameters = {
        "keypoint_threshold": at_least_zero(keypoint_threshold),
        "width": width or None,
        "height": height or None,
    }
    poses, written = (convert(frames, {**parameters, "dialect": name}) for name in ("comfy", dialect))
    return Result((poses, to_text(written)))


NODE = Node(
    title="Convert Pose",
    description="Rewrites poses in another JSON dialect, and as a POSE_KEYPOINT that every node can read.",
    inputs=lambda: INPUTS,
    outputs=(
        Output("pose", "POSE_KEYPOINT", "full-length lists, shown points score 1: what all nodes can read"),
        Output("json", "STRING", "in the dialect; a list for several frames"),
    ),
    run=run,
)
