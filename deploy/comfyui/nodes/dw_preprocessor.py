"""The node of comfyui_controlnet_aux that other programs, Krita AI Diffusion among them, send by name.

Same name, same inputs, same outputs, same sizes: the map is drawn at the photo's size and then resized, poses are in
pixels of the photo. The two names of networks are taken and not looked at; the server's own are used.
Source: Fannovel16/comfyui_controlnet_aux@e8b689a `node_wrappers/dwpose.py`.
"""

import json

import torch

from ..node import Input, Node, Output, Result
from ..photos import estimate, models_fingerprint

_SWITCH = {"options": ["enable", "disable"], "default": "enable"}

INPUTS = (
    Input("image", "IMAGE", "one photo or a batch of them"),
    *(
        Input(f"detect_{part}", "COMBO", f"show {part}", optional=True, widget=_SWITCH)
        for part in ("hand", "body", "face")
    ),
    Input(
        "resolution",
        "INT",
        "shorter side of the map in pixels",
        optional=True,
        widget={"default": 512, "min": 64, "max": 16384, "step": 64},
    ),
    *(
        Input(name, "STRING", "ignored: the server chooses", optional=True, widget={"default": default})
        for name, default in (("bbox_detector", "yolox_l.onnx"), ("pose_estimator", "dw-ll_ucoco_384.onnx"))
    ),
    Input(
        "scale_stick_for_xinsr_cn",
        "COMBO",
        "thick limbs for xinsir's SDXL ControlNets",
        optional=True,
        widget={"options": ["disable", "enable"], "default": "disable"},
    ),
)


def run(
    *,
    image: torch.Tensor,
    detect_hand: str = "enable",
    detect_body: str = "enable",
    detect_face: str = "enable",
    resolution: int = 512,
    scale_stick_for_xinsr_cn: str = "disable",
    **_: object,
) -> Result:
    """Ask about every photo of a batch.

    Args:
        image: float32 (batch, height, width, channels), 0 to 1.
        detect_hand: enable or disable; so are the next two and the last.
        detect_body: see there.
        detect_face: see there.
        resolution: shorter side of the map in pixels.
        scale_stick_for_xinsr_cn: see there.

    Raises:
        ServerError: the first photo that got no answer.
        ValueError: inputs or settings that cannot be used.
    """
    switches = {"body": detect_body, "hands": detect_hand, "face": detect_face}
    parts = [part for part, switch in switches.items() if switch == "enable"]
    if not parts:
        raise ValueError("enable at least one of detect_hand, detect_body, detect_face")
    parameters = {
        "resolution": resolution,
        "legacy_resize": "comfyui",
        "style": "xinsir" if scale_stick_for_xinsr_cn == "enable" else "controlnet",
        "parts": ",".join(parts),
    }
    found = estimate(image, parameters, [None] * len(image))
    poses = [one.frame for one in found]
    return Result((torch.stack([one.map for one in found]), poses), {"openpose_json": [json.dumps(poses)]})


def fingerprint(**_: object) -> str:
    """What the server computes with."""
    return models_fingerprint()


NODE = Node(
    title="DWPose Estimator (remote)",
    description="Takes the place of comfyui_controlnet_aux's DWPose Estimator; a pose server does the work.",
    inputs=lambda: INPUTS,
    outputs=(
        Output("IMAGE", "IMAGE", "the skeletons on black"),
        Output("POSE_KEYPOINT", "POSE_KEYPOINT", "one frame per photo, in pixels of the photo"),
    ),
    run=run,
    fingerprint=fingerprint,
)
