"""Shapes on the photo, to see what was found."""

from collections.abc import Iterable

from pose_core.renderers.raster import draw_shapes
from pose_core.styles import PALETTE, Shape
from pose_core.types import Image


def render_overlay(shapes: Iterable[Shape], photo: Image) -> Image:
    """Draw over a copy of a photo that already has the size of the canvas."""
    canvas = photo.copy()
    draw_shapes(canvas, shapes, [tuple(colour) for colour in PALETTE.tolist()])
    return canvas
