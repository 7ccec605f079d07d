"""Processes that a Ray cluster starts, and starts again where one is lost, instead of torchrun."""

import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

from pose_core.errors import InvalidInput, PoseError
from training.distributed import PATIENCE

RESTARTS: Final = 3
"""How often all processes are started again after one of them failed; nodes that announce their end are not counted."""

CONNECT_S: Final = 10.0
"""How long a cluster may take to answer at all."""


class TrainingFailed(PoseError):
    """The processes failed more often than they may; says why the last time."""


def train_on_ray(address: str, workers: int | None, device: str, storage: Path, work: Callable[[], None]) -> None:
    """Have every process of a TorchTrainer do `work`, which goes on from the newest checkpoint by itself.

    Ray sets the variables that torchrun sets, and joins the processes to a group.

    Args:
        address: of the cluster: `host:port`, `auto`, or `local` for one of this machine alone.
        workers: how many processes; None for one per GPU, or one where there is none.
        device: what `work` computes on; each process reserves a GPU unless it is `cpu` or there is none.
        storage: folder on storage that all nodes share, for Ray's own notes.
        work: done in the folder that this process is in, which all nodes share, too.

    Raises:
        InvalidInput: Ray is not installed, there is no such cluster, or it is too small.
        TrainingFailed: a process failed too often.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told about the run
    try:
        import ray  # noqa: PLC0415 - of an extra
        from ray import train  # noqa: PLC0415
        from ray.train.torch import TorchConfig, TorchTrainer  # noqa: PLC0415
    except ImportError as error:
        raise InvalidInput("needs Ray: install skelmap[ray]", field="ray") from error
    with connected(ray, address):
        gpus = int(ray.cluster_resources().get("GPU", 0)) if device != "cpu" else 0
        trainer = TorchTrainer(
            in_folder(Path.cwd(), work),
            torch_config=TorchConfig(timeout_s=int(PATIENCE.total_seconds())),
            scaling_config=train.ScalingConfig(num_workers=workers or gpus or 1, use_gpu=gpus > 0),
            run_config=train.RunConfig(
                storage_path=str(storage), failure_config=train.FailureConfig(max_failures=RESTARTS)
            ),
        )
        try:
            trainer.fit()
        except train.TrainingFailedError as error:
            raise TrainingFailed(last_line(error)) from error


def in_folder(folder: Path, work: Callable[[], None]) -> Callable[[], None]:
    """`work`, done with `folder` as the current one."""

    def do() -> None:
        os.chdir(folder)
        work()

    return do


def last_line(error: Exception) -> str:
    """What a traceback ends with."""
    return next((line for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


@contextmanager
def connected(ray: ModuleType, address: str) -> Iterator[None]:
    """Be a driver of a cluster.

    Raises:
        InvalidInput: there is none.
    """
    require_listener(address)
    new = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, logging_level=logging.WARNING, **new)
    except (ConnectionError, ValueError) as error:
        raise InvalidInput(f"no cluster at {address!r}: {str(error).splitlines()[0]}", field="ray") from error
    try:
        yield
    finally:
        ray.shutdown()


def require_listener(address: str) -> None:
    """Make sure that somebody listens at `host:port`; Ray itself would wait for minutes.

    Raises:
        InvalidInput: nobody does.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        return  # a word that Ray knows, or does not
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise InvalidInput(f"no cluster at {address!r}: {error}", field="ray") from error
