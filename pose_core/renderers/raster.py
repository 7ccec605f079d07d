"""Shapes onto an array, without antialiasing or blending."""

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from jaxtyping import Int32, UInt8

from pose_core.styles import Disc, Limb, Line, Shape


def draw_shapes(
    canvas: UInt8[np.ndarray, "height width *channels"],
    shapes: Iterable[Shape],
    colours: Sequence[int] | Sequence[tuple[int, int, int]],
) -> None:
    """Draw into `canvas`; `colours` holds what to write for each colour number.

    Coordinates are cut towards zero to whole pixels where the reference cuts them.
    """
    circle, line, fill, filled = cv2.circle, cv2.line, cv2.fillConvexPoly, cv2.FILLED
    for shape in shapes:  # hundreds per person: local names and positional arguments save a fifth of the time
        if isinstance(shape, Disc):
            x, y, radius, colour = shape
            circle(canvas, (int(x), int(y)), radius, colours[colour], filled)
        elif isinstance(shape, Line):
            x0, y0, x1, y1, colour, width = shape
            line(canvas, (int(x0), int(y0)), (int(x1), int(y1)), colours[colour], width)
        else:
            fill(canvas, limb_polygon(shape), colours[shape.colour])


def limb_polygon(limb: Limb) -> Int32[np.ndarray, "corners 2"]:
    """The ellipse of a limb as a polygon with a corner per degree."""
    x0, y0, x1, y1, half_width, _ = limb
    center = (int((x0 + x1) / 2), int((y0 + y1) / 2))
    half_length = int(math.sqrt((x0 - x1) ** 2 + (y0 - y1) ** 2) / 2)
    angle = int(math.degrees(math.atan2(y0 - y1, x0 - x1)))
    return np.asarray(cv2.ellipse2Poly(center, (half_length, half_width), angle, 0, 360, 1))
