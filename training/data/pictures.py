"""From a file to RGB pixels, no finer than a crop needs them, with the last ones kept in memory.

A JPEG can be decoded at a half, a quarter or an eighth of its size in 80 to 65 % of the time. Each pixel of the reduced
picture is the average of a square of the full one, so that the pixel that was at x lies at (x - (r - 1) / 2) / r after
a reduction by r; `reduced_matrix` takes care of that, and annotated coordinates stay those of the full picture. The
reduction is the largest that keeps at least one pixel of the picture for each pixel of the crop: a crop is never
enlarged because of it.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Final, Generic, Literal, NamedTuple, TypeVar

import cv2
import numpy as np
import simplejpeg
from jaxtyping import Float64

from pose_core.errors import InvalidImage
from pose_core.geometry import CropRegion
from pose_core.types import Image, Size
from training.data.records import Picture

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

REDUCTIONS: Final = (8, 4, 2)
"""Those that libjpeg-turbo has fast code for."""

JPEG_START: Final = b"\xff\xd8"


class Pixels(NamedTuple):
    """A picture in memory and by how much its sides are reduced."""

    image: Image
    reduction: int


def reduction_for(region: CropRegion, input_size: Size) -> int:
    """How much smaller than in its file a picture may be without a crop of this region being enlarged."""
    pixels_per_crop_pixel = min(region.width / input_size.width, region.height / input_size.height)
    return next((factor for factor in REDUCTIONS if factor <= pixels_per_crop_pixel), 1)


def reduced_matrix(
    matrix: Float64[np.ndarray, "2 3"], reduction: int, overhang_px: int = 0
) -> Float64[np.ndarray, "2 3"]:
    """A matrix for photo pixels, made into one for the pixels of the reduced photo.

    Args:
        matrix: photo pixels to crop pixels.
        reduction: 1 for the photo itself.
        overhang_px: by how much the first reduced column begins to the left of the photo; a photo whose width the
            reduction does not divide has such columns on its right side, and on the left when it is mirrored.
    """
    linear, shift = matrix[:, :2], matrix[:, 2]
    first = np.array([(reduction - 1) / 2 - overhang_px, (reduction - 1) / 2])
    return np.concatenate([linear * reduction, (shift + linear @ first)[:, None]], axis=1)


def decode_picture(data: bytes, size: Size, reduction: int = 1) -> Pixels:
    """RGB pixels of a file's content, as stored: an orientation in EXIF is not followed.

    Args:
        data: the file. Other formats than JPEG are not reduced.
        size: what the annotations say about it.
        reduction: 1, 2, 4 or 8.

    Raises:
        InvalidImage: the content is damaged, or of another size.
    """
    if not data.startswith(JPEG_START):
        return Pixels(_decode_other(data, size), 1)
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        if (width, height) != (size.width, size.height) or colours in {"CMYK", "YCCK"}:
            return Pixels(_decode_other(data, size), 1)
        least = (-(-height // reduction), -(-width // reduction)) if reduction > 1 else (0, 0)
        image = simplejpeg.decode_jpeg(data, "RGB", min_height=least[0], min_width=least[1])
    except ValueError as error:
        raise InvalidImage(f"damaged: {error}") from error
    if reduction > 1 and image.shape[:2] != least:  # of slivers the decoder may keep more than was asked for
        return decode_picture(data, size)
    return Pixels(image, reduction)


def _decode_other(data: bytes, size: Size) -> Image:
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    image: Image | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is None:
        raise InvalidImage("damaged, or no picture")
    if Size.of(image) != size:
        stated = f"the annotations say {size.width} x {size.height}"
        raise InvalidImage(f"{image.shape[1]} x {image.shape[0]} pixels, {stated}")
    return image


class PictureReader:
    """Reads pictures and remembers the ones used last.

    Args:
        cache_bytes: how much to remember; nothing by default.
        hold: `encoded` files, which spares the disk, or `decoded` pixels, which spares the decoder too but needs about
            twenty times the memory.
    """

    def __init__(self, cache_bytes: int = 0, hold: Literal["encoded", "decoded"] = "decoded") -> None:
        self._hold = hold
        self._files = LeastRecentlyUsed[Path, bytes](cache_bytes, len)
        self._pixels = LeastRecentlyUsed[tuple[Path, int], Pixels](cache_bytes, _bytes_of)

    def read(self, picture: Picture, reduction: int = 1) -> Pixels:
        """A picture's pixels; whoever gets them must not write to them.

        Raises:
            InvalidImage: the file is missing, damaged or of another size.
        """
        if picture.pixels is not None:
            return Pixels(picture.pixels, 1)
        if self._hold == "encoded":
            return decode_picture(
                self._files.get(picture.file, lambda: _content(picture.file)), picture.size, reduction
            )
        key = (picture.file, reduction)
        return self._pixels.get(key, lambda: decode_picture(_content(picture.file), picture.size, reduction))


def _bytes_of(pixels: Pixels) -> int:
    return pixels.image.nbytes


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidImage(f"cannot be read: {error.strerror}") from error


class LeastRecentlyUsed(Generic[Key, Value]):
    """A dictionary that forgets what was not asked for the longest.

    Args:
        capacity: sum of the costs of what it keeps.
        cost: of one value.
    """

    def __init__(self, capacity: int, cost: Callable[[Value], int]) -> None:
        self._capacity, self._cost = capacity, cost
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._used = 0

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value of a key, made now if it is not known; what costs more than the capacity is not kept."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        value = make()
        if self._cost(value) <= self._capacity:
            self._values[key] = value
            self._used += self._cost(value)
        while self._used > self._capacity:
            self._used -= self._cost(self._values.popitem(last=False)[1])
        return value
