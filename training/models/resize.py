"""A trained RTMPose for another size of crop: what has learnt to see small people cheaply goes on at full resolution.

Not from the paper; the idea is that of progressive resizing and of FixRes, arXiv 1906.06423: convolutions do not depend
on the size of the picture, and what does is interpolated. The result needs some more training.

Letter beside those of `training.contracts`: D width of a token.
"""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from pose_core.types import Size
from training.models.cspnext import STRIDE
from training.models.rtmcc_head import BINS_PER_PIXEL

CELLS: Final = "head.mlp.1.weight"
BINS_X: Final = "head.cls_x.weight"
BINS_Y: Final = "head.cls_y.weight"
SIZED: Final = frozenset({CELLS, BINS_X, BINS_Y})
"""The only tensors whose shape follows from the size of the crop."""


def resize_weights(state: Mapping[str, Tensor], size: Size) -> dict[str, Tensor]:
    """A state dict of `training.models.rtmpose.RtmPose` for crops of another size.

    Args:
        state: of a network whose crops have any multiple of 32 pixels.
        size: the other size.

    Returns:
        The same tensors, but one weight per cell is interpolated over the map and divided by how many times more cells
        there are, so that about the same comes out, and one row per bin is interpolated along the axis.
    """
    width, height = (len(state[name]) // BINS_PER_PIXEL for name in (BINS_X, BINS_Y))
    cells_DHW = state[CELLS].reshape(-1, height // STRIDE, width // STRIDE)
    rows_DHW = resample(cells_DHW, size.height // STRIDE, dim=1)
    resized_DHW = resample(rows_DHW, size.width // STRIDE, dim=2)
    share = cells_DHW[0].numel() / resized_DHW[0].numel()
    return {
        **state,
        CELLS: (resized_DHW * share).flatten(start_dim=1),
        BINS_X: resample(state[BINS_X], size.width * BINS_PER_PIXEL, dim=0),
        BINS_Y: resample(state[BINS_Y], size.height * BINS_PER_PIXEL, dim=0),
    }


def resample(values: Tensor, count: int, dim: int) -> Tensor:
    """Another number of values along an axis, interpolated; the first one stays where it is, like pixel 0 of crops.

    Beyond the last value it goes on; where there are fewer than before, those between are dropped.
    """
    length = values.shape[dim]
    place = torch.arange(count) * (length / count)
    low = place.long()
    fraction = (place - low).view(-1, *[1] * (values.ndim - dim - 1)).to(values)
    last = torch.full_like(low, length - 1)
    return torch.lerp(values.index_select(dim, low), values.index_select(dim, torch.minimum(low + 1, last)), fraction)
