"""Losses of detectors: known values, agreement with a teacher, and gradients that point the right way."""

import math

import pytest
import torch
from torch.autograd import backward

from pose_core.types import Size
from training.losses_detection import (
    box_loss,
    decode_boxes,
    overlap,
    pair_overlap,
    score_loss,
    teacher_score_loss,
)
from training.simota import cell_grid

BOX = torch.tensor([[0.0, 0.0, 10.0, 10.0]])


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ([0.0, 0.0, 10.0, 10.0], 1.0),
        ([0.0, 0.0, 5.0, 10.0], 0.5),
        ([5.0, 5.0, 15.0, 15.0], 25 / 175),
        ([10.0, 0.0, 20.0, 10.0], 0.0),
        ([3.0, 3.0, 3.0, 3.0], 0.0),
    ],
)
def test_overlap(other: list[float], expected: float) -> None:
    assert overlap(BOX, torch.tensor([other])).item() == pytest.approx(expected)
    assert pair_overlap(BOX.repeat(2, 1), torch.tensor([other])).shape == (2, 1)


def test_box_loss_counts_by_weight() -> None:
    found = torch.tensor([[0.0, 0.0, 5.0, 10.0], [20.0, 20.0, 30.0, 30.0]])
    loss = box_loss(found, BOX.repeat(2, 1), torch.tensor([1.0, 0.5]))
    assert loss.item() == pytest.approx((1 - 0.25) + 0.5)
    assert box_loss(found[:0], found[:0], torch.zeros(0)) == 0


def test_score_loss_leaves_out_what_has_no_weight() -> None:
    logits, wanted = torch.tensor([0.0, 50.0, 0.0]), torch.tensor([1.0, 0.0, 0.5])
    loss = score_loss(logits, wanted, torch.tensor([1.0, 0.0, 2.0]))
    assert loss.item() == pytest.approx(3 * math.log(2))


def test_a_teacher_s_score_is_the_product() -> None:
    objectness, person = torch.tensor([1.0, -3.0]), torch.tensor([0.5, 2.0])
    same = objectness.sigmoid() * person.sigmoid()
    assert teacher_score_loss(objectness, person, same).item() == pytest.approx(0, abs=1e-6)
    assert teacher_score_loss(objectness, person, 1 - same) > 0.1


def test_a_teacher_s_score_pulls_both_factors() -> None:
    logits = torch.zeros(2, 1, requires_grad=True)
    backward(teacher_score_loss(logits[0], logits[1], torch.tensor([0.9])))
    assert logits.grad is not None
    assert (logits.grad < 0).all()


@pytest.mark.parametrize("logit", [-200.0, 200.0])
@pytest.mark.parametrize("said", [0.0, 1.0])
def test_a_teacher_s_certainty_is_finite(logit: float, said: float) -> None:
    logits = torch.full((2, 1), logit, requires_grad=True)
    loss = teacher_score_loss(logits[0], logits[1], torch.tensor([said]))
    backward(loss)
    assert logits.grad is not None
    assert loss.isfinite()
    assert logits.grad.isfinite().all()


def test_fresh_networks_do_not_overflow() -> None:
    grid = cell_grid(Size(32, 32), torch.device("cpu"))
    rows = torch.full((len(grid), 4), 1e4)
    assert decode_boxes(rows, grid).isfinite().all()
