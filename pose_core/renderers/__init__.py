"""Where shapes are drawn: a map on black, the photo, or a vector graphic."""

from pose_core.renderers.overlay import render_overlay
from pose_core.renderers.skeleton_map import render_map
from pose_core.renderers.svg import render_svg

__all__ = ["render_map", "render_overlay", "render_svg"]
