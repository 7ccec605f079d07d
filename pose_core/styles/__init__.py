"""How people become shapes: limb order, thickness and colours; one file per style."""

from collections.abc import Callable, Iterator

from pose_core.openpose import OpenPoseScene
from pose_core.styles import controlnet, dwpose, xinsir
from pose_core.styles.shapes import PALETTE, Disc, Limb, Line, Shape

Style = Callable[[OpenPoseScene, float], Iterator[Shape]]
"""A scene and the score from which a point shows; shapes in drawing order, in the scene's pixels."""

STYLES: dict[str, Style] = {
    "controlnet": controlnet.shapes,
    "dwpose": dwpose.shapes,
    "xinsir": xinsir.shapes,
}

__all__ = ["PALETTE", "STYLES", "Disc", "Limb", "Line", "Shape", "Style"]
