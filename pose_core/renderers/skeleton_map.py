"""Shapes on black: the map a ControlNet reads."""

from collections.abc import Iterable

import numpy as np

from pose_core.renderers.raster import draw_shapes
from pose_core.styles import PALETTE, Shape
from pose_core.types import Size, SkeletonMap


def render_map(shapes: Iterable[Shape], size: Size) -> SkeletonMap:
    """Draw in colour numbers, which equals drawing in RGB because nothing is blended."""
    indices = np.zeros((size.height, size.width), np.uint8)
    draw_shapes(indices, shapes, list(range(len(PALETTE))))
    return SkeletonMap(indices, PALETTE)
