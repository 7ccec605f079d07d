"""Shapes as a vector graphic, with unrounded coordinates."""

import math
from collections.abc import Iterable

from pose_core.styles import PALETTE, Disc, Limb, Shape
from pose_core.types import Size


def render_svg(shapes: Iterable[Shape], size: Size) -> str:
    """A complete SVG document of the map on black."""
    elements = "\n".join(element(shape) for shape in shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.width}" height="{size.height}" '
        f'viewBox="0 0 {size.width} {size.height}">\n'
        f'<rect width="100%" height="100%" fill="#000000"/>\n{elements}\n</svg>\n'
    )


def element(shape: Shape) -> str:
    """One shape as an SVG element."""
    red, green, blue = PALETTE[shape.colour].tolist()
    colour = f"#{red:02x}{green:02x}{blue:02x}"
    if isinstance(shape, Disc):
        return f'<circle cx="{shape.x:.2f}" cy="{shape.y:.2f}" r="{shape.radius}" fill="{colour}"/>'
    x0, y0, x1, y1 = shape[:4]
    if isinstance(shape, Limb):
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        length, angle = math.hypot(x0 - x1, y0 - y1) / 2, math.degrees(math.atan2(y0 - y1, x0 - x1))
        return (
            f'<ellipse cx="{x:.2f}" cy="{y:.2f}" rx="{length:.2f}" ry="{shape.half_width}" fill="{colour}" '
            f'transform="rotate({angle:.2f} {x:.2f} {y:.2f})"/>'
        )
    return (
        f'<line x1="{x0:.2f}" y1="{y0:.2f}" x2="{x1:.2f}" y2="{y1:.2f}" stroke="{colour}" '
        f'stroke-width="{shape.width}"/>'
    )
