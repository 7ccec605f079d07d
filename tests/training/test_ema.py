"""The running average: what it covers, how it forgets, and the reference's numbers."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from training.ema import Average, changing_tensors, newest_weight
from training.recipe import Optimisation

PUBLISHED = Optimisation()


class Watched(nn.Module):
    """Six weights and two running means."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(6))
        self.mean = nn.Buffer(torch.zeros(2))

    def set(self, values: torch.Tensor) -> None:
        """Take on the values of a step."""
        with torch.no_grad():
            self.weight.copy_(values[:6])
            self.mean.copy_(values[6:])


@pytest.mark.shared
def test_average_is_the_reference_s(dwpose_oracle: Path) -> None:
    network = Watched()
    average = Average(network, PUBLISHED)
    with np.load(dwpose_oracle / "ema.npz") as recorded:
        for step, (values, wanted) in enumerate(zip(recorded["src"], recorded["avg"], strict=True)):
            network.set(torch.from_numpy(values))
            average.update(step)
            found = torch.cat([average.tensors["weight"], average.tensors["mean"]])
            np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)


def test_newest_value_counts_less_and_less() -> None:
    shares = [newest_weight(PUBLISHED, step) for step in (0, 1, 2000, 10_000_000)]
    assert shares == pytest.approx([1.0, math.exp(-2 / 2000), math.exp(-1), 2e-4], rel=1e-3)


def test_average_covers_what_training_changes() -> None:
    norm, frozen_norm = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    frozen = nn.Linear(2, 2).requires_grad_(requires_grad=False)
    network = nn.Sequential(nn.Linear(2, 2), norm, frozen, frozen_norm).train()
    frozen_norm.requires_grad_(requires_grad=False).eval()
    wanted = {"0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"}
    assert set(changing_tensors(network)) == wanted


def test_average_follows_at_its_pace() -> None:
    network = Watched()
    average = Average(network, Optimisation(ema_decay=0.5, ema_warm_up=1))
    network.set(torch.full((8,), 4.0))
    average.update(0)
    assert torch.equal(average.tensors["weight"], torch.full((6,), 4.0))
    network.set(torch.zeros(8))
    average.update(1000)
    assert torch.equal(average.tensors["mean"], torch.full((2,), 2.0))


def test_applied_swaps_there_and_back_even_after_an_error() -> None:
    network = Watched()
    average = Average(network, PUBLISHED)
    average.load({"weight": torch.ones(6), "mean": torch.ones(2)})

    def fail_inside() -> None:
        with average.applied():
            assert network.weight.sum() == 6
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail_inside()
    assert network.weight.sum() == 0
    assert average.tensors["mean"].sum() == 2


def test_other_names_are_refused() -> None:
    average = Average(Watched(), PUBLISHED)
    with pytest.raises(KeyError, match="mean"):
        average.load({"weight": torch.ones(6)})
