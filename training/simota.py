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
    """The cells that got a person, each once.

    Attributes:
        cell_P: position among all cells.
        person_P: position among the picture's people.
        overlap_P: intersection over union of what the cell says with that person's box; no gradient.
    """

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
def assign_cells(found_N4: Tensor, score_N: Tensor, box_M4: Tensor, grid_N3: Tensor) -> Assignment:
    """Choose cells for the people of one picture.

    Args:
        found_N4: the boxes that the cells say, left, top, right, bottom in pixels.
        score_N: the probabilities they give them.
        box_M4: the people.
        grid_N3: see `cell_grid`.
    """
    if not len(box_M4):
        nobody = torch.zeros(0, dtype=torch.int64, device=box_M4.device)
        return Assignment(nobody, nobody, score_N.new_zeros(0))
    inside_MN, near_MN = place_cells(box_M4, grid_N3)
    candidate_C = (inside_MN | near_MN).any(dim=0).nonzero()[:, 0]
    overlap_MC = pair_overlap(box_M4, found_N4[candidate_C])
    # the geometric mean of the two factors of the score
    unsure_C = -(score_N[candidate_C] + 1e-8).log() / 2
    far_MC = ~(inside_MN & near_MN)[:, candidate_C]
    cost_MC = unsure_C - OVERLAP_WEIGHT * (overlap_MC + 1e-8).log() + FAR * far_MC
    chosen_MC = choose_cheapest(cost_MC, overlap_MC)
    person_P, column_P = chosen_MC.nonzero(as_tuple=True)
    return Assignment(candidate_C[column_P], person_P, overlap_MC[person_P, column_P])


def place_cells(box_M4: Tensor, grid_N3: Tensor) -> tuple[Tensor, Tensor]:
    """Whether the middle of each cell is inside each box, and whether it is near the middle of the box; both (M, N)."""
    middle_N2 = cell_middles(grid_N3)
    inside_MN = contains(box_M4, middle_N2)
    center_M2 = (box_M4[:, :2] + box_M4[:, 2:]) / 2
    reach_N1 = CENTER_REACH * grid_N3[:, 2:]
    near_MN = ((middle_N2 - center_M2[:, None]).abs() < reach_N1).all(dim=-1)
    return inside_MN, near_MN


def contains(box_M4: Tensor, point_N2: Tensor) -> Tensor:
    """Whether each point is inside each box (M, N)."""
    above_MN = (point_N2 > box_M4[:, None, :2]).all(dim=-1)
    return above_MN & (point_N2 < box_M4[:, None, 2:]).all(dim=-1)


def choose_cheapest(cost_MC: Tensor, overlap_MC: Tensor) -> Tensor:
    """Which candidates each person gets, (M, C) of truth values.

    Each gets as many as its `BEST` largest overlaps add up to, rounded down, and at least one. A candidate that several
    want goes to the one for whom it is cheapest.
    """
    chosen_MC = torch.zeros_like(cost_MC, dtype=torch.bool)
    candidates = cost_MC.shape[1]
    counts = overlap_MC.topk(min(BEST, candidates), dim=1).values.sum(dim=1).int().clamp(min=1, max=candidates).tolist()
    for person, count in enumerate(counts):
        chosen_MC[person, cost_MC[person].topk(count, largest=False).indices] = True
    contested_C = chosen_MC.sum(dim=0) > 1
    winner_C = torch.where(chosen_MC, cost_MC, torch.inf).argmin(dim=0)
    wins_MC = torch.zeros_like(chosen_MC).scatter_(0, winner_C[None], value=True)
    return torch.where(contested_C, wins_MC, chosen_MC)
