"""Losses of heatmap networks: the released code's numbers and gradients, and values by hand."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import backward, grad

from training.losses_heatmap import best_cells, heatmap_accuracy, heatmap_loss, stacked_loss


@pytest.fixture(scope="module")
def recorded(shared: Path) -> Any:
    return torch.load(shared / "oracles" / "fpd_distilpose" / "fpd_losses.pt", weights_only=True)


@pytest.mark.shared
@pytest.mark.parametrize("alpha", ["0.0", "0.5", "1.0"])
def test_losses_and_gradients_are_the_released_code_s(recorded: Any, alpha: str) -> None:
    stacks = [maps.clone().requires_grad_() for maps in recorded["student"]]
    weight = recorded["target_weight"][..., 0]
    truth = stacked_loss(stacks, recorded["target"], weight)
    taught = stacked_loss(stacks, recorded["teacher_last"], weight)
    total = float(alpha) * taught + (1 - float(alpha)) * truth
    wanted = recorded["by_alpha"][alpha]
    assert truth.item() == pytest.approx(wanted["pose"].item(), rel=3e-7)
    assert taught.item() == pytest.approx(wanted["kd"].item(), rel=3e-7)
    assert total.item() == pytest.approx(wanted["loss"].item(), rel=3e-7)
    (found,) = grad(total, stacks[-1])
    torch.testing.assert_close(found, wanted["grad_last"], rtol=3e-7, atol=1e-10)


@pytest.mark.shared
def test_a_loss_without_weights_is_the_released_code_s(recorded: Any) -> None:
    maps = recorded["student"][0]
    loss = heatmap_loss(maps, recorded["target"], torch.ones(maps.shape[:2]))
    assert loss.item() == pytest.approx(recorded["unweighted_pose_stack0"].item(), rel=3e-7)


@pytest.mark.shared
def test_accuracy_is_the_released_code_s(shared: Path) -> None:
    about = torch.load(shared / "oracles" / "fpd_distilpose" / "fpd_data_eval.pt", weights_only=True)["accuracy"]
    assert heatmap_accuracy(about["output"], about["target"]).item() == pytest.approx(float(about["avg"]))
    per_point = [
        heatmap_accuracy(about["output"][:, [point]], about["target"][:, [point]]).item() for point in range(16)
    ]
    assert per_point == pytest.approx(about["acc"][1:].clamp(min=0).tolist())


def peaks(*cells: tuple[int, int]) -> Tensor:
    """One map of 20 x 20 per cell, (1, K, 20, 20)."""
    maps = torch.zeros(1, len(cells), 20, 20)
    for number, (x, y) in enumerate(cells):
        maps[0, number, y, x] = 1.0
    return maps


def test_a_loss_is_half_the_mean_over_everything() -> None:
    maps, target = torch.full((2, 3, 4, 5), 3.0), torch.ones(2, 3, 4, 5)
    weight = torch.ones(2, 3)
    assert heatmap_loss(maps, target, weight).item() == 2.0
    weight[0] = 0
    assert heatmap_loss(maps, target, weight).item() == 1.0, "absent points count in the mean, with nothing"
    assert heatmap_loss(maps, target, torch.full((2, 3), 0.5)).item() == 0.5, "the weight is squared"
    assert stacked_loss([maps, target, maps], target, torch.ones(2, 3)).item() == 4.0


def test_no_gradient_reaches_the_target() -> None:
    maps, target = (torch.randn(1, 2, 3, 3, requires_grad=True) for _ in range(2))
    backward(heatmap_loss(maps, target, torch.ones(1, 2)))
    assert maps.grad is not None
    torch.testing.assert_close(maps.grad, (maps - target).detach() / 18)
    assert target.grad is None


def test_losses_of_half_precision_are_float32() -> None:
    maps = torch.full((1, 1, 2, 2), 3.0, dtype=torch.bfloat16)
    assert heatmap_loss(maps, torch.zeros(1, 1, 2, 2), torch.ones(1, 1)).dtype == torch.float32


def test_best_cells_are_column_and_row() -> None:
    assert best_cells(peaks((7, 2)))[0].tolist() == [[7.0, 2.0]]
    assert best_cells(-peaks((7, 2)))[0].tolist() == [[0.0, 0.0]], "no positive value: the first cell"


def test_accuracy_counts_points_within_a_twentieth() -> None:
    target = peaks((10, 10), (10, 10))
    assert heatmap_accuracy(peaks((10, 10), (11, 10)), target).item() == 0.5, "a cell is a twentieth, which is not near"
    assert heatmap_accuracy(target, target).item() == 1.0


def test_points_at_the_edge_or_without_a_target_are_left_out() -> None:
    target = torch.cat([peaks((10, 10), (1, 10)), torch.zeros(1, 1, 20, 20)], dim=1)
    assert heatmap_accuracy(peaks((10, 10), (5, 5), (5, 5)), target).item() == 1.0
    assert heatmap_accuracy(target, torch.zeros_like(target)).item() == 0.0
