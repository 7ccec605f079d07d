"""The words the whole project is written in.

Frame of every coordinate unless said otherwise: pixels of the upright photo, origin at the top-left corner, x to the
right, y down, (0, 0) at the centre of the first pixel. Colours are RGB everywhere inside; whoever needs BGR converts
at the edge and says so.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8

Image = UInt8[np.ndarray, "_height _width 3"]
"""RGB pixels, row by row from the top left."""

Keypoints = Float32[np.ndarray, "133 3"]
"""x px, y px, raw score of the 133 COCO-WholeBody points, in the order of `skeleton.KEYPOINT_NAMES`.

The score is what the network said, never thresholded, clipped or overwritten. It is unbounded; trained networks stay
mostly within 0..1. A point that the network does not know (feet, face and hands of a 17-point model) has score 0.
"""

PeopleKeypoints = Float32[np.ndarray, "people 133 3"]
"""Keypoints of several people, one after the other."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels, both at least 1."""

    width: int
    height: int

    @classmethod
    def of(cls, image: UInt8[np.ndarray, "height width *channels"]) -> "Size":
        """The size of an array whose first two axes are height and width."""
        return cls(width=image.shape[1], height=image.shape[0])


@dataclass(frozen=True, slots=True)
class PersonBox:
    """Where one person is: left, top, right, bottom in pixels, not clipped to the image, and the detector's score.

    A box that the caller gave, or that stands for the whole image, has score 1.
    """

    left: float
    top: float
    right: float
    bottom: float
    score: float = 1.0

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True, slots=True)
class Pose:
    """One person: the box the estimator looked at and the 133 keypoints it found."""

    box: PersonBox
    keypoints: Keypoints


@dataclass(frozen=True, slots=True)
class SkeletonMap:
    """A drawn map: one palette index per pixel.

    Skeleton maps use a few dozen colours and no blending, so indices lose nothing, draw faster and compress better
    than RGB.

    Attributes:
        indices: colour number of each pixel.
        palette: RGB of each colour number; number 0 is the background.
    """

    indices: UInt8[np.ndarray, "height width"]
    palette: UInt8[np.ndarray, "colours 3"]

    @property
    def rgb(self) -> Image:
        """The map as an RGB image."""
        image: Image = self.palette[self.indices]
        return image
