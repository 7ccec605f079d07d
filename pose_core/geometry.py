"""From the photo to a network's input and back: every transform beside its inverse.

All affine maps here are built and applied as the reference does it, down to the rounding: three float32 points through
OpenCV's `getAffineTransform`, pixels through OpenCV 4's fixed-point `warpAffine`. The closed form in float64 is the
same map on paper but changes some pixels by one grey level.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, UInt8

from pose_core.types import Image, PersonBox, Size

CROP_PADDING = 1.25
"""How much larger than the box the network's view of a person is (mmpose's GetBBoxCenterScale)."""

LETTERBOX_GREY = 114
"""Fill value around a letterboxed photo (YOLOX and RTMDet training)."""


@dataclass(frozen=True, slots=True)
class CropRegion:
    """The upright rectangle of the photo that a network sees.

    Attributes:
        center_x: middle of the rectangle in photo pixels.
        center_y: the same in y.
        width: extent in photo pixels; width / height is the network's aspect ratio.
        height: the same in y.
    """

    center_x: float
    center_y: float
    width: float
    height: float


def crop_region(box: PersonBox, input_size: Size, padding: float = CROP_PADDING) -> CropRegion:
    """The padded box, extended on one axis to the aspect ratio of `input_size`.

    Source: mmpose@759b39c1 GetBBoxCenterScale and TopdownAffine, which every DWPose pre-processor repeats.
    """
    width, height = (box.right - box.left) * padding, (box.bottom - box.top) * padding
    aspect = input_size.width / input_size.height
    if width > height * aspect:
        height = width / aspect
    else:
        width = height * aspect
    return CropRegion((box.left + box.right) / 2, (box.top + box.bottom) / 2, width, height)


def crop_matrix(region: CropRegion, input_size: Size, rotation_deg: float = 0.0) -> Float64[np.ndarray, "2 3"]:
    """Photo pixels to crop pixels; the region may be turned around its centre (clockwise on the photo).

    No half-pixel shift: the region's centre lands on (width / 2, height / 2) of the crop.
    """
    photo = _triangle(region.center_x, region.center_y, region.width / 2, rotation_deg)
    crop = _triangle(input_size.width / 2, input_size.height / 2, input_size.width / 2, 0.0)
    matrix: Float64[np.ndarray, "2 3"] = cv2.getAffineTransform(photo, crop)
    return matrix


def _triangle(center_x: float, center_y: float, reach: float, rotation_deg: float) -> Float32[np.ndarray, "3 2"]:
    """The centre, the point `reach` above it, and the one to the left of that which makes a right angle there."""
    angle = np.deg2rad(rotation_deg)
    corners = np.empty((3, 2), np.float32)
    corners[0] = center_x, center_y
    corners[1] = center_x + reach * np.sin(angle), center_y - reach * np.cos(angle)
    away_x, away_y = corners[0] - corners[1]
    corners[2] = corners[1, 0] - away_y, corners[1, 1] + away_x
    return corners


def crop_image(image: Image, matrix: Float64[np.ndarray, "2 3"], input_size: Size) -> Image:
    """The crop itself, bilinear, black outside the photo."""
    crop: Image = cv2.warpAffine(image, matrix, (input_size.width, input_size.height), flags=cv2.INTER_LINEAR)
    return crop


def crop_to_photo(
    points: Float[np.ndarray, "people points 2"], regions: Sequence[CropRegion], input_size: Size
) -> Float64[np.ndarray, "people points 2"]:
    """Crop pixels back to photo pixels, in float64 and in the reference's order of operations.

    Inverse of `crop_matrix` without rotation: point / input_size * region + centre - region / 2.
    """
    shape = (len(regions), 1, 2)
    extent = np.array([(region.width, region.height) for region in regions], np.float64).reshape(shape)
    center = np.array([(region.center_x, region.center_y) for region in regions], np.float64).reshape(shape)
    return points / np.array([input_size.width, input_size.height]) * extent + center - extent / 2


def photo_to_crop(
    points: Float[np.ndarray, "*points 2"], matrix: Float64[np.ndarray, "2 3"]
) -> Float64[np.ndarray, "*points 2"]:
    """Photo pixels to crop pixels through a matrix of `crop_matrix`; makes training targets."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def letterbox_ratio(size: Size, input_size: Size) -> float:
    """Factor from photo pixels to letterbox pixels; above 1 for photos smaller than the network's input."""
    return min(input_size.height / size.height, input_size.width / size.width)


def letterbox(image: Image, input_size: Size) -> Image:
    """The photo scaled into the top-left corner of the network's input, grey (114) elsewhere."""
    ratio = letterbox_ratio(Size.of(image), input_size)
    # a sliver may scale to nothing; the reference fails there, one pixel keeps it a photo without people
    width, height = max(1, int(image.shape[1] * ratio)), max(1, int(image.shape[0] * ratio))
    canvas = np.empty((input_size.height, input_size.width, 3), np.uint8)
    canvas[height:] = canvas[:height, width:] = LETTERBOX_GREY
    if (width, height) == (image.shape[1], image.shape[0]):
        canvas[:height, :width] = image
    else:
        cv2.resize(image, (width, height), dst=canvas[:height, :width], interpolation=cv2.INTER_LINEAR)
    return canvas


