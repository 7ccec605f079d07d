"""From a view of one or more scenes to a picture and the boxes in it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
from jaxtyping import Float32

from pose_core.geometry import LETTERBOX_GREY
from pose_core.types import Image, Size
from training.data.pictures import PictureReader
from training.data.scene_views import Tile
from training.data.scenes import Boxes

LEAST_SIDE_PX: Final = 6.0
"""A person with a shorter side is ignored rather than looked for."""

LEAST_SHARE: Final = 0.3
"""A person of whom less is left is ignored, unless what is left is large."""

LARGE_PX: Final = 40.0
LARGE_SHARE: Final = 0.08
"""So much of somebody is enough where the shorter side is that large."""


class SceneSample(NamedTuple):
    """An RGB picture and its boxes in pixels of it; see `training.data.scenes.Scene`."""

    image: Image
    box_M4: Boxes
    weight_M: Float32[np.ndarray, "boxes"]
    ignore_R4: Boxes


def render(tiles: Sequence[Tile], size: Size, reader: PictureReader) -> SceneSample:
    """The picture of some tiles, grey where none is, and all boxes.

    Raises:
        InvalidImage: a photo cannot be read.
    """
    canvas: Image = np.full((size.height, size.width, 3), LETTERBOX_GREY, np.uint8)
    boxes, weights, regions = [], [], []
    for tile in tiles:
        paint_tile(canvas, tile, reader.read(tile.scene.picture).image)
        box_M4, share_M = boxes_in_tile(tile.scene.box_M4, tile)
        side_M = (box_M4[:, 2:] - box_M4[:, :2]).min(axis=1, initial=np.inf)
        clear_M = np.where(side_M >= LARGE_PX, share_M >= LARGE_SHARE, share_M >= LEAST_SHARE) & (
            side_M >= LEAST_SIDE_PX
        )
        boxes.append(box_M4[clear_M])
        weights.append(tile.scene.weight_M[clear_M])
        ignored_R4, share_R = boxes_in_tile(tile.scene.ignore_R4, tile)
        regions += [box_M4[~clear_M & (share_M > 0)], ignored_R4[share_R > 0]]
    return SceneSample(canvas, np.concatenate(boxes), np.concatenate(weights), np.concatenate(regions))


def paint_tile(canvas: Image, tile: Tile, photo: Image) -> None:
    """Draw a photo where its tile lies, in place."""
    placement, (left, top, right, bottom) = tile.placement, tile.frame
    scale_x, scale_y = placement.scale_x, placement.scale_y
    # OpenCV counts from the middle of the first pixel, and here from the tile's corner
    shift_x = placement.offset_x - left + (scale_x - 1) / 2
    shift_y = placement.offset_y - top + (scale_y - 1) / 2
    cv2.warpAffine(
        photo,
        np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]]),
        (right - left, bottom - top),
        dst=canvas[top:bottom, left:right],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(LETTERBOX_GREY,) * 3,
    )


def boxes_in_tile(box_M4: Boxes, tile: Tile) -> tuple[Boxes, Float32[np.ndarray, "boxes"]]:
    """Boxes of a photo on the canvas, cut to the tile, and which share of each is left."""
    placement = tile.placement
    x_M2 = np.sort(box_M4[:, ::2] * placement.scale_x + placement.offset_x, axis=1)
    y_M2 = box_M4[:, 1::2] * placement.scale_y + placement.offset_y
    whole_M4 = np.stack([x_M2[:, 0], y_M2[:, 0], x_M2[:, 1], y_M2[:, 1]], axis=1)
    low, high = np.array([tile.frame.left, tile.frame.top] * 2), np.array([tile.frame.right, tile.frame.bottom] * 2)
    cut_M4 = np.clip(whole_M4, low, high)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (cut_M4, whole_M4)]
    return cut_M4.astype(np.float32), (areas[0] / np.maximum(areas[1], 1e-9)).astype(np.float32)
