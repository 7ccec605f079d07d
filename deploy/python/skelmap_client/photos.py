"""From whatever holds a photo to the bytes of a file."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Union

import numpy as np
from PIL import Image, ImageOps

from skelmap_client.errors import InvalidPhoto

Photo = Union[bytes, str, "os.PathLike[str]", Image.Image, np.ndarray]
"""A file's bytes, its path, a Pillow image, or uint8 of shape (height, width), (height, width, 3) RGB or
(height, width, 4) RGBA."""

_PNG_MODES = frozenset({"1", "I;16", "L", "LA", "P", "RGB", "RGBA"})


def encode_photo(photo: Photo) -> bytes:
    """The bytes to send: files as they are, pixels as PNG.

    A Pillow image is turned upright by its EXIF orientation, as the server turns files, so that all kinds of the same
    photo give the same coordinates.

    Raises:
        InvalidPhoto: a file or a Pillow image that cannot be read, or an array of another shape or dtype.
    """
    if isinstance(photo, (bytes, bytearray, memoryview)):
        return bytes(photo)
    if isinstance(photo, (str, os.PathLike)):
        return _read(Path(photo))
    if isinstance(photo, Image.Image):
        return _encode_pillow(photo)
    if isinstance(photo, np.ndarray):
        return _png(_picture(photo))
    raise InvalidPhoto(f"expected bytes, a path, a Pillow image or an array, got {type(photo).__name__}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise InvalidPhoto(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _encode_pillow(photo: Image.Image) -> bytes:
    try:
        upright = ImageOps.exif_transpose(photo)
        if upright.mode in _PNG_MODES:
            return _png(upright)
        # older Pillow opens a PNG of 16 bits as I, whose numbers RGB would cut off at 255
        return _png(upright.convert("I;16" if upright.mode == "I" else "RGB"))
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files, read only now
        raise InvalidPhoto(f"a Pillow image that cannot be read: {error}") from error


def _picture(pixels: np.ndarray) -> Image.Image:
    if pixels.dtype != np.uint8 or pixels.ndim not in {2, 3} or pixels.shape[2:] not in {(), (3,), (4,)}:
        wanted = "uint8 (height, width), (height, width, 3) or (height, width, 4)"
        raise InvalidPhoto(f"expected {wanted}, got {pixels.dtype} {pixels.shape}")
    if 0 in pixels.shape:
        raise InvalidPhoto(f"an array without pixels: {pixels.shape}")
    return Image.fromarray(pixels)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
