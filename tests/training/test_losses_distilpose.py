"""DistilPose's losses: the reference's numbers and gradients, and what each of them pulls where."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import backward

from pose_core.codecs import Heatmap
from pose_core.errors import UnknownChoice
from pose_core.types import Size
from training.losses_distilpose import (
    Masking,
    confidence_loss,
    coordinate_loss,
    in_reach,
    point_accuracy,
    require_masking,
    simulate_heatmaps,
    simulated_heatmap_loss,
    token_loss,
)
from training.losses_heatmap import heatmap_loss

ROWS, COLUMNS = 16, 12


@pytest.fixture
def recorded(shared: Path) -> dict[str, Any]:
    file: dict[str, Any] = torch.load(shared / "oracles" / "fpd_distilpose" / "distil_losses.pt", weights_only=True)
    return file


def recorded_losses(student: dict[str, Tensor], recorded: dict[str, Any], samples: slice) -> dict[str, Tensor]:
    """The reference's losses by its names, with its weights."""
    teacher = {name: tensor[samples] for name, tensor in recorded["teacher"].items()}
    mu, score, sigma = (student[name][samples] for name in ("pred", "score", "sigma"))
    weight = recorded["target_weight"][samples, :, 0]
    return {
        "reg_loss": coordinate_loss(mu, recorded["target"][samples], weight),
        "vis_dist_loss": 5e-4 * token_loss(student["vis_token"][samples], teacher["vis_token"]),
        "kpt_dist_loss": 5e-4 * token_loss(student["kpt_token"][samples], teacher["kpt_token"]),
        "score_loss": 1e-2 * confidence_loss(score, mu, teacher["pred"], weight),
        "reg2hm_loss": simulated_heatmap_loss(mu, sigma, teacher["pred"], weight, "reference"),
    }


@pytest.mark.shared
def test_losses_and_gradients_are_the_reference_s(recorded: dict[str, Any]) -> None:
    student = {name: tensor.clone().requires_grad_() for name, tensor in recorded["student"].items()}
    losses = recorded_losses(student, recorded, slice(None))
    for name, loss in losses.items():
        assert loss.item() == pytest.approx(recorded["losses_weighted"][name].item(), rel=3e-7), name
    total = torch.stack(list(losses.values())).sum()
    assert total.item() == pytest.approx(recorded["total"].item(), rel=3e-7)
    backward(total)
    for name, gradient in recorded["grads"].items():
        found = student[name].grad
        assert found is not None
        assert (found - gradient).abs().max() <= 3e-7 * gradient.abs().max(), name


@pytest.mark.shared
def test_one_sample_alone_is_the_reference_s(recorded: dict[str, Any]) -> None:
    for name, loss in recorded_losses(recorded["student"], recorded, slice(0, 1)).items():
        assert loss.item() == pytest.approx(recorded["batch1_losses_weighted"][name].item(), rel=3e-7), name


@pytest.mark.shared
def test_simulated_maps_and_intended_masking_are_the_recorded_ones(recorded: dict[str, Any]) -> None:
    mu, sigma = recorded["student"]["pred"], recorded["student"]["sigma"]
    weight = recorded["target_weight"][..., 0]
    found = simulate_heatmaps(mu, sigma, 64, 48)[0]
    torch.testing.assert_close(found, recorded["simulated_heatmap_0"], rtol=0, atol=3e-7)
    torch.testing.assert_close(in_reach(mu, sigma, 64, 48) * weight, recorded["sigma_target_weight"])
    loss = simulated_heatmap_loss(mu, sigma, recorded["teacher"]["pred"], weight, "intended")
    assert loss.item() == pytest.approx(recorded["SH_intended_masking"].item(), rel=3e-7)


@pytest.mark.shared
def test_the_teacher_s_loss_is_the_reference_s(shared: Path) -> None:
    file = torch.load(shared / "oracles" / "fpd_distilpose" / "distil_targets.pt", weights_only=True)["teacher_mse"]
    loss = 2 * heatmap_loss(file["pred"], file["target"], file["weight"][..., 0])
    assert loss.item() == pytest.approx(file["loss"].item(), rel=3e-7)


def points(*rows: tuple[float, float]) -> Tensor:
    """(1, K, 2)."""
    return torch.tensor([rows])


def test_distance_of_points_counts_half_its_square() -> None:
    found, wanted = points((0.5, 0.5), (0.1, 0.1)), points((0.2, 0.1), (0.9, 0.9))
    weight = torch.tensor([[1.0, 0.0]])
    assert coordinate_loss(found, wanted, weight).item() == pytest.approx((0.09 + 0.16) / 2 / 4)
    assert coordinate_loss(found, found, weight).item() == 0


def test_only_the_student_s_tokens_learn() -> None:
    ours, theirs = torch.zeros(2, 3, 4, requires_grad=True), torch.full((2, 3, 4), 2.0, requires_grad=True)
    loss = token_loss(ours, theirs)
    backward(loss)
    assert loss.item() == 4
    assert ours.grad is not None
    assert theirs.grad is None


def test_the_score_learns_the_height_of_the_map_under_the_point() -> None:
    heatmap = torch.zeros(1, 2, ROWS, COLUMNS)
    heatmap[0, 0, ROWS - 1, COLUMNS - 1] = 0.75
    heatmap[0, 0, 0, 0] = 0.25
    score = torch.zeros(1, 2, 1)
    for corner, height in (((1.0, 1.0), 0.75), ((0.0, 0.0), 0.25)):
        loss = confidence_loss(score, points(corner, (0.5, 0.5)), heatmap, torch.ones(1, 2))
        assert loss.item() == height / 2


