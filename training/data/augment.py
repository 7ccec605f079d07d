"""Where to look: the view of a person that serving has, and random ones.

All of it follows from the annotation, before the photo is read. The order is that of the published pipeline: mirror
image, half body, shift, scale and rotation, all in photo pixels; cuts (`training.data.cuts`) are ours.

Source: mmpose@759b39c1 GetBBoxCenterScale, RandomFlip, RandomHalfBody, RandomBBoxTransform and TopdownAffine with their
defaults.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float64

from pose_core.geometry import CROP_PADDING, CropRegion, crop_matrix, crop_region
from pose_core.schemes import SCHEMES, WHOLE_BODY
from pose_core.types import PersonBox, Size
from training.data.cuts import Window, draw_window
from training.data.parts import LOWER_BODY, UPPER_BODY, points_of
from training.data.records import Person, WeightedKeypoints
from training.recipe import Augmentation

HALF_BODY_LABELS: Final = 9
"""So many points must be labelled before half a body is looked at."""

UPPER_LABELS: Final = 2
LOWER_LABELS: Final = 3
"""Labels that make a half worth looking at."""

UPPER_PREFERENCE: Final = 0.7
HALF_BODY_PADDING: Final = 1.5


class Frame(NamedTuple):
    """A rectangle of the photo before its aspect ratio is made the network's: middle and extent in pixels."""

    center_x: float
    center_y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What of a photo, or of its mirror image, is looked at.

    Attributes:
        region: in pixels of the photo, or of its mirror image; it may be turned around its middle.
        matrix: pixels of the photo, or of its mirror image, to crop pixels.
        mirrored: whether both mean the mirror image.
        window: what is left of the photo, or of its mirror image; None for all of it.
    """

    region: CropRegion
    matrix: Float64[np.ndarray, "2 3"]
    mirrored: bool = False
    window: Window | None = None


def plain_view(person: Person, input_size: Size) -> View:
    """The view that serving has of a box."""
    region = crop_region(person.box, input_size)
    return View(region, crop_matrix(region, input_size))


def draw_view(person: Person, input_size: Size, augmentation: Augmentation, random: np.random.Generator) -> View:
    """A random view of a person."""
    mirrored = bool(random.random() < augmentation.flip)
    width = person.picture.size.width
    box = mirror_box(person.box, width) if mirrored else person.box
    keypoints = mirror_keypoints(person.keypoints, width, person.scheme) if mirrored else person.keypoints
    window = None
    if augmentation.cut and random.random() < augmentation.cut:
        window = draw_window(keypoints, box, person.picture.size, random, person.scheme)
    frame = padded_frame(window.clip(box) if window else box)
    if random.random() < augmentation.half_body and not window:
        prefer_upper = random.random() < UPPER_PREFERENCE
        frame = half_body_frame(keypoints, person.scheme, prefer_upper=prefer_upper) or frame
    frame, rotation_deg = draw_transform(frame, augmentation, random)
    region = region_of(frame, input_size)
    return View(region, crop_matrix(region, input_size, rotation_deg), mirrored, window)


# Mirror image


def mirror_box(box: PersonBox, photo_width: int) -> PersonBox:
    """A box in the mirrored photo: x becomes width - 1 - x."""
    return PersonBox(photo_width - 1 - box.right, box.top, photo_width - 1 - box.left, box.bottom, box.score)


def mirror_keypoints(keypoints: WeightedKeypoints, photo_width: int, scheme: str = WHOLE_BODY) -> WeightedKeypoints:
    """Keypoints in the mirrored photo: x becomes width - 1 - x, and what was left is right."""
    mirrored = keypoints[SCHEMES[scheme].flip_order]
    mirrored[:, 0] = photo_width - 1 - mirrored[:, 0]
    return mirrored


# Half body


def half_body_frame(
    keypoints: Float[np.ndarray, "points 3"], scheme: str = WHOLE_BODY, *, prefer_upper: bool
) -> Frame | None:
    """The frame around the labelled points of one half of the body, around their mean and 1.5 times their extent.

    Args:
        keypoints: x, y, weight.
        scheme: which points these are.
        prefer_upper: which half to take when both have enough labels.

    Returns:
        None where neither half has enough labels, or its labels are all in one place, where the reference would fail.
    """
    labelled = keypoints[:, 2] > 0
    if labelled.sum() < HALF_BODY_LABELS:
        return None
    points = half_body_points(keypoints, labelled, scheme, prefer_upper=prefer_upper)
    extent = np.ptp(points, axis=0) if len(points) else np.zeros(2)
    if not extent.any():
        return None
    return Frame(*points.mean(axis=0).tolist(), *(extent * HALF_BODY_PADDING).tolist())


def half_body_points(
    keypoints: Float[np.ndarray, "points 3"], labelled: Bool[np.ndarray, "points"], scheme: str, *, prefer_upper: bool
) -> Float[np.ndarray, "chosen 2"]:
    """The labelled points of the chosen half; none where neither half has enough."""
    halves = (points_of(half, scheme) for half in (UPPER_BODY, LOWER_BODY))
    upper, lower = (keypoints[half, :2][labelled[half]] for half in halves)
    upper_qualifies, lower_qualifies = len(upper) >= UPPER_LABELS, len(lower) >= LOWER_LABELS
    if upper_qualifies and (prefer_upper or not lower_qualifies):
        return upper
    return lower if lower_qualifies else upper[:0]


# Shift, scale, rotation


def padded_frame(box: PersonBox) -> Frame:
    """A box with the margin that networks are shown."""
    width, height = box.right - box.left, box.bottom - box.top
    return Frame((box.left + box.right) / 2, (box.top + box.bottom) / 2, width * CROP_PADDING, height * CROP_PADDING)


def draw_transform(frame: Frame, augmentation: Augmentation, random: np.random.Generator) -> tuple[Frame, float]:
    """A frame shifted and scaled at random, and a random rotation in degrees.

    The shift is in units of the extent before scaling; both axes are shifted or none. The scale always changes.
    """
    z_x, z_y, z_scale, z_rotation = truncated_normal(4, random)
    shift = augmentation.shift[1] if random.random() < augmentation.shift[0] else 0.0
    rotation_deg = augmentation.rotation[1] * z_rotation if random.random() < augmentation.rotation[0] else 0.0
    factor = 1 + augmentation.scale * z_scale
    moved = Frame(
        center_x=frame.center_x + shift * z_x * frame.width,
        center_y=frame.center_y + shift * z_y * frame.height,
        width=frame.width * factor,
        height=frame.height * factor,
    )
    return moved, rotation_deg


_NORMAL: Final = NormalDist()


def truncated_normal(count: int, random: np.random.Generator) -> list[float]:
    """Standard normal numbers under the condition that they lie between -1 and 1; their deviation is 0.54."""
    uniform = random.uniform(_NORMAL.cdf(-1), _NORMAL.cdf(1), count)
    return [_NORMAL.inv_cdf(quantile) for quantile in uniform.tolist()]


def region_of(frame: Frame, input_size: Size) -> CropRegion:
    """The frame extended on one axis to the network's aspect ratio; its margin is in it already."""
    half_width, half_height = frame.width / 2, frame.height / 2
    box = PersonBox(
        left=frame.center_x - half_width,
        top=frame.center_y - half_height,
        right=frame.center_x + half_width,
        bottom=frame.center_y + half_height,
    )
    return crop_region(box, input_size, padding=1.0)
