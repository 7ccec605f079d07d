"""Which cells of a detector should find which person: SimOTA.

Source: YOLOX, arXiv 2107.08430, section 2.1, after OTA, arXiv 2103.14259. A cell is a candidate for a person whose box
holds its middle, or from whose middle it is at most `CENTER_REACH` cells away. Each person gets as many of the cheapest
candidates as fit it well already, and each cell at most one person.

Letters beside those of `training.contracts`: P cells that got a person.
"""

from functools import cache
from typing import Final, NamedTuple

import torch
from torch import Tensor

from pose_core.types import Size
from training.losses_detection import pair_overlap
from training.models.yolox import STRIDES

CENTER_REACH: Final = 2.5
BEST: Final = 10
"""The overlaps of so many candidates, added up, are how many cells a person gets."""

OVERLAP_WEIGHT: Final = 3.0
FAR: Final = 1e5
"""Cost of a cell that is not both inside the box and near its middle."""


class Assignment(NamedTuple):
    """The cells that got a person, each once, picture by picture.

    Attributes:
        picture_P: position in the batch.
        cell_P: position among all cells.
        person_P: position among the picture's people.
        overlap_P: intersection over union of what the cell says with that person's box; no gradient.
    """

    picture_P: Tensor
    cell_P: Tensor
    person_P: Tensor
    overlap_P: Tensor


@cache
def cell_grid(size: Size, device: torch.device) -> Tensor:
    """Column, row and stride of every cell (N, 3), float32, in the order of the network's rows."""
    grids = []
    for stride in STRIDES:
        row, column = torch.meshgrid(
            torch.arange(size.height // stride, device=device),
            torch.arange(size.width // stride, device=device),
            indexing="ij",
        )
        grids.append(torch.stack([column, row, torch.full_like(row, stride)], dim=-1).reshape(-1, 3))
    return torch.cat(grids).float()


def cell_middles(grid_N3: Tensor) -> Tensor:
    """Where the cells' middles are in the picture (N, 2), in pixels."""
    return (grid_N3[:, :2] + 0.5) * grid_N3[:, 2:]


@torch.no_grad()
def assign_cells(found_BN4: Tensor, score_BN: Tensor, box_BM4: Tensor, real_BM: Tensor, grid_N3: Tensor) -> Assignment:
    """Choose cells for the people of every picture, all pictures at once.

    Args:
        found_BN4: the boxes that the cells say, left, top, right, bottom in pixels.
        score_BN: the probabilities they give them.
        box_BM4: the people.
        real_BM: which of them are somebody; the others fill up the batch.
        grid_N3: see `cell_grid`.
    """
    if not box_BM4.shape[1]:
        nobody = real_BM.nonzero()[:, 0]
        return Assignment(nobody, nobody, nobody, score_BN.new_zeros(0))
    inside_BMN, near_BMN = place_cells(box_BM4, grid_N3)
    candidate_B1N = ((inside_BMN | near_BMN) & real_BM[..., None]).any(dim=1, keepdim=True)
    allowed_BMN = candidate_B1N & real_BM[..., None]
    overlap_BMN = pair_overlap(box_BM4, found_BN4) * allowed_BMN
    # the geometric mean of the two factors of the score
    unsure_B1N = -(score_BN + 1e-8).log()[:, None] / 2
    cost_BMN = unsure_B1N - OVERLAP_WEIGHT * (overlap_BMN + 1e-8).log() + FAR * ~(inside_BMN & near_BMN)
    chosen_BMN = choose_cheapest(cost_BMN.masked_fill(~allowed_BMN, torch.inf), overlap_BMN)
    picture_P, person_P, cell_P = chosen_BMN.nonzero(as_tuple=True)
    return Assignment(picture_P, cell_P, person_P, overlap_BMN[picture_P, person_P, cell_P])


def place_cells(box_BM4: Tensor, grid_N3: Tensor) -> tuple[Tensor, Tensor]:
    """Whether the middle of each cell is inside each box, and whether near the middle of the box; both (B, M, N)."""
    middle_N2 = cell_middles(grid_N3)
    inside_BMN = contains(box_BM4, middle_N2)
    center_BM12 = (box_BM4[..., None, :2] + box_BM4[..., None, 2:]) / 2
    reach_N1 = CENTER_REACH * grid_N3[:, 2:]
    return inside_BMN, ((middle_N2 - center_BM12).abs() < reach_N1).all(dim=-1)


def contains(box_BM4: Tensor, point_N2: Tensor) -> Tensor:
    """Whether each point is inside each box (B, M, N)."""
    above_BMN = (point_N2 > box_BM4[..., None, :2]).all(dim=-1)
    return above_BMN & (point_N2 < box_BM4[..., None, 2:]).all(dim=-1)


def choose_cheapest(cost_BMN: Tensor, overlap_BMN: Tensor) -> Tensor:
    """Which cells each person gets, (B, M, N) of truth values.

    Each gets as many as its `BEST` largest overlaps add up to, rounded down, and at least one, but none of infinite
    cost. A cell that several want goes to the one for whom it is cheapest.
    """
    most = min(BEST, cost_BMN.shape[-1])
    count_BM1 = overlap_BMN.topk(most).values.sum(dim=-1, keepdim=True).int().clamp(min=1)
    cheapest = cost_BMN.topk(most, largest=False)
    affordable = (torch.arange(most, device=cost_BMN.device) < count_BM1) & cheapest.values.isfinite()
    chosen_BMN = torch.zeros_like(cost_BMN, dtype=torch.bool).scatter_(-1, cheapest.indices, affordable)
    contested_B1N = chosen_BMN.sum(dim=1, keepdim=True) > 1
    winner_B1N = cost_BMN.masked_fill(~chosen_BMN, torch.inf).argmin(dim=1, keepdim=True)
    wins_BMN = torch.zeros_like(chosen_BMN).scatter_(1, winner_B1N, value=True)
    return torch.where(contested_B1N, wins_BMN, chosen_BMN)
