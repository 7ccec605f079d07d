"""One step of training: a batch in, new weights out, and every number of it.

batch -> method -> named losses -> backward -> clip -> finite? -> optimiser -> running average
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pose_core.errors import PoseError
from training.checkpoints import TrainingState
from training.contracts import Batch, Progress, StepResult
from training.distributed import World, average_over
from training.optim import clip_gradients, learning_rate, set_learning_rate
from training.run import Run


class NonFiniteError(PoseError):
    """A loss or a gradient that is not a number; the weights are still those before the step.

    The running statistics of batch norms are not: the forward pass has changed them. Checkpoints are written after
    whole steps only. Of several processes each names its own samples; which of them were to blame nobody knows.
    """


class Numbers(NamedTuple):
    """What is known of a step: losses and metrics by name, the norm of the gradient before clipping."""

    losses: dict[str, float]
    metrics: dict[str, float]
    gradient_norm: float


def take_step(run: Run, state: TrainingState, model: nn.Module, batch: Batch, epoch: int) -> Numbers:
    """Learn from one batch: everything between its pixels and the new weights and averages.

    Raises:
        NonFiniteError: before weights, averages and moments are changed; batch norms have seen the batch.
    """
    recipe, device = run.recipe, run.world.device
    moved = prepare_batch(batch, run)
    with torch.autocast(device.type, torch.bfloat16, enabled=run.settings.half_on(device)):
        result: StepResult = model(moved, Progress(epoch, recipe.epochs, state.step))
    state.optimiser.zero_grad(set_to_none=True)
    torch.autograd.backward([torch.stack([*result.losses.values()]).sum()])
    parameters = [parameter for group in state.optimiser.param_groups for parameter in group["params"]]
    norm = clip_gradients(parameters, recipe.optimisation.clip_norm)
    numbers = read_numbers(result, norm, run.world)
    require_finite(numbers, batch, epoch, state.step, run.world)
    set_learning_rate(state.optimiser, learning_rate(recipe.optimisation, state.step, run.steps_per_epoch))
    state.optimiser.step()
    state.average.update(state.step)
    state.step += 1
    return numbers


def prepare_batch(batch: Batch, run: Run) -> Batch:
    """A batch on the device, its pixels as networks take them, in the memory format of the weights."""
    memory_format = torch.channels_last if run.settings.channels_last else torch.contiguous_format
    return batch.to(run.world.device).prepared(memory_format)


def read_numbers(result: StepResult, norm: Tensor, world: World) -> Numbers:
    """Bring all scalars of a step to the CPU in one go, averaged over the processes."""
    scalars = [*result.losses.values(), *result.metrics.values(), norm]
    values = average_over(world, torch.stack([scalar.detach().float() for scalar in scalars])).tolist()
    losses = dict(zip(result.losses, values, strict=False))
    metrics = dict(zip(result.metrics, values[len(losses) :], strict=False))
    return Numbers(losses, metrics, values[-1])


def require_finite(numbers: Numbers, batch: Batch, epoch: int, step: int, world: World) -> None:
    """Stop at the first sign of numerical trouble.

    Raises:
        NonFiniteError: a loss or the gradient is infinite or not a number.
    """
    named = {**numbers.losses, "gradient norm": numbers.gradient_norm}
    if wrong := [f"{name} = {value}" for name, value in named.items() if not math.isfinite(value)]:
        ids = ", ".join(map(str, batch.id_B.tolist()))
        share = f"samples of process {world.rank} of {world.size}" if world.size > 1 else "samples"
        raise NonFiniteError(f"step {step} of epoch {epoch}: {', '.join(wrong)}; {share} {ids}")
