"""Optimisers with the published exemptions, and the learning rate of every step.

Sources: configurations of IDEA-Research/DWPose@0232d66 on mmengine for AdamW and the cosine; Fast Human Pose Estimation
(arXiv 1811.05419) and its code (ilovepose@c4722f8) for RMSProp and Adam with steps. Constants are in
`training.recipe.Optimisation`.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from pose_core.errors import UnknownChoice
from training.recipe import Optimisation

OPTIMISERS: Final[Mapping[str, Callable[..., torch.optim.Optimizer]]] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "rmsprop": torch.optim.RMSprop,
}
"""By name, with the constants of PyTorch: betas 0.9 and 0.999 (alpha 0.99 of RMSProp, no momentum), eps 1e-8."""

DROP: Final = 0.1
"""What a step leaves of the learning rate."""


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that require a gradient, by name, in the order of registration."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def weight_decays(module: nn.Module, weight_decay: float) -> dict[str, float]:
    """The weight decay of each trainable parameter: 0 for whatever is called `bias` and all of a batch norm.

    Scales, gammas and betas of the head decay, as in the published runs.
    """
    norms = {id(parameter) for norm in batch_norms(module) for parameter in norm.parameters()}
    return {
        name: 0.0 if id(parameter) in norms or name.rpartition(".")[2] == "bias" else weight_decay
        for name, parameter in trainable(module).items()
    }


def batch_norms(module: nn.Module) -> Iterator[nn.Module]:
    """Every batch norm below `module`, synchronised ones included."""
    return (part for part in module.modules() if isinstance(part, nn.modules.batchnorm._BatchNorm))  # noqa: SLF001 - the common base has no public name


def build_optimiser(module: nn.Module, optimisation: Optimisation) -> torch.optim.Optimizer:
    """An optimiser over what requires a gradient; `set_learning_rate` belongs to each step.

    Raises:
        UnknownChoice: there is no such optimiser, or no such schedule.
    """
    if optimisation.optimiser not in OPTIMISERS:
        raise UnknownChoice("optimiser", optimisation.optimiser, OPTIMISERS)
    if optimisation.schedule not in SCHEDULES:
        raise UnknownChoice("schedule", optimisation.schedule, SCHEDULES)
    parameters, decays = trainable(module), weight_decays(module, optimisation.weight_decay)
    groups: list[dict[str, Any]] = [
        {"params": [parameters[name] for name in parameters if decays[name] == decay], "weight_decay": decay}
        for decay in dict.fromkeys(decays.values())
    ]
    return OPTIMISERS[optimisation.optimiser](groups, lr=optimisation.learning_rate)


def set_learning_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """Use `learning_rate` for the next steps of every group."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate


def learning_rate(optimisation: Optimisation, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a zero-based step: a linear warm-up, then what the schedule says."""
    peak = optimisation.learning_rate
    if step < optimisation.warm_up_steps:
        passed = step / max(optimisation.warm_up_steps - 1, 1)
        return peak * (optimisation.warm_up_start + (1 - optimisation.warm_up_start) * passed)
    return SCHEDULES[optimisation.schedule](optimisation, step, steps_per_epoch)


def cosine_rate(optimisation: Optimisation, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a zero-based step: a plateau, a cosine, and its end.

    The cosine is counted in steps, too. A run shorter than `cosine_until_epoch` just stops on the way, like the
    published second stage, which never leaves the plateau.
    """
    start = optimisation.flat_until_epoch * steps_per_epoch
    length = (optimisation.cosine_until_epoch - optimisation.flat_until_epoch) * steps_per_epoch
    passed = min(max((step - start) / length, 0.0), 1.0) if length else float(step >= start)
    peak = optimisation.learning_rate
    final = peak * optimisation.final_factor
    return final + (peak - final) * (1 + math.cos(math.pi * passed)) / 2


def steps_rate(optimisation: Optimisation, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a zero-based step: a tenth of what was before from each of `drop_epochs` on."""
    passed = sum(step >= epoch * steps_per_epoch for epoch in optimisation.drop_epochs)
    return optimisation.learning_rate * DROP**passed


SCHEDULES: Final[Mapping[str, Callable[[Optimisation, int, int], float]]] = {
    "cosine": cosine_rate,
    "steps": steps_rate,
}
"""By name: the learning rate after the warm-up, of the optimisation, the zero-based step and the steps per epoch."""


def clip_gradients(parameters: Iterable[Tensor], clip_norm: float | None) -> Tensor:
    """The L2 norm of all gradients together, before they are scaled down to `clip_norm` in place."""
    return nn.utils.clip_grad_norm_(parameters, math.inf if clip_norm is None else clip_norm, foreach=True)
