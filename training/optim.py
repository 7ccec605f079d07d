"""AdamW with the published exemptions, and the learning rate of every step.

Source: configurations of IDEA-Research/DWPose@0232d66 on mmengine; constants are in `training.recipe.Optimisation`.
"""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from training.recipe import Optimisation


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


def build_optimiser(module: nn.Module, optimisation: Optimisation) -> torch.optim.AdamW:
    """AdamW (betas 0.9 and 0.999, eps 1e-8) over what requires a gradient; `set_learning_rate` belongs to each step."""
    parameters, decays = trainable(module), weight_decays(module, optimisation.weight_decay)
    groups = [
        {"params": [parameters[name] for name in parameters if decays[name] == decay], "weight_decay": decay}
        for decay in dict.fromkeys(decays.values())
    ]
    return torch.optim.AdamW(groups, lr=optimisation.learning_rate, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, learning_rate: float) -> None:
    """Use `learning_rate` for the next steps of every group."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate


def learning_rate(optimisation: Optimisation, step: int, steps_per_epoch: int) -> float:
    """The learning rate of a zero-based step: a linear warm-up, a plateau, a cosine, and its end.

    The cosine is counted in steps, too. A run shorter than `cosine_until_epoch` just stops on the way, like the
    published second stage, which never leaves the plateau.
    """
    peak = optimisation.learning_rate
    if step < optimisation.warm_up_steps:
        passed = step / max(optimisation.warm_up_steps - 1, 1)
        return peak * (optimisation.warm_up_start + (1 - optimisation.warm_up_start) * passed)
    start = optimisation.flat_until_epoch * steps_per_epoch
    length = (optimisation.cosine_until_epoch - optimisation.flat_until_epoch) * steps_per_epoch
    passed = min(max((step - start) / length, 0.0), 1.0) if length else float(step >= start)
    final = peak * optimisation.final_factor
    return final + (peak - final) * (1 + math.cos(math.pi * passed)) / 2


def clip_gradients(parameters: Iterable[Tensor], clip_norm: float | None) -> Tensor:
    """The L2 norm of all gradients together, before they are scaled down to `clip_norm` in place."""
    return nn.utils.clip_grad_norm_(parameters, math.inf if clip_norm is None else clip_norm, foreach=True)
