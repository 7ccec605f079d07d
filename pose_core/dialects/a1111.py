"""sd-webui-controlnet's dialect, which Forge and huchenlei's editor share.

One object per picture in pixels of the drawn map. Shown points score 1 and hidden ones are 0, 0, 0; a face or hand of
which nothing shows is null, a body is 18 zeroed points. A1111 itself drops every point that scores below 1. Animals
have a list of their own, which only this dialect keeps.
Source: Mikubill/sd-webui-controlnet@56cec5b `annotator/openpose/__init__.py`.
"""

from pose_core.dialects import keypoints_2d
from pose_core.dialects.dialect import Dialect, Object
from pose_core.openpose import OpenPoseScene
from pose_core.skeleton import ANIMAL_COUNT


def write(scene: OpenPoseScene, threshold: float) -> Object:
    """The object that `/controlnet/detect` answers for one picture."""
    people = [keypoints_2d.nullable_person(person, threshold, scene.size) for person in scene.people]
    animals = [keypoints_2d.flat(animal, threshold) or keypoints_2d.zeros(ANIMAL_COUNT) for animal in scene.animals]
    return {"people": people, "animals": animals, **keypoints_2d.canvas_of(scene)}


def recognises(frame: Object) -> bool:
    """Only this dialect lists animals beside the people."""
    return "animals" in frame


DIALECT = Dialect(
    summary="A1111, Forge and huchenlei's editor",
    write=write,
    write_person=keypoints_2d.nullable_person,
    read=keypoints_2d.read,
    recognises=recognises,
)
