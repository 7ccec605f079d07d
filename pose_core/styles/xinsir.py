"""Thick limbs for the xinsir SDXL ControlNets; everything else as in `controlnet`.

Source: comfyui_controlnet_aux@e8b689a with its xinsir switch on.
"""

from collections.abc import Iterator

from pose_core.openpose import OpenPoseScene
from pose_core.styles.controlnet import LIMB_HALF_WIDTH, person_shapes
from pose_core.styles.shapes import Shape, animal_shapes
from pose_core.types import Size


def shapes(scene: OpenPoseScene, threshold: float) -> Iterator[Shape]:
    """Everybody's shapes, in drawing order, then the animals."""
    half_width = LIMB_HALF_WIDTH * thickness(scene.size)
    for person in scene.people:
        yield from person_shapes(person, threshold, scene.size, half_width)
    yield from animal_shapes(scene, threshold)


def thickness(size: Size) -> int:
    """How many times thicker limbs are on a canvas of this size."""
    longest = max(size.width, size.height)
    return 1 if longest < 500 else min(2 + longest // 1000, 7)
