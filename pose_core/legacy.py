"""The resized maps of today's pre-processors, for whoever has to reproduce one.

Ours are drawn at the size that is asked for. The peers resize the photo before they look at it, or the map after they
drew it, each by its own rule; `LEGACY_RESIZES` lists them.

Sources: sd-webui-controlnet@56cec5b, comfyui_controlnet_aux@e8b689a, huggingface/controlnet_aux@b1aac31.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from pose_core.geometry import shorter_side_size
from pose_core.types import Image, Size

_GRID = 64


@dataclass(frozen=True, slots=True)
class LegacyResize:
    """One peer's way to a size.

    Attributes:
        before: photo and resolution to the picture that is looked at and drawn over.
        after: map, photo and resolution to the map that is handed out.
    """

    before: Callable[[Image, int], Image]
    after: Callable[[Image, Image, int], Image]


def resize_shorter_side(image: Image, resolution: int) -> Image:
    """Shorter side to `resolution`, bicubic upwards and by area downwards."""
    size = shorter_side_size(Size.of(image), resolution)
    return _resize(image, size, cv2.INTER_CUBIC if resolution > min(image.shape[:2]) else cv2.INTER_AREA)


def pad_to_grid(image: Image) -> Image:
    """Repeat the last row and column until both sides are multiples of 64."""
    down, right = (-side % _GRID for side in image.shape[:2])
    return np.pad(image, ((0, down), (0, right), (0, 0)), mode="edge")


def resize_to_grid(image: Image, resolution: int) -> Image:
    """Shorter side to about `resolution`, both sides rounded to multiples of 64; the aspect ratio changes a little."""
    factor = resolution / min(image.shape[:2])
    return _resize(image, _grid_size(image, resolution), cv2.INTER_LANCZOS4 if factor > 1 else cv2.INTER_AREA)


def _grid_size(image: Image, resolution: int) -> Size:
    factor = resolution / min(image.shape[:2])
    height, width = (max(_GRID, round(side * factor / _GRID) * _GRID) for side in image.shape[:2])
    return Size(width, height)


def _resize(image: Image, size: Size, interpolation: int) -> Image:
    resized: Image = cv2.resize(image, (size.width, size.height), interpolation=interpolation)
    return resized


def _crop_padding(drawn: Image, photo: Image, resolution: int) -> Image:
    size = shorter_side_size(Size.of(photo), resolution)
    return drawn[: size.height, : size.width]


LEGACY_RESIZES: dict[str, LegacyResize] = {
    "comfyui": LegacyResize(
        before=lambda photo, _resolution: photo,
        after=lambda drawn, _photo, resolution: resize_shorter_side(drawn, resolution),
    ),
    "huggingface": LegacyResize(
        before=resize_to_grid,
        after=lambda drawn, _photo, resolution: _resize(drawn, _grid_size(drawn, resolution), cv2.INTER_LINEAR),
    ),
    "webui": LegacyResize(
        before=lambda photo, resolution: pad_to_grid(resize_shorter_side(photo, resolution)),
        after=_crop_padding,
    ),
}
