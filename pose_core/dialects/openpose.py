"""CMU OpenPose's own files: BODY_25 with real scores.

The canvas stands in the sibling keys that the other dialects use, as OpenPose itself names none; so does the box.
Source: CMU-Perceptual-Computing-Lab/openpose `doc/02_output.md`; version 1.3 and its keys as in the files that users
show in lllyasviel/ControlNet#538 and huggingface/controlnet_aux#83.
"""

import numpy as np
from jaxtyping import Float64

from pose_core.dialects import keypoints_2d
from pose_core.dialects.dialect import Dialect, Object
from pose_core.dialects.keypoints_2d import flat
from pose_core.openpose import OpenPosePerson, OpenPoseScene
from pose_core.skeleton import BODY_25, OPENPOSE_HIPS
from pose_core.types import Size

VERSION = 1.3


def write_person(person: OpenPosePerson, threshold: float, _size: Size) -> Object:
    """One person; a part of which nothing shows is an empty list, as are all 3-D lists."""
    parts = {
        "pose": body_25(person),
        "face": person.face,
        "hand_left": person.left_hand,
        "hand_right": person.right_hand,
    }
    return {
        "person_id": [-1],
        **{f"{name}_keypoints_2d": flat(part, threshold, real_scores=True) or [] for name, part in parts.items()},
        **{f"{name}_keypoints_3d": [] for name in parts},
        **keypoints_2d.box_of(person),
    }


def body_25(person: OpenPosePerson) -> Float64[np.ndarray, "25 3"]:
    """Body and feet as BODY_25; the mid-hip is the middle of the hips and scores as the weaker one."""
    body = np.zeros((18, 3)) if person.body is None else person.body
    feet = np.zeros((6, 3)) if person.feet is None else person.feet
    hips = body[list(OPENPOSE_HIPS)]
    mid_hip = [*hips[:, :2].mean(axis=0), hips[:, 2].min()]
    ordered: Float64[np.ndarray, "25 3"] = np.concatenate([body, feet, [mid_hip]])[list(BODY_25)]
    return ordered


def write(scene: OpenPoseScene, threshold: float) -> Object:
    """The file that OpenPose's `write_json` writes for one picture."""
    people = [write_person(person, threshold, scene.size) for person in scene.people]
    return {"version": VERSION, "people": people, **keypoints_2d.canvas_of(scene)}


def recognises(frame: Object) -> bool:
    """Only OpenPose puts its version beside the people."""
    return "version" in frame and "people" in frame


DIALECT = Dialect(
    summary="CMU OpenPose and what is built on its files",
    write=write,
    write_person=write_person,
    read=keypoints_2d.read,
    recognises=recognises,
)
