"""One process or several: what torchrun says, and the few things the loop must do differently then."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from pose_core.errors import DeviceUnavailable, UnknownChoice
from training.contracts import Method

PATIENCE = timedelta(hours=4)
"""How long the others wait for the first process, which alone evaluates and writes."""


class World(NamedTuple):
    """This process among all that train together: its number, their count and its device."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes, evaluates and talks."""
        return self.rank == 0


@contextmanager
def join_world(device: str, environ: Mapping[str, str] = os.environ, patience: timedelta = PATIENCE) -> Iterator[World]:
    """Meet the other processes that torchrun started, if it did, and leave them in the end.

    Where whoever started them has joined them to a group already, that group is used and left as it is.

    Args:
        device: `cpu`, `cuda`, `cuda:N` or `auto`, which is CUDA where there is a device. Of several processes on
            `cuda` each takes the device of its own number.
        environ: where torchrun leaves its numbers.
        patience: how long a process waits for the others before it gives up.

    Raises:
        UnknownChoice: see `choose_device`.
        DeviceUnavailable: likewise.
    """
    size, rank, local = (int(environ.get(name, default)) for name, default in WORLD_VARIABLES.items())
    chosen = choose_device(device, local if size > 1 else None)
    if size == 1:
        yield World(0, 1, chosen)
        return
    if distributed.is_initialized():
        yield World(rank, size, chosen)
        return
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=patience)
    try:
        yield World(rank, size, chosen)
    finally:
        distributed.destroy_process_group()


WORLD_VARIABLES = {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"}


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """The device of a name, see `join_world`; the current one for CUDA.

    Raises:
        UnknownChoice: no such name.
        DeviceUnavailable: CUDA was demanded and does not work here, or has no such device.
    """
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise UnknownChoice("device", name, ("auto", "cpu", "cuda", "cuda:N"))
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceUnavailable(f"device={name}: PyTorch {torch.__version__} finds no CUDA device here")
        device = torch.device("cuda", device.index if device.index is not None else local_rank or 0)
        if device.index >= torch.cuda.device_count():
            raise DeviceUnavailable(f"device={device}: there are {torch.cuda.device_count()} CUDA devices, from 0")
        torch.cuda.set_device(device)
    return device


def synchronise_norms(method: Method, world: World) -> Method:
    """Let batch norms see the batch of all processes, as the published runs do; CUDA only.

    On CPUs each process normalises with its own part of the batch, and the first one's statistics are kept.
    """
    if world.size == 1 or world.device.type != "cuda":
        return method
    converted: Method = nn.SyncBatchNorm.convert_sync_batchnorm(method)  # type: ignore[no-untyped-call] # torch's gap
    return converted


def share_gradients(method: Method, world: World) -> nn.Module:
    """What to call instead of the method so that every process gets the mean of all gradients."""
    if world.size == 1:
        return method
    devices = [world.device] if world.device.type == "cuda" else None
    return DistributedDataParallel(method, device_ids=devices)


def average_over(world: World, values: Tensor) -> Tensor:
    """The mean of `values` over all processes."""
    if world.size > 1:
        distributed.all_reduce(values)
    return values / world.size
