"""The nodes of the pack. A new one is a file with a `NODE` and a line here.

The names are saved into workflows: they are never changed.
"""

from ..node import Node
from . import convert_pose, dw_preprocessor, load_pose_json, remote_pose, render_pose, save_pose_json

NODES: dict[str, Node] = {
    "SkelmapRemotePose": remote_pose.NODE,
    "SkelmapRenderPose": render_pose.NODE,
    "SkelmapConvertPose": convert_pose.NODE,
    "SkelmapSavePoseJSON": save_pose_json.NODE,
    "SkelmapLoadPoseJSON": load_pose_json.NODE,
}

OPT_IN: dict[str, Node] = {"DWPreprocessor": dw_preprocessor.NODE}
"""Under the names of other packs, for programs that send workflows with these: only where the user asks for it."""
