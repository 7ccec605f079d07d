"""What heatmap networks are trained on: how far maps are from targets, and from the maps of a teacher.

Source: Fast Human Pose Estimation, arXiv 1811.05419, equations 3 to 5, in the form of the released code
(ilovepose@c4722f8), which takes half the mean over samples, points and cells instead of a sum over cells. Every result
is a float32 scalar, computed in float32 whatever the precision of the networks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

WITHIN = 0.05
"""Distance of a point in the right place, as a fraction of the map's sides."""


def heatmap_loss(maps_BKHW: Tensor, target_BKHW: Tensor, weight_BK: Tensor) -> Tensor:
    """Half the mean squared difference of maps, each times its weight.

    Args:
        maps_BKHW: of the student.
        target_BKHW: what they should be; no gradient reaches it.
        weight_BK: weight of each map, 0 for one that teaches nothing.
    """
    difference_BKHW = (maps_BKHW.float() - target_BKHW.detach().float()) * weight_BK[..., None, None]
    return difference_BKHW.square().mean() / 2


def stacked_loss(stacks: Sequence[Tensor], target_BKHW: Tensor, weight_BK: Tensor) -> Tensor:
    """The sum of `heatmap_loss` over all stacks, each compared with the same target."""
    return torch.stack([heatmap_loss(maps_BKHW, target_BKHW, weight_BK) for maps_BKHW in stacks]).sum()


def heatmap_accuracy(maps_BKHW: Tensor, target_BKHW: Tensor) -> Tensor:
    """Share of points whose best cells lie nearer than `WITHIN` of the map's sides to the target's, a mean over points.

    A number to watch, not a loss: there is no gradient. Points whose target peaks in the first two rows or columns are
    left out, among them those without a target; the mean is over the points that somebody has.
    """
    height, width = maps_BKHW.shape[2:]
    sides_2 = maps_BKHW.new_tensor([width, height])
    found_BK2, wanted_BK2 = best_cells(maps_BKHW), best_cells(target_BKHW)
    known_BK = (wanted_BK2 > 1).all(dim=-1)
    near_BK = ((found_BK2 - wanted_BK2) / sides_2).square().sum(dim=-1).sqrt() < WITHIN
    known_K = known_BK.sum(dim=0)
    share_K = (near_BK & known_BK).sum(dim=0) / known_K.clamp(min=1)
    return share_K.sum() / (known_K > 0).sum().clamp(min=1)


def best_cells(maps_BKHW: Tensor) -> Tensor:
    """Column and row of the largest value of each map (B, K, 2), of the first one if none is positive."""
    flat_BKN = maps_BKHW.detach().flatten(start_dim=2)
    value_BK, cell_BK = flat_BKN.max(dim=-1)
    width = maps_BKHW.shape[-1]
    cells_BK2 = torch.stack([cell_BK % width, cell_BK // width], dim=-1)
    return cells_BK2.float() * (value_BK > 0)[..., None]
