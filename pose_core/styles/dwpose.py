"""The maps of the DWPose authors' own demo: part by part over all people, faces without pupils.

Equals IDEA-Research/DWPose@3dca5db (branch onnx) and huggingface/controlnet_aux@b1aac31 pixel for pixel. With one
person in the picture it differs from `controlnet` by the two pupils only.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64

from pose_core.openpose import OpenPoseScene
from pose_core.styles.controlnet import LIMB_HALF_WIDTH
from pose_core.styles.shapes import (
    BODY_EDGES,
    OPENPOSE_POINTS,
    Shape,
    animal_shapes,
    body_joint,
    body_limb,
    face_shapes,
    feet_shapes,
    hand_shapes,
    shown_part,
)
from pose_core.types import Size

FACE_POINTS = 68


def shapes(scene: OpenPoseScene, threshold: float) -> Iterator[Shape]:
    """Limb by limb, joint by joint, then feet, left hands, right hands, faces, each over all people; then animals."""
    people, size = scene.people, scene.size
    bodies = [shown_part(person.body, threshold, size, through_fractions) for person in people]
    known_bodies = [body for body in bodies if body]
    for edge in range(len(BODY_EDGES)):
        for body in known_bodies:
            yield from body_limb(body, edge, LIMB_HALF_WIDTH)
    for joint in range(OPENPOSE_POINTS):
        for body in known_bodies:
            yield from body_joint(body, joint)
    for person, body_or_none in zip(people, bodies, strict=True):
        if feet := shown_part(person.feet, threshold, size, through_fractions):
            yield from feet_shapes(feet, body_or_none, LIMB_HALF_WIDTH)
    for points in (*(person.left_hand for person in people), *(person.right_hand for person in people)):
        if hand := shown_part(points, threshold, size, through_fractions):
            yield from hand_shapes(hand)
    for person in people:
        if face := shown_part(person.face, threshold, size, through_fractions):
            yield from face_shapes(face, FACE_POINTS)
    yield from animal_shapes(scene, threshold)


def through_fractions(
    pixels: Float64[np.ndarray, "points 2"], shown: Bool[np.ndarray, "points"], size: Size
) -> Float64[np.ndarray, "points 2"]:
    """Pixels divided by the canvas size and multiplied by it again.

    A quirk of the reference: its rounding can move a whole coordinate to the pixel before.
    """
    del shown
    extent = np.array([size.width, size.height], np.float64)
    return pixels / extent * extent