def letterbox_to_photo(boxes: Float[np.ndarray, "boxes 4"], ratio: float) -> Float[np.ndarray, "boxes 4"]:
    """Left, top, right, bottom in letterbox pixels to photo pixels; keeps float32 as the reference does."""
    return boxes / ratio


Fit = Literal["contain", "cover", "stretch"]
"""How a photo of one aspect ratio lies on a canvas of another: whole and centred, filling and cut, or distorted."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the photo lies on the canvas: canvas = photo * scale + offset, per axis."""

    scale_x: float
    scale_y: float
    offset_x: float = 0.0
    offset_y: float = 0.0

    def apply(self, points: Float64[np.ndarray, "points 3"]) -> Float64[np.ndarray, "points 3"]:
        """Points with their scores, from photo to canvas pixels."""
        return points * [self.scale_x, self.scale_y, 1.0] + [self.offset_x, self.offset_y, 0.0]


def shorter_side_size(photo: Size, resolution: int) -> Size:
    """The size whose shorter side is `resolution`, rounded half to even (sd-webui-controlnet's rule)."""
    factor = resolution / min(photo.width, photo.height)
    return Size(max(1, round(photo.width * factor)), max(1, round(photo.height * factor)))


def pixel_perfect_resolution(photo: Size, target: Size, fit: Fit) -> int:
    """The `resolution` at which a map needs no further scaling to lie on a picture of size `target`.

    The shorter side of the photo times the factor by which `fit` scales it: the smaller one of both axes for
    `contain`, else the larger one, also for `stretch`; rounded half to even.
    Source: Mikubill/sd-webui-controlnet@56cec5b `internal_controlnet/external_code.py`, where the three are called
    Resize and Fill, Crop and Resize, and Just Resize.
    """
    factors = target.height / photo.height, target.width / photo.width
    factor = min(factors) if fit == "contain" else max(factors)
    return max(1, round(factor * min(photo.width, photo.height)))


def place(photo: Size, canvas: Size, fit: Fit) -> Placement:
    """Place a photo on a canvas.

    A canvas of the photo's own aspect ratio, up to the rounding of its sides to whole pixels, is filled exactly.
    """
    scale_x, scale_y = canvas.width / photo.width, canvas.height / photo.height
    slack_px = abs(scale_x - scale_y) * max(photo.width, photo.height)
    if fit == "stretch" or slack_px <= max(1.0, scale_x, scale_y):
        return Placement(scale_x, scale_y)
    choose: Callable[[float, float], float] = min if fit == "contain" else max
    scale = choose(scale_x, scale_y)
    return Placement(scale, scale, (canvas.width - photo.width * scale) / 2, (canvas.height - photo.height * scale) / 2)


def photo_on_canvas(photo: Image, placement: Placement, canvas: Size) -> Image:
    """The photo where `place` puts it, each pixel where a keypoint on it goes; black around it, averaged if it shrinks.

    Needs no more memory than the larger of photo and canvas, whatever their aspect ratios.
    """
    scale_x, scale_y = placement.scale_x, placement.scale_y
    width, height = max(1, round(photo.shape[1] * scale_x)), max(1, round(photo.shape[0] * scale_y))
    if scale_x < 1 and scale_y < 1:
        photo, scale_x, scale_y = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), 1.0, 1.0
    matrix = np.array([[scale_x, 0, placement.offset_x], [0, scale_y, placement.offset_y]])
    # the photo's edges are continued and then cut off, so that they do not fade into the black around them
    picture = cv2.warpAffine(
        photo, matrix, (canvas.width, canvas.height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    left = min(max(0, round(placement.offset_x)), canvas.width - 1)
    top = min(max(0, round(placement.offset_y)), canvas.height - 1)
    picture[:top] = picture[top + height :] = 0
    picture[:, :left] = picture[:, left + width :] = 0
    return picture


@cache
def normalise_table(mean: tuple[float, float, float], std: tuple[float, float, float]) -> Float32[np.ndarray, "3 256"]:
    """(value - mean) / std of every channel and byte, computed in float64 and rounded once to float32.

    Looking values up gives the very tensor of the reference and is faster than computing it; float32 arithmetic would
    differ by up to 2.4e-7.
    """
    values = np.arange(256, dtype=np.float64)
    table = ((values - np.array(mean)[:, None]) / np.array(std)[:, None]).astype(np.float32)
    table.flags.writeable = False
    return table


def fill_tensor(
    image: UInt8[np.ndarray, "height width 3"],
    table: Float32[np.ndarray, "3 256"],
    out: Float[np.ndarray, "3 height width"],
) -> None:
    """Write the normalised image into `out`, channels first."""
    for plane, values, normalised in zip(cv2.split(image), table, out, strict=True):
        cv2.LUT(plane, values, dst=normalised)
