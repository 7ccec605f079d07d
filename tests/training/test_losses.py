"""Losses: known values, what they are indifferent to, gradients, and the reference's numbers."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import backward

from pose_core.codecs import SimCC
from pose_core.errors import UnknownChoice
from pose_core.types import Size
from training.losses import (
    BETA,
    absent_loss,
    bin_divergence,
    feature_loss,
    ground_truth_loss,
    logit_loss,
    position_accuracy,
    require_reduction,
    weigh_bodies,
)

Pair = tuple[Tensor, Tensor]


def pair(seed: int, samples: int = 2, points: int = 3) -> Pair:
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(samples, points, bins, generator=generator, dtype=torch.float64) for bins in (8, 12))
    return first.requires_grad_(), second.requires_grad_()


def detached(tensors: Pair) -> Pair:
    return tensors[0].detach(), tensors[1].detach()


@pytest.fixture
def recorded(dwpose_oracle: Path) -> dict[str, Any]:
    with np.load(dwpose_oracle / "losses.npz") as arrays:
        return {key.removeprefix("256_192_"): arrays[key] for key in arrays}


def as_tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))


@pytest.mark.shared
def test_ground_truth_loss_is_the_reference_s(recorded: dict[str, Any]) -> None:
    targets = SimCC().encode(recorded["kp"], recorded["vis"] > 0.5, Size(192, 256))
    labels, weight = [torch.from_numpy(array) for array in targets.arrays], torch.from_numpy(targets.weights)
    x, y = as_tensor(recorded["sx"]).requires_grad_(), as_tensor(recorded["sy"])
    loss = ground_truth_loss((x, y), labels, weight, "sum")
    backward(loss)
    assert x.grad is not None
    assert loss.item() == pytest.approx(float(recorded["KL"]), rel=1e-6)
    assert x.grad.norm().item() == pytest.approx(float(recorded["KL_gradx_norm"]), rel=1e-5)
    np.testing.assert_allclose(x.grad[0, :4], recorded["KL_gradx_row"], atol=1e-9)
    twice = ground_truth_loss(
        [torch.cat((part, part)) for part in (x, y)],
        [torch.cat((part, part)) for part in labels],
        torch.cat((weight, weight)),
        "sum",
    )
    assert twice.item() == pytest.approx(float(recorded["KL_batch_doubled"]), rel=1e-6)


@pytest.mark.shared
def test_logit_loss_is_the_reference_s(recorded: dict[str, Any]) -> None:
    x, y = as_tensor(recorded["sx"]).requires_grad_(), as_tensor(recorded["sy"])
    loss = logit_loss((x, y), (as_tensor(recorded["tx"]), as_tensor(recorded["ty"])))
    backward(loss)
    assert x.grad is not None
    assert loss.item() == pytest.approx(float(recorded["KD_w1"]), rel=1e-6)
    assert 0.1 * loss.item() == pytest.approx(float(recorded["KD_w0p1"]), rel=1e-6)
    assert x.grad.norm().item() == pytest.approx(float(recorded["KD_gradx_norm"]), rel=1e-5)
    np.testing.assert_allclose(x.grad[0, :4], recorded["KD_gradx_row"], atol=2e-7)


@pytest.mark.shared
def test_feature_loss_is_the_reference_s(recorded: dict[str, Any], detw: Any) -> None:
    student, teacher = as_tensor(recorded["fea_s"]), as_tensor(recorded["fea_t"])
    align = torch.nn.Conv2d(384, 512, 1)
    for key, parameter in align.named_parameters():
        name = f"align{'.conv' if key == 'weight' else ''}.{key}"
        parameter.data = torch.from_numpy(detw.det_tensor(name, parameter.shape))
    assert 7e-5 * feature_loss(align(student), teacher).item() == pytest.approx(float(recorded["fea_loss"]), rel=1e-6)
    rolled = 7e-5 * feature_loss(teacher, teacher.roll(1, 0)).item()
    assert rolled == pytest.approx(float(recorded["fea_same_channels_loss_vs_roll1"]), rel=1e-6)


def test_divergence_of_two_bins_is_that_of_a_coin() -> None:
    logits = torch.tensor([[[0.0, math.log(3) / BETA]]])
    target = torch.zeros(1, 1, 2)
    expected = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert bin_divergence(logits, target).sum().item() == pytest.approx(expected)


def test_agreement_costs_nothing() -> None:
    logits = detached(pair(0))
    assert ground_truth_loss(logits, logits, torch.ones(2, 3)).item() == pytest.approx(0, abs=1e-6)
    assert logit_loss(logits, logits).item() == pytest.approx(0, abs=1e-6)
    assert feature_loss(torch.ones(2, 4, 1, 1), torch.ones(2, 4, 1, 1)).item() == 0


def test_sum_grows_with_the_batch_and_mean_does_not() -> None:
    logits, labels = detached(pair(0)), detached(pair(1))
    weight = torch.rand(2, 3)
    total = ground_truth_loss(logits, labels, weight, "sum")
    torch.testing.assert_close(total, 2 * ground_truth_loss(logits, labels, weight, "mean"))
    doubled = [[torch.cat((part, part)) for part in parts] for parts in (logits, labels)]
    twice = ground_truth_loss(doubled[0], doubled[1], torch.cat((weight, weight)), "sum")
    torch.testing.assert_close(twice, 2 * total)


def test_points_without_a_weight_teach_nothing() -> None:
    logits, labels = pair(0), detached(pair(1))
    weight = torch.tensor([[1.0, 0.0, 0.5], [0.0, 0.0, 0.0]])
    backward(ground_truth_loss(logits, labels, weight))
    grad = logits[0].grad
    assert grad is not None
    assert not grad[weight == 0].any()
    assert grad[0, 0].any()


def test_logit_loss_leaves_the_teacher_alone() -> None:
    student, teacher = pair(0), pair(1)
    backward(logit_loss(student, teacher))
    feature = torch.ones(1, 2, 2, 2, requires_grad=True)
    backward(feature_loss(torch.zeros(1, 2, 2, 2, requires_grad=True), feature))
    assert student[0].grad is not None
    assert teacher[0].grad is None
    assert feature.grad is None


@pytest.mark.parametrize("samples", [1, 3])
def test_feature_loss_sums_cells_and_averages_samples(samples: int) -> None:
    assert feature_loss(torch.full((samples, 2, 3, 4), 2.0), torch.zeros(samples, 2, 3, 4)).item() == 4 * 2 * 3 * 4


def test_losses_are_float32_whatever_the_networks_compute_in() -> None:
    coarse = [part.bfloat16() for part in detached(pair(0))]
    exact = detached(pair(1))
    labels = (exact[0].float(), exact[1].float())
    for loss in (ground_truth_loss(coarse, labels, torch.ones(2, 3)), logit_loss(coarse, coarse)):
        assert loss.dtype == torch.float32
        assert loss.isfinite()


def test_extreme_logits_stay_finite() -> None:
    extreme = torch.tensor([[[-1e4, 1e4, 0.0]]], requires_grad=True)
    loss = ground_truth_loss([extreme], [torch.tensor([[[1.0, 0.0, 0.0]]])], torch.ones(1, 1))
    backward(loss)
    assert extreme.grad is not None
    assert loss.isfinite()
    assert extreme.grad.isfinite().all()


def test_gradient_is_that_of_finite_differences() -> None:
    student, teacher = torch.randn(2, 2, 5), torch.randn(2, 2, 5)

    def loss(scale: float) -> float:
        return logit_loss([student * scale], [teacher]).item()

    scale = torch.tensor(1.0, requires_grad=True)
    backward(logit_loss([student * scale], [teacher]))
    assert scale.grad is not None
    assert scale.grad.item() == pytest.approx((loss(1.01) - loss(0.99)) / 0.02, rel=2e-2)


def test_accuracy_counts_known_points_near_their_labels() -> None:
    labels = torch.zeros(1, 4, 100)
    labels[..., 50] = 1
    logits = torch.zeros(1, 4, 100)
    for point, best in enumerate((50, 54, 56, 0)):
        logits[0, point, best] = 1
    weight = torch.tensor([[1.0, 1.0, 0.3, 0.0]])
    assert position_accuracy((logits, labels), (labels, labels), weight).item() == pytest.approx(2 / 3)
    assert position_accuracy((logits, labels), (labels, labels), torch.zeros(1, 4)).item() == 0


def test_unknown_reduction_lists_the_known_ones() -> None:
    require_reduction("sum")
    with pytest.raises(UnknownChoice, match="'batch'; valid: mean, sum"):
        require_reduction("batch")


def test_masked_points_say_nothing() -> None:
    """With everything visible the mask makes no difference; a hidden point's logits could be anything."""
    student, teacher = pair(1), pair(2)
    visible = torch.tensor([[1.0, 0.3, 1.0], [1.0, 1.0, 1.0]])
    torch.testing.assert_close(logit_loss(student, teacher, visible), logit_loss(student, teacher))
    hidden = visible.clone()
    hidden[0, 1] = 0
    other = tuple(logits.clone() for logits in student)
    for logits in other:
        logits[0, 1] = torch.randn_like(logits[0, 1])
    torch.testing.assert_close(logit_loss(other, teacher, hidden), logit_loss(student, teacher, hidden))
    assert not torch.isclose(logit_loss(student, teacher, hidden), logit_loss(student, teacher))


# ---- absent points


def test_absent_points_are_to_score_zero() -> None:
    """A constant, which no softmax sees, counts; points that are there, or of which nothing is known, do not."""
    logits = [torch.zeros(2, 3, 8), torch.zeros(2, 3, 4)]
    absent = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.0]])
    assert float(absent_loss(logits, absent)) == 0
    raised = [one + 3 for one in logits]
    assert float(absent_loss(raised, absent)) == pytest.approx((9 + 9) * 1.5 / 6)
    assert float(absent_loss(raised, torch.zeros(2, 3))) == 0


def test_absent_points_pull_their_highest_logit_down() -> None:
    logits = torch.randn(1, 1, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
    backward(absent_loss([logits], torch.ones(1, 1)))
    assert logits.grad is not None
    assert torch.equal(logits.grad.sign(), logits.detach().sign())


def test_bodies_and_feet_may_count_more() -> None:
    weight = torch.rand(2, 133)
    assert weigh_bodies(weight, 1.0) is weight
    weighed = weigh_bodies(weight, 4.0)
    assert torch.equal(weighed[:, :23], 4 * weight[:, :23])
    assert torch.equal(weighed[:, 23:], weight[:, 23:])
