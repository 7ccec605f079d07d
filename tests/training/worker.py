"""What tests start as processes of its own: a run that dies, and one of several that train together.

python -m tests.training.worker kill METHOD FOLDER STEP
torchrun --nproc-per-node 2 -m tests.training.worker together METHOD,METHOD FOLDER
"""

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import torch

from tests.training import tiny
from training.contracts import PoseBatch
from training.deployable import save_tensors
from training.distributed import World, join_world
from training.loop import train


class DeadlySource(tiny.TinySource):
    """Ends the process without any farewell before the batch of a step."""

    deadline: int = 0

    def epoch(self, epoch: int, start: int = 0) -> Iterator[PoseBatch]:
        """The batches of `TinySource` up to the deadline."""
        for into_epoch, batch in enumerate(super().epoch(epoch, start), start):
            if epoch * self.steps_per_epoch + into_epoch == self.deadline:
                os._exit(9)
            yield batch


def kill(method: str, folder: Path, step: int) -> None:
    """Train until the process ends."""
    source = DeadlySource()
    source.deadline = step
    train(tiny.make_run(folder, batches=source, save_every=7), tiny.build_method(method))


def together(methods: Sequence[str], folder: Path) -> None:
    """Train as one of several processes, method after method, and keep this one's weights."""
    with join_world("cpu", patience=timedelta(minutes=2)) as world:
        for method in methods:
            train_one(method, folder / method, world)


def train_one(method: str, folder: Path, world: World) -> None:
    """One run of all processes."""
    # gradients of a fresh head are so small that AdamW's first steps would magnify rounding
    student = tiny.build_teacher(seed=2, scale=tiny.SCALE)
    state = train(tiny.make_run(folder, world=world), tiny.build_method(method, student=student))
    save_tensors(state.method.state_dict(), folder / f"rank-{world.rank}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    task, name, where, *rest = sys.argv[1:]
    if task == "kill":
        kill(name, Path(where), int(rest[0]))
    else:
        together(name.split(","), Path(where))
