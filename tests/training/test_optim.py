"""Optimiser: exemptions from decay, one published step, and the learning rate of every step."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import backward

from pose_core.codecs import SimCC
from pose_core.errors import UnknownChoice
from pose_core.types import Size
from tests.training import tiny
from training.losses import ground_truth_loss
from training.models.rtmpose import build_rtmpose
from training.optim import build_optimiser, clip_gradients, learning_rate, set_learning_rate, trainable, weight_decays
from training.recipe import Optimisation

PUBLISHED = Optimisation()
SHORT = Optimisation(learning_rate=1.0, warm_up_steps=5, flat_until_epoch=1, cosine_until_epoch=3, final_factor=0.1)


@pytest.mark.shared
def test_exemptions_are_the_reference_s(dwpose_oracle: Path) -> None:
    recorded = json.loads((dwpose_oracle / "optim_weight_decay_t.json").read_text())
    with torch.device("meta"):
        assert weight_decays(build_rtmpose("t"), 0.05) == recorded


@pytest.mark.shared
def test_one_step_is_the_reference_s(
    dwpose_oracle: Path, detw: Any, load_recorded: Callable[[nn.Module], nn.Module]
) -> None:
    model = load_recorded(build_rtmpose("t")).train()
    optimiser = build_optimiser(model, PUBLISHED)
    with np.load(dwpose_oracle / "train_t.npz") as recorded:
        targets = SimCC().encode(recorded["kp"], recorded["vis"] > 0.5, Size(192, 256))
        np.testing.assert_array_equal(targets.weights, recorded["weights"])
        labels, weight = [torch.from_numpy(array) for array in targets.arrays], torch.from_numpy(targets.weights)
        loss = ground_truth_loss(
            model(torch.from_numpy(detw.det_input("train", (4, 3, 256, 192)))), labels, weight, "sum"
        )
        backward(loss)
        assert loss.item() == pytest.approx(float(recorded["loss"]), rel=1e-6)
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        norms = dict(zip(recorded["names"], recorded["grad_norm"], strict=True))
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            assert parameter.grad.norm().item() == pytest.approx(norms[name], rel=1e-4), name
        norm = clip_gradients(model.parameters(), 1.0)
        assert norm.item() == pytest.approx(float(recorded["total_grad_norm"]), rel=1e-5)
        optimiser.step()
        moved = {name: (parameter - before[name]).detach().double() for name, parameter in model.named_parameters()}
        lengths = [moved[name].norm().item() for name in recorded["names"]]
        assert math.hypot(*lengths) == pytest.approx(math.hypot(*recorded["delta_l2"]), rel=1e-6)
        # a first step divides each gradient by its own size: those of the size of eps differ by rounding
        assert lengths == pytest.approx(list(recorded["delta_l2"]), rel=1e-3)
        for name, total in zip(recorded["names"], recorded["delta_sum"], strict=True):
            assert moved[name].sum().item() == pytest.approx(total, abs=1e-3 * moved[name].abs().sum().item()), name


@pytest.mark.shared
@pytest.mark.parametrize("stage", ["s1", "s2"])
def test_learning_rates_are_the_reference_s(stage: str, dwpose_oracle: Path) -> None:
    with np.load(dwpose_oracle / "schedule.npz") as recorded:
        wanted = recorded[f"{stage}_ipe20"]
    found = [learning_rate(PUBLISHED, step, 20) for step in range(len(wanted))]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_norms_and_biases_do_not_decay() -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)
            self.bn = nn.BatchNorm2d(1)
            self.scale = nn.Parameter(torch.ones(1))
            self.frozen = nn.Linear(1, 1).requires_grad_(requires_grad=False)

    assert weight_decays(Mixed(), 0.5) == {
        "scale": 0.5,
        "conv.weight": 0.5,
        "conv.bias": 0,
        "bn.weight": 0,
        "bn.bias": 0,
    }


def test_optimiser_holds_every_trainable_parameter_once() -> None:
    model = tiny.build_student()
    model.backbone.requires_grad_(requires_grad=False)
    optimiser = build_optimiser(model, PUBLISHED)
    held = [id(parameter) for group in optimiser.param_groups for parameter in group["params"]]
    assert sorted(held) == sorted(id(parameter) for parameter in model.head.parameters())
    assert [id(parameter) for parameter in trainable(model).values()] == [id(p) for p in model.head.parameters()]
    assert {group["weight_decay"] for group in optimiser.param_groups} == {0.0, 0.05}


def test_learning_rate_of_all_groups_is_set() -> None:
    optimiser = build_optimiser(tiny.build_student(), PUBLISHED)
    set_learning_rate(optimiser, 0.125)
    assert {group["lr"] for group in optimiser.param_groups} == {0.125}


def test_rate_warms_up_stays_falls_and_stops() -> None:
    rates = [learning_rate(SHORT, step, 10) for step in range(40)]
    assert rates[:5] == pytest.approx([1e-5, 0.2500075, 0.500005, 0.7500025, 1.0])
    assert rates[5:11] == [1.0] * 6
    assert all(later < earlier for earlier, later in pairwise(rates[10:31]))
    assert rates[20] == pytest.approx(0.55)
    assert rates[30:] == pytest.approx([0.1] * 10)


def test_rate_without_warm_up_or_cosine() -> None:
    steady = replace(SHORT, warm_up_steps=0, flat_until_epoch=2, cosine_until_epoch=2)
    assert [learning_rate(steady, step, 1) for step in (0, 1, 2)] == pytest.approx([1.0, 1.0, 0.1])
    assert learning_rate(replace(SHORT, warm_up_steps=1), 0, 10) == pytest.approx(1e-5)


def test_steps_leave_a_tenth_each() -> None:
    """Fast Human Pose Estimation: 2.5e-4, 2.5e-5 from epoch 90 and 2.5e-6 from epoch 120 on."""
    steps = Optimisation(learning_rate=2.5e-4, schedule="steps", drop_epochs=(90, 120), warm_up_steps=0)
    rates = [learning_rate(steps, 10 * epoch, 10) for epoch in (0, 89, 90, 119, 120, 139)]
    assert rates == pytest.approx([2.5e-4, 2.5e-4, 2.5e-5, 2.5e-5, 2.5e-6, 2.5e-6])
    assert learning_rate(replace(steps, warm_up_steps=3, warm_up_start=0.001), 1, 10) == pytest.approx(
        1.25e-4, rel=2e-3
    )


@pytest.mark.parametrize(("name", "moved"), [("adamw", 1.0), ("adam", 1.0), ("rmsprop", 10.0)])
def test_a_first_step_has_the_length_of_the_rate(name: Literal["adamw", "adam", "rmsprop"], moved: float) -> None:
    """RMSProp divides by the root of a hundredth of the squared gradient."""
    model = nn.Linear(1, 1, bias=False)
    before = model.weight.item()
    optimiser = build_optimiser(model, replace(PUBLISHED, optimiser=name, learning_rate=1e-3, weight_decay=0.0))
    model.weight.grad = torch.tensor([[0.5]])
    optimiser.step()
    assert before - model.weight.item() == pytest.approx(moved * 1e-3, rel=1e-4)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownChoice, match="optimiser: unknown value 'sgd'; valid: adamw, adam, rmsprop"):
        build_optimiser(tiny.build_student(), replace(PUBLISHED, optimiser="sgd"))  # type: ignore[arg-type]
    with pytest.raises(UnknownChoice, match="schedule: unknown value 'linear'; valid: cosine, steps"):
        build_optimiser(tiny.build_student(), replace(PUBLISHED, schedule="linear"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("limit", "length"), [(1.0, 1.0), (10.0, 5.0), (None, 5.0)])
def test_clipping_tells_the_norm_before(limit: float | None, length: float) -> None:
    weight = nn.Parameter(torch.zeros(2))
    weight.grad = torch.tensor([3.0, 4.0])
    assert clip_gradients([weight], limit).item() == pytest.approx(5.0)
    assert weight.grad.norm().item() == pytest.approx(length, rel=1e-5)
