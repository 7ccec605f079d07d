"""Cells and people: who is a candidate, how many cells a person gets, and who wins a cell that several want."""

import pytest
import torch
from torch import Tensor

from pose_core.detectors import yolox
from pose_core.types import Size
from training.losses_detection import decode_boxes, encode_boxes
from training.models.yolox import build_yolox
from training.simota import Assignment, assign_cells, cell_grid, cell_middles, choose_cheapest, place_cells

SIZE = Size(64, 64)
CPU = torch.device("cpu")
GRID = cell_grid(SIZE, CPU)
FINE = 64
"""Cells of stride 8; then come 16 of stride 16 and 4 of stride 32."""


def assign(found: Tensor, score: Tensor, boxes: Tensor) -> Assignment:
    """For the people of one picture."""
    return assign_cells(found[None], score[None], boxes[None], torch.ones(1, len(boxes), dtype=torch.bool), GRID)


def perfect(box: Tensor) -> Tensor:
    """What cells say that all know the box."""
    return box.expand(len(GRID), 4).clone()


def test_the_grid_is_that_of_serving_and_of_the_network() -> None:
    size = Size(96, 64)
    grid = cell_grid(size, CPU)
    torch.testing.assert_close(grid, torch.from_numpy(yolox.cell_grid(size).copy()))
    assert len(grid) == build_yolox("nano", classes=1).eval()(torch.zeros(1, 3, 64, 96)).shape[1]
    assert cell_middles(grid)[1].tolist() == [12.0, 4.0]


def test_decoding_is_that_of_serving_and_the_inverse_of_encoding() -> None:
    rows = torch.randn(len(GRID), 4)
    boxes = decode_boxes(rows, GRID)
    cells = torch.arange(len(GRID)).numpy()
    torch.testing.assert_close(boxes, torch.from_numpy(yolox.decode_cells(rows.numpy(), cells, SIZE)))
    torch.testing.assert_close(encode_boxes(boxes, GRID), rows, rtol=1e-4, atol=1e-5)


def test_cells_are_inside_by_their_middles_and_near_by_their_stride() -> None:
    inside, near = place_cells(torch.tensor([[[0.0, 0.0, 16.0, 8.0]]]), GRID)
    inside, near = inside[0], near[0]
    assert inside[0].nonzero()[:, 0].tolist() == [0, 1], "middles at 4 and 12; at 8, 8 is the edge"
    # the middle of the box is 8, 4: less than 20, 40 and 80 pixels away on either axis
    columns_rows = (cell_middles(GRID) - torch.tensor([8.0, 4.0])).abs() < 2.5 * GRID[:, 2:]
    assert torch.equal(near[0], columns_rows.all(dim=1))
    assert near[0, :FINE].sum() == 9


def test_everybody_gets_as_many_cells_as_fit_and_at_least_one() -> None:
    box = torch.tensor([[8.0, 8.0, 40.0, 40.0]])
    score = torch.full((len(GRID),), 0.5)
    found = assign(perfect(box), score, box)
    assert len(found.cell_P) == 10, "ten perfect overlaps add up to ten cells"
    assert (found.overlap_P == 1).all()
    middles = cell_middles(GRID)[found.cell_P]
    assert ((middles > 8) & (middles < 40)).all(), "cells outside are too dear"
    lost = assign(torch.zeros(len(GRID), 4), score, box)
    assert len(lost.cell_P) == 1
    assert (lost.person_P.tolist(), lost.overlap_P.tolist()) == ([0], [0.0])


def test_a_cell_that_is_sure_and_fits_is_preferred() -> None:
    box = torch.tensor([[8.0, 8.0, 40.0, 40.0]])
    said, score = torch.zeros(len(GRID), 4), torch.full((len(GRID),), 0.01)
    cell = 2 * 8 + 2
    said[cell], score[cell] = box[0], 0.9
    assert assign(said, score, box).cell_P.tolist() == [cell]


