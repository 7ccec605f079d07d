"""The POSE_KEYPOINT that every ComfyUI node, Krita's plug-in and huchenlei's editor can read.

A list with one object per frame. Every part is a full-length list, zeroed where it is missing, because ComfyUI's own
drawing node reshapes without looking; shown points score 1, because comfyui_controlnet_aux and the editor hide
whatever scores less. Feet go where ComfyUI's SDPose nodes put them; the box stands in keys that nobody else reads.
"""

from pose_core.dialects import keypoints_2d
from pose_core.dialects.dialect import Dialect, Object
from pose_core.dialects.document import first_person
from pose_core.dialects.keypoints_2d import flat, zeros
from pose_core.openpose import OpenPosePerson, OpenPoseScene
from pose_core.types import Size


def write_person(person: OpenPosePerson, threshold: float, _size: Size) -> Object:
    """One person, every list at its full length."""
    return {
        "pose_keypoints_2d": flat(person.body, threshold) or zeros(18),
        "foot_keypoints_2d": flat(person.feet, threshold) or zeros(6),
        "face_keypoints_2d": flat(person.face, threshold) or zeros(70),
        "hand_left_keypoints_2d": flat(person.left_hand, threshold) or zeros(21),
        "hand_right_keypoints_2d": flat(person.right_hand, threshold) or zeros(21),
        **keypoints_2d.box_of(person),
    }


def write(scene: OpenPoseScene, threshold: float) -> list[Object]:
    """A POSE_KEYPOINT of one frame."""
    people = [write_person(person, threshold, scene.size) for person in scene.people]
    return [{"people": people, **keypoints_2d.canvas_of(scene)}]


def recognises(frame: Object) -> bool:
    """Only ComfyUI's newer nodes list the feet apart from the body."""
    return "foot_keypoints_2d" in first_person(frame)


DIALECT = Dialect(
    summary="ComfyUI: core and third-party nodes, Krita's plug-in, the editor",
    write=write,
    write_person=write_person,
    read=keypoints_2d.read,
    recognises=recognises,
)
