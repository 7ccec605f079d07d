"""The one training loop: steps, log, evaluations and checkpoints, from the start of a run or from where it was stopped.

It knows nothing of the methods but `training.contracts.Method`. The same recipe, seed, device and number of processes
give the same weights, bit for bit on a CPU, however often the run is stopped and continued.
"""

import logging
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Never

import torch
from tqdm import tqdm

from pose_core.errors import PoseError
from training.checkpoints import (
    Snapshot,
    TrainingState,
    remove_leftovers,
    remove_newer,
    restore,
    save_average,
    save_checkpoint,
)
from training.contracts import Batch, Method
from training.distributed import share_gradients, synchronise_norms
from training.ema import Average
from training.interrupt import delayed_interrupt
from training.log import Log, plot_log
from training.optim import build_optimiser
from training.run import Run
from training.step import Numbers, take_step

logger = logging.getLogger(__name__)


class DataMismatchError(PoseError):
    """The data do not have the number of batches that they, or a checkpoint, promised."""


def train(run: Run, method: Method, checkpoint: Path | None = None) -> TrainingState:
    """Carry out a run from its start or from a checkpoint.

    Raises:
        NonFiniteError: a loss or gradient is not finite; says step and samples.
        DataMismatchError: there are no data, or another number of batches than promised or than before.
        KeyboardInterrupt: Ctrl-C; the step was finished and a checkpoint written. A second one does not wait for it.
    """
    if run.last_step < 1:
        raise DataMismatchError(f"{run.recipe.name}: there is nothing to train on")
    state = start(run, method)
    if checkpoint:
        go_on(run, state, checkpoint)
    if run.world.is_first:
        remove_leftovers(run.folder)
    model = share_gradients(state.method, run.world)
    with (
        Log(run.folder / "log.jsonl" if run.world.is_first else None, state.step) as log,
        progress_bar(run, state) as bar,
        delayed_interrupt() as interrupt,
    ):
        clock = time.perf_counter()
        for epoch, batch in remaining_batches(run, state):
            numbers = take_step(run, state, model, batch, epoch)
            duration_s, clock = time.perf_counter() - clock, time.perf_counter()
            write_step(run, state, log, numbers, len(batch.id_B) * run.world.size / duration_s)
            bar.set_postfix({name: f"{value:.4g}" for name, value in numbers.losses.items()}, refresh=False)
            bar.update()
            saved = pass_milestone(run, state, log)
            if interrupt.asked and state.step < run.last_step:
                if run.world.is_first and not saved:
                    save(run, state)
                raise KeyboardInterrupt
    return state


def start(run: Run, method: Method) -> TrainingState:
    """A method on its device in training mode, with a fresh optimiser and average."""
    fastest = run.settings.fastest
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = fastest, not fastest
    method = synchronise_norms(method.to(run.world.device), run.world)
    if run.settings.channels_last:
        method.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs know no such call
    method.train()
    optimisation = run.recipe.optimisation
    return TrainingState(method, build_optimiser(method, optimisation), Average(method, optimisation))


def go_on(run: Run, state: TrainingState, checkpoint: Path) -> None:
    """Take over a checkpoint, and drop what the run had written after it.

    Raises:
        DataMismatchError: see `require_same_epochs`.
    """
    snapshot = restore(checkpoint, state)
    require_same_epochs(run, snapshot)
    if run.world.is_first:
        for difference in snapshot.conditions.differences(run.conditions):
            logger.warning("the numbers will not be those of an unbroken run; %s", difference)
        remove_newer(run.folder, state.step)


def require_same_epochs(run: Run, snapshot: Snapshot) -> None:
    """Refuse to continue where a step would no longer mean the same samples.

    Raises:
        DataMismatchError: an epoch has another number of steps than before.
    """
    if snapshot.steps_per_epoch != run.steps_per_epoch:
        before, now = snapshot.steps_per_epoch, run.steps_per_epoch
        raise DataMismatchError(f"an epoch had {before} steps when the checkpoint was written and has {now} now")


def remaining_batches(run: Run, state: TrainingState) -> Iterator[tuple[int, Batch]]:
    """Epoch and batch of every step from `state.step`, which the caller advances, to the end of the run.

    Raises:
        DataMismatchError: an epoch has fewer batches than promised.
    """
    while state.step < run.last_step:
        epoch, passed = divmod(state.step, run.steps_per_epoch)
        target = min(state.step + run.steps_per_epoch - passed, run.last_step)
        for batch in islice(run.batches.epoch(epoch, passed), target - state.step):
            yield epoch, batch
        if state.step != target:
            raise DataMismatchError(f"epoch {epoch} ended after step {state.step}, {target - state.step} batches early")


def write_step(run: Run, state: TrainingState, log: Log, numbers: Numbers, samples_per_s: float) -> None:
    """Log a finished step, if its turn has come."""
    if state.step % run.settings.log_every and state.step != run.last_step:
        return
    record = {
        "step": state.step,
        "epoch": (state.step - 1) // run.steps_per_epoch,
        "learning_rate": state.optimiser.param_groups[0]["lr"],
        "samples_per_s": round(samples_per_s, 2),
    }
    log.write({**record, **numbers._asdict()})


def pass_milestone(run: Run, state: TrainingState, log: Log) -> bool:
    """Evaluate, draw and save where it is time; the first process does it while the others wait at their next step.

    Returns:
        Whether a checkpoint was written.
    """
    epoch, into_epoch = divmod(state.step, run.steps_per_epoch)
    completed = not into_epoch and (epoch % run.recipe.evaluate_every == 0 or epoch == run.recipe.epochs)
    due = completed or state.step == run.last_step or state.step % run.settings.save_every == 0
    if not run.world.is_first:
        return False
    try:
        if completed:
            evaluate(run, state, log, epoch - 1)
    finally:  # whatever becomes of the evaluation, the training up to here is kept
        if due:
            save(run, state)
    if run.settings.draw and (completed or state.step == run.last_step):
        plot_log(run.folder / "log.jsonl", run.folder / "losses.png")
    return due


def save(run: Run, state: TrainingState) -> None:
    """Write a checkpoint."""
    keep, conditions = run.settings.keep, run.conditions
    save_checkpoint(run.folder, state, run.recipe, run.steps_per_epoch, keep=keep, conditions=conditions)


def evaluate(run: Run, state: TrainingState, log: Log, epoch: int) -> None:
    """Log what the averaged network can do, and keep it if it is the best so far."""
    if run.evaluate is None:
        return
    with state.average.applied(), torch.no_grad():
        numbers = dict(run.evaluate(state.method.deployable().eval()))
    state.method.train()
    log.write({"step": state.step, "epoch": epoch, "evaluation": numbers})
    headline = next(iter(numbers.values()))
    if state.best is None or headline > state.best:
        state.best = headline
        save_average(state, run.recipe, run.folder / "best.safetensors")


def progress_bar(run: Run, state: TrainingState) -> "tqdm[Never]":
    """A bar over the steps of the run, on terminals only and silent in all processes but the first."""
    hidden = None if run.settings.progress and run.world.is_first else True
    return tqdm(total=run.last_step, initial=state.step, desc=run.recipe.name, unit="step", disable=hidden)
