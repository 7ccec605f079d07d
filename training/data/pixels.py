"""Random changes of a crop's pixels: colours, sharpness and a black hole. Each is drawn first and applied afterwards.

Source: the published pipeline, mmpose@759b39c1 and DWPose@0232d66: mmdet's YOLOXHSVRandomAug, then Blur, MedianBlur and
CoarseDropout of albumentations 1.3. Grey pictures and low resolution are ours.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from pose_core.types import Image, Size
from training.recipe import Augmentation

BLUR_SIZES: Final = (3, 5, 7)

HUES: Final = 180
"""OpenCV keeps degrees / 2 in a byte."""


class Gains(NamedTuple):
    """What is added to hue, saturation and value of every pixel."""

    hue: int
    saturation: int
    value: int


class Hole(NamedTuple):
    """A rectangle of the crop: its first column and row, its extent."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PixelChange:
    """What happens to one crop, in this order.

    Attributes:
        gains: of the colours; None for colours as they are.
        grey: whether the colours go.
        reduction: by how much the sides were reduced before they were enlarged again, 1 for a crop as it is.
        blur: side of a box filter in pixels, 0 for none.
        median: side of a median filter in pixels, 0 for none.
        hole: what is painted black.
    """

    gains: Gains | None = None
    grey: bool = False
    reduction: float = 1.0
    blur: int = 0
    median: int = 0
    hole: Hole | None = None


def draw_change(augmentation: Augmentation, size: Size, random: np.random.Generator) -> PixelChange:
    """What shall happen to a crop of this size."""
    probability, sides = augmentation.dropout
    reduced, most = augmentation.reduction
    return PixelChange(
        gains=draw_gains(augmentation.hue, random) if any(augmentation.hue) else None,
        blur=int(random.choice(BLUR_SIZES)) if random.random() < augmentation.blur else 0,
        median=int(random.choice(BLUR_SIZES)) if random.random() < augmentation.blur else 0,
        hole=draw_hole(sides, size, random) if random.random() < probability else None,
        grey=bool(augmentation.grey) and random.random() < augmentation.grey,
        reduction=float(random.uniform(1, most)) if reduced and random.random() < reduced else 1.0,
    )


def draw_gains(limits: tuple[float, float, float], random: np.random.Generator) -> Gains:
    """Up to the limit in either direction, cut to whole numbers; each channel is left alone half of the time."""
    gains = random.uniform(-1, 1, 3) * limits * random.integers(0, 2, 3)
    return Gains(*(int(gain) for gain in gains))


def draw_hole(sides: tuple[float, float], size: Size, random: np.random.Generator) -> Hole:
    """A rectangle inside the crop whose sides are fractions of the crop's, each drawn by itself."""
    height, width = (int(random.uniform(*sides) * side) for side in (size.height, size.width))
    top, left = (int(random.integers(0, room + 1)) for room in (size.height - height, size.width - width))
    return Hole(left, top, width, height)


def apply_change(crop: Image, change: PixelChange) -> Image:
    """A changed copy of a crop."""
    changed = crop if change.gains is None else shift_colours(crop, change.gains)
    if change.grey:
        changed = cv2.cvtColor(cv2.cvtColor(changed, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if change.reduction > 1:
        changed = lower_resolution(changed, change.reduction)
    if change.blur:
        changed = cv2.blur(changed, (change.blur, change.blur))
    if change.median:
        changed = cv2.medianBlur(changed, change.median)
    return changed if change.hole is None else paint_hole(changed, change.hole)


def lower_resolution(image: Image, reduction: float) -> Image:
    """An image of the same size whose details were lost in a smaller one."""
    height, width = image.shape[:2]
    small = cv2.resize(image, None, fx=1 / reduction, fy=1 / reduction, interpolation=cv2.INTER_AREA)
    enlarged: Image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return enlarged


def shift_colours(image: Image, gains: Gains) -> Image:
    """Hue, which goes in a circle, saturation and value, which stop at 0 and 255, moved by the gains.

    The way there and back through OpenCV's bytes changes colours a little even without gains, as in the reference.
    """
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    shifted: Image = cv2.cvtColor(cv2.LUT(hsv, shift_table(gains)), cv2.COLOR_HSV2RGB)
    return shifted


def shift_table(gains: Gains) -> UInt8[np.ndarray, "1 256 3"]:
    """The new byte of every hue, saturation and value."""
    values = np.arange(256)
    hue = (values + gains.hue) % HUES
    saturation, value = (np.clip(values + gain, 0, 255) for gain in (gains.saturation, gains.value))
    return np.stack([hue, saturation, value], axis=-1).astype(np.uint8)[None]


def paint_hole(image: Image, hole: Hole) -> Image:
    """A copy with a black rectangle."""
    painted = image.copy()
    painted[hole.top : hole.top + hole.height, hole.left : hole.left + hole.width] = 0
    return painted
