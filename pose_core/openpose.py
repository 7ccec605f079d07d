"""OpenPose's view of a person: the one model behind every JSON dialect and every renderer.

`openpose_people` turns 133 COCO-WholeBody keypoints into it without losing a point or a score, `coco_keypoints` turns
it back. Hiding points is left to whoever draws or writes: `visible` is the only place that compares a score with a
threshold.

Source of the mapping: the pre-processors of Mikubill/sd-webui-controlnet@56cec5b and
Fannovel16/comfyui_controlnet_aux@e8b689a.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float64

from pose_core.geometry import Placement
from pose_core.skeleton import (
    FACE,
    FEET,
    KEYPOINT_COUNT,
    LEFT_HAND,
    OPENPOSE_BODY,
    OPENPOSE_PUPILS,
    RIGHT_HAND,
    SHOULDERS,
    Part,
)
from pose_core.types import Keypoints, PersonBox, Size

DEFAULT_THRESHOLD = 0.3
"""Score from which the WebUI and ComfyUI pre-processors show a point."""


@dataclass(frozen=True, slots=True)
class OpenPosePerson:
    """One person in OpenPose's layout; each row of a part is x px, y px, raw score.

    A part is None where it is unknown or switched off; a point that nobody knows has score 0.

    Attributes:
        body: OpenPose-18.
        feet: left big toe, small toe, heel, then the right ones.
        face: the 68 face points, then the right and left pupil (copies of the body's eyes).
        left_hand: wrist, then four joints of each finger from thumb to little finger.
        right_hand: the same.
        box: where the estimator looked, None for people read from a file.
    """

    body: Float64[np.ndarray, "18 3"] | None
    feet: Float64[np.ndarray, "6 3"] | None = None
    face: Float64[np.ndarray, "70 3"] | None = None
    left_hand: Float64[np.ndarray, "21 3"] | None = None
    right_hand: Float64[np.ndarray, "21 3"] | None = None
    box: PersonBox | None = None


@dataclass(frozen=True, slots=True)
class OpenPoseScene:
    """The people of one picture and the size of the canvas their coordinates refer to.

    Attributes:
        size: of the canvas.
        people: in drawing order.
        animals: those that a document brought along, each row x px, y px, score of the 17 points of AP-10K.
    """

    size: Size
    people: tuple[OpenPosePerson, ...]
    animals: tuple[Float64[np.ndarray, "17 3"], ...] = ()


def openpose_people(
    keypoints: Float[np.ndarray, "people 133 3"], boxes: Sequence[PersonBox | None] | None = None
) -> tuple[OpenPosePerson, ...]:
    """People in OpenPose's layout, in the order and the frame of `keypoints`.

    The neck is the middle of the shoulders and scores as the weaker one, so it shows exactly when both show.
    """
    points = keypoints.astype(np.float64)
    left, right = (points[:, shoulder] for shoulder in SHOULDERS)
    body = points[:, OPENPOSE_BODY]
    body[:, 1, :2] = (left[:, :2] + right[:, :2]) / 2
    body[:, 1, 2] = np.minimum(left[:, 2], right[:, 2])
    face = np.concatenate([points[:, FACE], body[:, OPENPOSE_PUPILS]], axis=1)
    return tuple(
        OpenPosePerson(
            body=body[i],
            feet=points[i, FEET],
            face=face[i],
            left_hand=points[i, LEFT_HAND],
            right_hand=points[i, RIGHT_HAND],
            box=boxes[i] if boxes else None,
        )
        for i in range(len(points))
    )


def coco_keypoints(person: OpenPosePerson) -> Keypoints:
    """The 133 COCO-WholeBody keypoints of a person; points of a missing part are 0, 0 with score 0."""
    keypoints = np.zeros((KEYPOINT_COUNT, 3), np.float32)
    if person.body is not None:
        for openpose, coco in enumerate(OPENPOSE_BODY):
            if coco >= 0:
                keypoints[coco] = person.body[openpose]
    parts = ((FEET, person.feet), (FACE, person.face), (LEFT_HAND, person.left_hand), (RIGHT_HAND, person.right_hand))
    for where, points in parts:
        if points is not None:
            keypoints[where] = points[: where.stop - where.start]
    return keypoints


def visible(points: Float64[np.ndarray, "points 3"] | None, threshold: float) -> Bool[np.ndarray, "points"] | None:
    """Which points of a part show at a threshold; None for a missing part and for one of which nothing shows.

    The pupils of a face do not count as the face being there: they belong to the body (quirk of the reference, which
    adds them only to a face that exists).
    """
    if points is None:
        return None
    shown = (points[:, 2] >= threshold) & (points[:, 2] > 0)
    return shown if shown[:68].any() else None


def keep_parts(person: OpenPosePerson, parts: Collection[Part]) -> OpenPosePerson:
    """The person without the parts that are not listed."""
    return replace(
        person,
        body=person.body if "body" in parts else None,
        feet=person.feet if "feet" in parts else None,
        face=person.face if "face" in parts else None,
        left_hand=person.left_hand if "hands" in parts else None,
        right_hand=person.right_hand if "hands" in parts else None,
    )


def place_people(
    people: Sequence[OpenPosePerson],
    placement: Placement,
    canvas: Size,
    animals: Sequence[Float64[np.ndarray, "17 3"]] = (),
) -> OpenPoseScene:
    """The people and animals of a photo on a canvas; boxes stay in photo pixels."""
    return OpenPoseScene(
        canvas,
        tuple(
            replace(
                person,
                body=_on_canvas(person.body, placement),
                feet=_on_canvas(person.feet, placement),
                face=_on_canvas(person.face, placement),
                left_hand=_on_canvas(person.left_hand, placement),
                right_hand=_on_canvas(person.right_hand, placement),
            )
            for person in people
        ),
        tuple(placement.apply(animal) for animal in animals),
    )


def _on_canvas(
    points: Float64[np.ndarray, "points 3"] | None, placement: Placement
) -> Float64[np.ndarray, "points 3"] | None:
    return None if points is None else placement.apply(points)