def test_two_people_share_no_cell() -> None:
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0], [10.0, 8.0, 42.0, 40.0]])
    found = assign(perfect(boxes[0]), torch.full((len(GRID),), 0.5), boxes)
    assert len(set(found.cell_P.tolist())) == len(found.cell_P)
    assert {0} <= set(found.person_P.tolist()) <= {0, 1}


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ([[1.0, 2.0, 9.0], [2.0, 1.0, 9.0]], [[True, False, False], [False, True, False]]),
        ([[1.0, 2.0, 9.0], [0.5, 3.0, 9.0]], [[False, False, False], [True, False, False]]),
    ],
)
def test_a_contested_cell_goes_to_the_cheaper_one(cost: list[list[float]], expected: list[list[bool]]) -> None:
    chosen = choose_cheapest(torch.tensor([cost]), torch.zeros(1, 2, 3))
    assert chosen[0].tolist() == expected


def test_overlaps_say_how_many_cells() -> None:
    overlap = torch.tensor([[[0.9, 0.8, 0.7, 0.1], [0.3, 0.2, 0.1, 0.1]]])
    cost = torch.tensor([[[0.0, 1.0, 2.0, 3.0], [9.0, 9.0, 9.0, 0.0]]])
    assert choose_cheapest(cost, overlap).sum(dim=-1).tolist() == [[2, 1]], (
        "2.5 and 0.7, rounded down, but one at least"
    )


def test_nobody_gets_nothing() -> None:
    found = assign(torch.zeros(len(GRID), 4), torch.zeros(len(GRID)), torch.zeros(0, 4))
    assert [len(part) for part in found] == [0, 0, 0, 0]


def test_a_person_between_all_cells_still_gets_one() -> None:
    box = torch.tensor([[7.0, 7.0, 9.0, 9.0]])
    assert len(assign(torch.zeros(len(GRID), 4), torch.full((len(GRID),), 0.5), box).cell_P) == 1


def test_pictures_of_a_batch_know_nothing_of_each_other_and_rows_that_fill_up_get_nothing() -> None:
    torch.manual_seed(0)
    boxes = torch.tensor([[8.0, 8.0, 40.0, 40.0], [20.0, 4.0, 60.0, 50.0]])
    said = boxes.mean(dim=0) + 4 * torch.randn(2, len(GRID), 4)
    score = torch.rand(2, len(GRID))
    padded = torch.stack([boxes, torch.cat([boxes[:1], torch.zeros(1, 4)])])
    together = assign_cells(said, score, padded, torch.tensor([[True, True], [True, False]]), GRID)
    alone = [assign(said[0], score[0], boxes), assign(said[1], score[1], boxes[:1])]
    assert together.cell_P.tolist() == [cell for one in alone for cell in one.cell_P.tolist()]
    assert together.person_P.tolist() == [person for one in alone for person in one.person_P.tolist()]
    assert together.picture_P.tolist() == [number for number, one in enumerate(alone) for _ in one.cell_P]
    torch.testing.assert_close(together.overlap_P, torch.cat([one.overlap_P for one in alone]))


def test_cells_far_from_everybody_are_no_candidates_however_well_they_fit() -> None:
    box = torch.tensor([[0.0, 0.0, 8.0, 8.0]])
    said = torch.zeros(len(GRID), 4)
    far = [7 * 8 + 5, 7 * 8 + 6, 7 * 8 + 7]  # the last row of the finest cells
    said[far] = box[0]
    found = assign(said, torch.full((len(GRID),), 0.5), box)
    assert len(found.cell_P) == 1, "nobody near fits, and the three that do are not asked"
    assert found.cell_P.item() not in far


def test_a_cell_inside_but_far_from_the_middle_comes_last() -> None:
    box = torch.tensor([[0.0, 0.0, 64.0, 64.0]])
    said, score = torch.zeros(len(GRID), 4), torch.full((len(GRID),), 0.5)
    corner = 0
    said[corner], score[corner] = box[0], 1.0
    assert corner not in assign(said, score, box).cell_P.tolist()
