"""Our own dialect: all 133 keypoints with the scores that the network gave, never thresholded.

`{"width": w, "height": h, "people": [{"box": [left, top, right, bottom], "box_score": s, "keypoints": [[x, y, score] *
133]}]}` in pixels of the photo, points in the order of `skeleton.KEYPOINT_NAMES`. Nothing is lost but what OpenPose
adds to the 133: a neck that is not the middle of the shoulders and pupils that are not the eyes. `POST /pose` answers
in this dialect with more keys, which are ignored here.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from pose_core.dialects.dialect import Dialect, Object
from pose_core.dialects.document import (
    first_person,
    list_people,
    pick_frame,
    read_canvas,
    read_list,
    read_number,
    read_rows,
)
from pose_core.errors import InvalidPoseData
from pose_core.openpose import OpenPosePerson, OpenPoseScene, coco_keypoints, openpose_people
from pose_core.skeleton import BODY, FACE, FEET, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND
from pose_core.types import PersonBox, Size


def write_person(person: OpenPosePerson, _threshold: float, _size: Size) -> Object:
    """The box and the keypoints of one person, whatever their scores; points of a missing part are 0, 0, 0."""
    box = person.box
    return {
        "box": None if box is None else [box.left, box.top, box.right, box.bottom],
        "box_score": None if box is None else box.score,
        "keypoints": coco_keypoints(person).tolist(),
    }


def write(scene: OpenPoseScene, threshold: float) -> Object:
    """The whole scene."""
    people = [write_person(person, threshold, scene.size) for person in scene.people]
    return {"width": scene.size.width, "height": scene.size.height, "people": people}


def read(document: object, *, size: Size | None = None, frame: int = 0) -> OpenPoseScene:
    """One frame with its boxes and raw scores; coordinates are pixels, however small they are."""
    picked = pick_frame(document, frame)
    canvas = read_canvas(picked, "width", "height", size)
    people = list_people(picked)
    return OpenPoseScene(canvas, tuple(_read_person(person, f"people[{i}]") for i, person in enumerate(people)))


def _read_person(person: Object, field: str) -> OpenPosePerson:
    box = _read_box(person, field)
    field = f"{field}.keypoints"
    values = person.get("keypoints")
    if values is None or values == []:
        return OpenPosePerson(body=None, box=box)
    rows = read_list(values, field, KEYPOINT_COUNT)
    if len(rows) != KEYPOINT_COUNT:
        raise InvalidPoseData(f"has {len(rows)} points", field=field, choices=[str(KEYPOINT_COUNT), "0", "null"])
    keypoints = read_rows(rows, [f"{field}[{i}]" for i in range(KEYPOINT_COUNT)], ("x", "y", "score"))
    # in the precision they were written in, so that a map drawn from the document is the one drawn from the photo
    (whole,) = openpose_people(keypoints[None].astype(np.float32), [box])
    return _without_unknown_parts(whole, keypoints)


def _without_unknown_parts(person: OpenPosePerson, keypoints: Float64[np.ndarray, "133 3"]) -> OpenPosePerson:
    """The person without the parts whose rows are all 0, 0, 0."""
    return replace(
        person,
        body=person.body if keypoints[BODY].any() else None,
        feet=person.feet if keypoints[FEET].any() else None,
        face=person.face if keypoints[FACE].any() else None,
        left_hand=person.left_hand if keypoints[LEFT_HAND].any() else None,
        right_hand=person.right_hand if keypoints[RIGHT_HAND].any() else None,
    )


def _read_box(person: Object, field: str) -> PersonBox | None:
    if person.get("box") is None:
        return None
    score = person.get("box_score")
    sides = read_rows([person["box"]], [f"{field}.box"], ("left", "top", "right", "bottom"))
    left, top, right, bottom = sides[0].tolist()
    return PersonBox(left, top, right, bottom, 1.0 if score is None else read_number(score, f"{field}.box_score"))


def recognises(frame: Object) -> bool:
    """People with one list of keypoints, or a canvas under our names."""
    return "people" in frame and ("keypoints" in first_person(frame) or "width" in frame)


DIALECT = Dialect(
    summary="our own: raw scores, boxes, all 133 points",
    write=write,
    write_person=write_person,
    read=read,
    recognises=recognises,
)