def test_a_point_that_is_no_number_shows_in_the_loss_instead_of_reading_elsewhere() -> None:
    mu, score = points((math.nan, 0.5)), torch.ones(1, 1, 1)
    heatmap, weight = torch.zeros(1, 1, ROWS, COLUMNS), torch.ones(1, 1)
    assert confidence_loss(score, mu, heatmap, weight).item() == 1
    assert confidence_loss(score * math.nan, mu, heatmap, weight).isnan()
    assert coordinate_loss(mu, points((0.5, 0.5)), weight).isnan()


def test_the_point_does_not_learn_from_its_score() -> None:
    mu, score = points((0.4, 0.4)).requires_grad_(), torch.ones(1, 1, 1, requires_grad=True)
    backward(confidence_loss(score, mu, torch.zeros(1, 1, ROWS, COLUMNS), torch.ones(1, 1)))
    assert mu.grad is None
    assert score.grad is not None


def test_a_simulated_map_is_the_codec_s() -> None:
    size = Size(width=COLUMNS * 4, height=ROWS * 4)
    mu, sigma = points((0.4, 0.3), (0.05, 0.95)), torch.full((1, 2, 2), 2.0)
    keypoints = (mu * torch.tensor([size.width, size.height])).numpy()
    targets = Heatmap(map_size=Size(COLUMNS, ROWS), refine="dark").encode(keypoints, keypoints[..., 0] >= 0, size)
    found = simulate_heatmaps(mu, sigma, ROWS, COLUMNS)
    torch.testing.assert_close(found, torch.from_numpy(targets.arrays[0]), rtol=0, atol=1e-6)


def test_points_out_of_reach_of_their_map_teach_nothing() -> None:
    mu = points((1.0, 0.5), (0.5, 0.5))
    narrow = torch.full((1, 2, 2), 0.0)
    assert in_reach(mu, narrow, ROWS, COLUMNS).tolist() == [[0, 1]]
    teacher = torch.ones(1, 2, ROWS, COLUMNS)
    alone = simulated_heatmap_loss(mu[:, :1], narrow[:, :1], teacher[:, :1], torch.ones(1, 1), "intended")
    assert alone.item() == 0


def test_the_teacher_s_map_pulls_point_and_width() -> None:
    teacher = simulate_heatmaps(points((0.5, 0.5)), torch.full((1, 1, 2), 2.0), ROWS, COLUMNS)
    mu, sigma = points((0.4, 0.6)).requires_grad_(), torch.full((1, 1, 2), 1.0, requires_grad=True)
    backward(simulated_heatmap_loss(mu, sigma, teacher, torch.ones(1, 1), "intended"))
    assert mu.grad is not None
    assert sigma.grad is not None
    assert mu.grad.sign().tolist() == [[[-1, 1]]], "towards larger x and smaller y"
    assert (sigma.grad < 0).all(), "wider"


def batch_with_a_hidden_point() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two people; nobody labelled the point of the second, which is where the teacher says nothing."""
    mu = torch.tensor([[[0.5, 0.5]], [[0.2, 0.2]]])
    sigma = torch.full((2, 1, 2), 2.0)
    teacher = torch.cat([simulate_heatmaps(mu[:1], sigma[:1], ROWS, COLUMNS), torch.zeros(1, 1, ROWS, COLUMNS)])
    return mu, sigma, teacher, torch.tensor([[1.0], [0.0]])


def test_reference_masking_lets_hidden_points_count() -> None:
    mu, sigma, teacher, weight = batch_with_a_hidden_point()
    assert simulated_heatmap_loss(mu, sigma, teacher, weight, "intended").item() == 0
    error = simulate_heatmaps(mu[1:], sigma[1:], ROWS, COLUMNS).square().mean() / 2
    found = simulated_heatmap_loss(mu, sigma, teacher, weight, "reference")
    torch.testing.assert_close(found, 0.5 * error)


@pytest.mark.parametrize("sample", [0, 1])
def test_both_maskings_agree_on_one_person(sample: int) -> None:
    one = [tensor[sample : sample + 1] for tensor in batch_with_a_hidden_point()]
    mu, sigma, teacher, weight = one
    reference, intended = (simulated_heatmap_loss(mu, sigma, teacher, weight, name) for name in masks())
    assert reference == intended


def masks() -> list[Masking]:
    return ["reference", "intended"]


@pytest.mark.parametrize("corner", [0.0, 1.0])
@pytest.mark.parametrize("width", [0.0, 1e-6, 1e-3])
def test_narrow_gaussians_at_the_edge_stay_finite(corner: float, width: float) -> None:
    mu = torch.full((1, 1, 2), corner, requires_grad=True)
    sigma = torch.full((1, 1, 2), width, requires_grad=True)
    loss = simulated_heatmap_loss(mu, sigma, torch.rand(1, 1, ROWS, COLUMNS), torch.ones(1, 1), "reference")
    backward(loss)
    assert mu.grad is not None
    assert sigma.grad is not None
    assert math.isfinite(loss.item())
    assert torch.isfinite(mu.grad).all()
    assert torch.isfinite(sigma.grad).all()


def test_accuracy_counts_near_points_with_a_weight() -> None:
    found = points((0.5, 0.5), (0.5, 0.5), (0.5, 0.5))
    wanted = points((0.52, 0.52), (0.6, 0.5), (0.5, 0.5))
    assert point_accuracy(found, wanted, torch.tensor([[1.0, 1.0, 0.0]])).item() == 0.5
    assert point_accuracy(found, wanted, torch.zeros(1, 3)).item() == 0


def test_an_unknown_masking_is_refused() -> None:
    assert require_masking("intended") == "intended"
    with pytest.raises(UnknownChoice, match="masking: unknown value 'none'; valid: reference, intended"):
        require_masking("none")
