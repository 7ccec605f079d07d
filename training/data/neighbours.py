"""Several people in one crop: somebody from another photo, pasted beside or half in front of who is looked at.

The middle of the crop stays with the person whose labels count, which is what tells people apart in serving, too. Not
from the published pipeline.
"""

from typing import Final

import cv2
import numpy as np

from pose_core.geometry import CROP_PADDING
from pose_core.types import Image

SCALES: Final = (0.5, 1.1)
"""Size of the pasted person relative to the own crop."""

DISTANCES: Final = (0.35, 0.65)
"""Of the pasted person's middle from the crop's, sideways, as a fraction of the crop's width."""

CLEAR: Final = 0.02
"""So far from the crop's middle a pasted person ends at least, as a fraction of the width."""

HEIGHTS: Final = (-0.3, 0.3)
"""The same up or down."""


def paste_neighbour(crop: Image, other: Image, random: np.random.Generator) -> Image:
    """A copy of a crop with the box of another crop's person pasted to the left or to the right of the middle.

    Args:
        crop: of who is looked at.
        other: the plain view of somebody else, of the same size.
        random: decides where and how large.
    """
    height, width = crop.shape[:2]
    scale = random.uniform(*SCALES)
    reach = scale / CROP_PADDING / 2  # half the pasted width; it ends before the middle of the crop
    sideways = max(random.uniform(*DISTANCES), reach + CLEAR) * random.choice((-1, 1)) * width
    middle = np.array([width / 2 + sideways, height / 2 + random.uniform(*HEIGHTS) * height])
    patch = cv2.resize(box_of(other), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    left, top = np.rint(middle - np.array(patch.shape[1::-1]) / 2).astype(int).tolist()
    x, y = max(left, 0), max(top, 0)
    visible = patch[y - top : max(height - top, 0), x - left : max(width - left, 0)]
    pasted = crop.copy()
    pasted[y : y + visible.shape[0], x : x + visible.shape[1]] = visible
    return pasted


def box_of(crop: Image) -> Image:
    """The middle of a plain view, without the margin around the person's box."""
    height, width = crop.shape[:2]
    x, y = (int(side * (1 - 1 / CROP_PADDING) / 2) for side in (width, height))
    return crop[y : height - y, x : width - x]
