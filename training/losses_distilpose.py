"""What DistilPose learns: how far its points are from labels, and from the maps of a teacher.

Source: DistilPose, Ye et al. 2023, arXiv 2303.02455, in the form of yshMars/DistilPose@91651a8. Every loss is a float32
scalar, computed in float32 whatever the precision of the networks.
"""

from typing import Literal, cast, get_args

import torch
from torch import Tensor
from torch.nn import functional

from pose_core.errors import UnknownChoice

Masking = Literal["reference", "intended"]
"""What the weight of a point is multiplied with in the loss of simulated maps: its own error (`intended`), or the mean
error of this keypoint over the batch (`reference`), as in the released code, where two shapes broadcast. There a point
that nobody labelled counts as long as other people of the batch show it. In a batch of one they are the same."""


def coordinate_loss(mu_BK2: Tensor, target_BK2: Tensor, weight_BK: Tensor) -> Tensor:
    """Half the mean squared distance of weighted fractions: `L_reg`.

    The released code has a smooth L1 distance, which is this one up to a distance of a whole crop. Weights are squared
    with it, here and in the loss of simulated maps.
    """
    weight_BK1 = weight_BK[..., None]
    return functional.mse_loss(weight_BK1 * mu_BK2.float(), weight_BK1 * target_BK2) / 2


def token_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Mean squared difference of tokens of the same place: `L_KT` and `L_VT`. No gradient reaches the teacher."""
    return functional.mse_loss(student.float(), teacher.detach().float())


def confidence_loss(score_BK1: Tensor, mu_BK2: Tensor, heatmap_BKHW: Tensor, weight_BK: Tensor) -> Tensor:
    """Mean distance of scores from the teacher's map where the student's point lies: `L_CS`.

    Only the score learns. The point is rounded to a cell such that the last cells belong to the far edges of the crop.
    One that is no number reads the first cell; the other losses show that it is none.
    """
    height, width = heatmap_BKHW.shape[2:]
    mu_BK2 = mu_BK2.detach().float().nan_to_num(0).clamp(0, 1)
    x_BK, y_BK = (mu_BK2 * mu_BK2.new_tensor([width - 1, height - 1])).round().long().unbind(dim=2)
    cell_BK1 = (y_BK * width + x_BK)[..., None]
    height_BK = heatmap_BKHW.detach().float().flatten(2).gather(2, cell_BK1)[..., 0]
    return (weight_BK * (score_BK1[..., 0].float() - height_BK)).abs().mean()


def simulate_heatmaps(mu_BK2: Tensor, sigma_BK2: Tensor, rows: int, columns: int) -> Tensor:
    """Maps (B, K, rows, columns) that are Gaussians of peak 1 around points.

    Args:
        mu_BK2: x and y as fractions of the map's sides.
        sigma_BK2: widths along x and y in cells.
        rows: of the maps.
        columns: of the maps.
    """
    across_BKW, down_BKH = (
        torch.exp(
            -0.5
            * (torch.arange(cells, device=mu_BK2.device) - cells * mu_BK2[..., axis, None]).square()
            / (sigma_BK2[..., axis, None].square() + 1e-9)
        )
        for axis, cells in ((0, columns), (1, rows))
    )
    return down_BKH[..., :, None] * across_BKW[..., None, :]


def in_reach(mu_BK2: Tensor, sigma_BK2: Tensor, rows: int, columns: int) -> Tensor:
    """Which Gaussians of `simulate_heatmaps` touch their map within three sigma, (B, K), 1 or 0."""
    cells_2 = mu_BK2.new_tensor([columns, rows])
    peak_BK2, reach_BK2 = mu_BK2.detach() * cells_2, 3 * sigma_BK2.detach()
    inside_BK2 = (peak_BK2 - reach_BK2 < cells_2) & (peak_BK2 + reach_BK2 + 1 >= 0)
    return inside_BK2.all(dim=2).to(mu_BK2.dtype)


def simulated_heatmap_loss(
    mu_BK2: Tensor, sigma_BK2: Tensor, heatmap_BKHW: Tensor, weight_BK: Tensor, masking: Masking
) -> Tensor:
    """Mean squared difference of a student's simulated maps and the teacher's: `L_SH`.

    Args:
        mu_BK2: x and y as fractions of the crop's sides.
        sigma_BK2: widths of the Gaussians in cells.
        heatmap_BKHW: what the teacher says; no gradient reaches it.
        weight_BK: how much each point teaches.
        masking: see `Masking`.
    """
    mu_BK2, sigma_BK2 = mu_BK2.float(), sigma_BK2.float()
    rows, columns = heatmap_BKHW.shape[2:]
    reached_BK = in_reach(mu_BK2, sigma_BK2, rows, columns)
    simulated_BKHW = simulate_heatmaps(mu_BK2, sigma_BK2, rows, columns) * reached_BK[..., None, None]
    error_BK = (simulated_BKHW - heatmap_BKHW.detach().float()).square().mean(dim=(2, 3))
    squared_BK = (weight_BK * reached_BK).square()
    if masking == "intended":
        return (squared_BK * error_BK).mean()
    return (squared_BK.mean(dim=0) * error_BK.mean(dim=0)).mean()


def point_accuracy(mu_BK2: Tensor, target_BK2: Tensor, weight_BK: Tensor, within: float = 0.05) -> Tensor:
    """Share of the points with a weight that lie nearer than `within` of the crop's sides to the labelled ones.

    A number to watch, like `training.losses.position_accuracy`; 0 where no point has a weight.
    """
    near_BK = (mu_BK2.detach() - target_BK2).square().sum(dim=2).sqrt() < within
    known_BK = weight_BK > 0
    return (near_BK & known_BK).sum() / known_BK.sum().clamp(min=1)


def require_masking(value: str) -> Masking:
    """A `Masking`, for values that come from recipes.

    Raises:
        UnknownChoice: it is none.
    """
    if value not in get_args(Masking):
        raise UnknownChoice("masking", value, get_args(Masking))
    return cast("Masking", value)
