"""What tests start as processes of its own: a run that dies, and one of several that train together.

python -m tests.training.worker kill METHOD FOLDER STEP
torchrun --nproc-per-node 2 -m tests.training.worker together METHOD FOLDER
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.training import tiny
from training.contracts import Batch
from training.distributed import join_world
from training.loop import train


class DeadlySource(tiny.TinySource):
    """Ends the process without any farewell before the batch of a step."""

    deadline: int = 0

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
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


def together(method: str, folder: Path) -> None:
    """Train as one of several processes and keep this one's weights."""
    with join_world("cpu") as world:
        state = train(tiny.make_run(folder, world=world), tiny.build_method(method))
        save_file(state.method.state_dict(), folder / f"rank-{world.rank}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    task, name, where, *rest = sys.argv[1:]
    if task == "kill":
        kill(name, Path(where), int(rest[0]))
    else:
        together(name, Path(where))
