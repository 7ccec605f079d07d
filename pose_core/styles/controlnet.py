"""The maps that ControlNet's OpenPose models were trained on, as the WebUI and ComfyUI pre-processors draw them.

Person by person: limbs, joints, left hand, right hand, face; later shapes cover earlier ones. Equals
sd-webui-controlnet@56cec5b and comfyui_controlnet_aux@e8b689a pixel for pixel.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float64

from pose_core.openpose import OpenPosePerson, OpenPoseScene
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

LIMB_HALF_WIDTH = 4
FACE_POINTS = 70


def shapes(scene: OpenPoseScene, threshold: float) -> Iterator[Shape]:
    """Everybody's shapes, in drawing order, then the animals."""
    for person in scene.people:
        yield from person_shapes(person, threshold, scene.size, LIMB_HALF_WIDTH)
    yield from animal_shapes(scene, threshold)


def spread_normalised(
    pixels: Float64[np.ndarray, "points 2"], shown: Bool[np.ndarray, "points"], size: Size
) -> Float64[np.ndarray, "points 2"]:
    """Pixels as they are, unless every point that shows lies within -1..1.

    Such a part is taken for normalised and spread over the canvas: a quirk of the reference, which decides it for each
    part on its own.
    """
    return pixels * [size.width, size.height] if (abs(pixels[shown]) <= 1).all() else pixels


def person_shapes(person: OpenPosePerson, threshold: float, size: Size, half_width: int) -> Iterator[Shape]:
    """One person's shapes, with limbs of the given half width."""
    body = shown_part(person.body, threshold, size, spread_normalised)
    if body:
        for edge in range(len(BODY_EDGES)):
            yield from body_limb(body, edge, half_width)
        for joint in range(OPENPOSE_POINTS):
            yield from body_joint(body, joint)
    if feet := shown_part(person.feet, threshold, size, spread_normalised):
        yield from feet_shapes(feet, body, half_width)
    for points in (person.left_hand, person.right_hand):
        if hand := shown_part(points, threshold, size, spread_normalised):
            yield from hand_shapes(hand)
    if face := shown_part(person.face, threshold, size, spread_normalised):
        yield from face_shapes(face, FACE_POINTS)
