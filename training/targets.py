"""Labels drawn from keypoints on the device that computes with them.

The labels of a crop are ten times as large as the crop, and would have to be carried from the processes that make
batches to a GPU; the keypoints they follow from are nothing. Each function draws what `encode` of its codec does: the
same numbers for SimCC and regression, the same up to the rounding of an exponential for heatmaps.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from pose_core.codecs import Codec, Heatmap, Regression, SimCC
from pose_core.types import Size


def draw_targets(codec: Codec, keypoint_BK2: Tensor, taught_BK: Tensor, input_size: Size) -> tuple[Tensor, ...]:
    """Targets, float32 (B, K, ...), one per output of the network.

    Args:
        codec: says what they are.
        keypoint_BK2: x and y in crop pixels, float32; meaningless where nothing is taught.
        taught_BK: where `codec.weigh` is 1.
        input_size: of the crops.
    """
    return DRAWERS[type(codec)](codec, keypoint_BK2, taught_BK, input_size)


def draw_bins(codec: SimCC, keypoint_BK2: Tensor, taught_BK: Tensor, input_size: Size) -> tuple[Tensor, ...]:
    """Gaussians around whole bins (B, K, X) and (B, K, Y); every row is a window of one long Gaussian."""
    peak_BK2 = torch.where(taught_BK[..., None], (keypoint_BK2 * codec.split).round(), 0).long()
    labels = []
    for axis, pixels in enumerate((input_size.width, input_size.height)):
        bins = int(pixels * codec.split)
        windows_WI = gaussian_windows(bins, codec.sigma[axis], keypoint_BK2.device)
        first_BK = bins + math.ceil(3 * codec.sigma[axis]) - peak_BK2[..., axis]
        labels.append(windows_WI[first_BK] * taught_BK[..., None])
    return tuple(labels)


@lru_cache(maxsize=16)
def gaussian_windows(bins: int, sigma: float, device: torch.device) -> Tensor:
    """Every row that a label of SimCC can be, (W, I): the peak of row 0 lies three sigma behind the last bin."""
    reach = bins + math.ceil(3 * sigma)
    distance = torch.arange(-reach, reach + 1, dtype=torch.float64)
    return torch.exp(-distance.square() / (2 * sigma**2)).float().unfold(0, bins, 1).contiguous().to(device)


def draw_maps(codec: Heatmap, keypoint_BK2: Tensor, taught_BK: Tensor, input_size: Size) -> tuple[Tensor, ...]:
    """Gaussians on maps (B, K, H, W)."""
    cells_2 = keypoint_BK2.new_tensor([codec.map_size.width, codec.map_size.height], dtype=torch.float64)
    pixels_2 = keypoint_BK2.new_tensor([input_size.width, input_size.height], dtype=torch.float64)
    peak_BK2 = keypoint_BK2 / (pixels_2 / cells_2) - codec.cell_offset
    rounded = codec.refine == "quarter"
    if rounded:
        peak_BK2 = (peak_BK2 + 0.5).trunc()
    across_BKW, down_BKH = (
        gaussian(peak_BK2[..., axis], cells, codec.sigma, 3 * codec.sigma if rounded else math.inf)
        for axis, cells in enumerate((codec.map_size.width, codec.map_size.height))
    )
    maps_BKHW = down_BKH[..., :, None] * across_BKW[..., None, :] * taught_BK[..., None, None]
    return (maps_BKHW.float(),)


def gaussian(peak_BK: Tensor, cells: int, sigma: float, cutoff: float) -> Tensor:
    """A bell of height 1 over a row of cells (B, K, cells), 0 beyond the cutoff."""
    distance_BKC = torch.arange(cells, device=peak_BK.device) - peak_BK[..., None]
    return torch.exp(-distance_BKC.square() / (2 * sigma**2)) * (distance_BKC.abs() <= cutoff)


def draw_fractions(_: Regression, keypoint_BK2: Tensor, _taught_BK: Tensor, input_size: Size) -> tuple[Tensor, ...]:
    """Fractions of the crop's sides (B, K, 2), also where nothing is taught."""
    return (keypoint_BK2 / keypoint_BK2.new_tensor([input_size.width, input_size.height]),)


DRAWERS: Mapping[type, Callable[[Any, Tensor, Tensor, Size], tuple[Tensor, ...]]] = {
    SimCC: draw_bins,
    Heatmap: draw_maps,
    Regression: draw_fractions,
}
"""Codec -> what draws its targets."""
