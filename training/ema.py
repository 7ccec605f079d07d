"""A running average of the weights, which is what is evaluated and deployed.

Source: mmengine's `ExpMomentumEMA`, as configured by IDEA-Research/DWPose@0232d66.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from training.recipe import Optimisation


def newest_weight(optimisation: Optimisation, update: int) -> float:
    """Share of the newest value at a zero-based update: 1 at first, then falling to `ema_decay` within the warm-up."""
    if update == 0:
        return 1.0
    floor = optimisation.ema_decay
    return (1 - floor) * math.exp(-(1 + update) / optimisation.ema_warm_up) + floor


def changing_tensors(module: nn.Module) -> dict[str, Tensor]:
    """What training changes, by its name in the state dict: trainable parameters and floating-point buffers.

    Buffers count where their module is in training mode, so call this after `train()`. Frozen parameters equal their
    average.
    """
    tensors: dict[str, Tensor] = {name: tensor for name, tensor in module.named_parameters() if tensor.requires_grad}
    for prefix, part in module.named_modules():
        if part.training:
            buffers = part.named_buffers(prefix, recurse=False)
            tensors |= {name: buffer for name, buffer in buffers if buffer.is_floating_point()}
    return tensors


class Average:
    """The running average of the changing tensors of a module.

    Attributes:
        tensors: averages by name.
    """

    def __init__(self, module: nn.Module, optimisation: Optimisation) -> None:
        self.optimisation = optimisation
        self._live = {name: tensor.detach() for name, tensor in changing_tensors(module).items()}
        self.tensors = {name: tensor.clone() for name, tensor in self._live.items()}

    def update(self, step: int) -> None:
        """Take in the values after the zero-based optimiser step `step`."""
        share = newest_weight(self.optimisation, step)
        if share == 1:
            self.load(self._live)
        else:
            averages, newest = list(self.tensors.values()), list(self._live.values())
            torch._foreach_lerp_(averages, newest, share)  # one kernel for all tensors

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the averages.

        Raises:
            KeyError: the names differ.
        """
        if set(tensors) != set(self.tensors):
            raise KeyError(f"averages differ in {sorted(set(tensors) ^ set(self.tensors))}")
        for name, tensor in self.tensors.items():
            tensor.copy_(tensors[name])

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside the block the module has the averaged values."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, live in self._live.items():
            kept = live.clone()
            live.copy_(self.tensors[name])
            self.tensors[name].copy_(kept)
