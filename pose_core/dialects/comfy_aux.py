"""What comfyui_controlnet_aux's pre-processor nodes hand on as POSE_KEYPOINT.

A list with one object per frame, in pixels of the source picture; people as in `a1111`, and no animals beside them.
Null parts crash ComfyUI's own drawing node: `comfy` is the one to use in new graphs.
Source: Fannovel16/comfyui_controlnet_aux@e8b689a `src/custom_controlnet_aux/dwpose/__init__.py`.
"""

from pose_core.dialects import keypoints_2d
from pose_core.dialects.dialect import Dialect, Object
from pose_core.openpose import OpenPoseScene


def write(scene: OpenPoseScene, threshold: float) -> list[Object]:
    """The node's value for one picture."""
    people = [keypoints_2d.nullable_person(person, threshold, scene.size) for person in scene.people]
    return [{"people": people, **keypoints_2d.canvas_of(scene)}]


def recognises(frame: Object) -> bool:
    """The plainest dialect: people and nothing that marks another one."""
    return "people" in frame


DIALECT = Dialect(
    summary="comfyui_controlnet_aux's DWPreprocessor and OpenposePreprocessor",
    write=write,
    write_person=keypoints_2d.nullable_person,
    read=keypoints_2d.read,
    recognises=recognises,
)
