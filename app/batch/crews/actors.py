"""Workers as actors of a Ray cluster.

Ray starts them where there is room, and tells when one is lost with its node; who gets which shard, and how often, is
decided by `crew`, as for processes.
"""

import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from app.batch.crews.crew import Event
from app.batch.job import Job
from app.batch.plan import Shard
from app.batch.worker import Done, Failed, Outcome, Worker
from pose_core.errors import InvalidInput

OBJECT_STORE_BYTES: Final = 128 * 2**20
"""Of a cluster that is started for the batch: names and counts are sent, photos are read where they are used."""

CONNECT_S: Final = 10.0
"""How long a cluster may take to answer at all."""


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Be a driver of a Ray cluster, whose actors end with it.

    Args:
        address: `host:port`, `auto` for the cluster that this machine belongs to, or `local` for one of this machine
            alone that ends with the batch.

    Raises:
        InvalidInput: Ray is not installed, or there is no such cluster.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told about the batch
    try:
        import ray  # noqa: PLC0415 - of an extra
    except ImportError as error:
        raise InvalidInput("needs Ray: install skelmap[ray]", field="--ray") from error
    require_listener(address)
    new = {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES} if address == "local" else {}
    try:
        ray.init(address=address, logging_level=logging.WARNING, **new)
    except (ConnectionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"no cluster at {address!r}: {reason}", field="--ray") from error
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
        raise InvalidInput(f"no cluster at {address!r}: {error}", field="--ray") from error


def room_for(cpus: float, gpus: float) -> int:
    """How many workers the cluster can hold now.

    Raises:
        InvalidInput: none.
    """
    import ray  # noqa: PLC0415

    have = ray.cluster_resources()
    share, kind = (gpus, "GPU") if gpus else (cpus, "CPU")
    room = int(have.get(kind, 0) / share)
    if not room:
        raise InvalidInput(
            f"the cluster has {have.get(kind, 0):g} {kind}s and a worker takes {share:g}; give a number of workers if "
            "it will grow",
            field="--workers",
        )
    return room


class Actors:
    """At most `size` actors; those for which there is no room yet wait for it, which tells a cluster to grow."""

    def __init__(self, job: Job, dest: Path, size: int, *, cpus: float, gpus: float) -> None:
        import ray  # noqa: PLC0415

        self._ray = ray
        self._start = ray.remote(num_cpus=cpus, num_gpus=gpus, max_restarts=0)(Worker).remote
        self._given = job, dest
        self._size = size
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, Shard]] = {}

    def has_room(self) -> bool:
        """Whether fewer than `size` have something to do."""
        return len(self._busy) < self._size

    def give(self, shard: Shard) -> None:
        """To a free actor, or a new one."""
        actor = self._idle.pop() if self._idle else self._start(*self._given)
        self._busy[actor.work.remote(shard)] = actor, shard

    def wait(self) -> Sequence[Event]:
        """The outcome of the first shard that has one."""
        (first,), _ = self._ray.wait(list(self._busy), num_returns=1)
        actor, shard = self._busy.pop(first)
        try:
            outcome: Outcome = self._ray.get(first)
        except self._ray.exceptions.RayError as error:
            outcome = Failed(f"its actor is lost: {' '.join(str(error).split())}")
        if isinstance(outcome, Done):
            self._idle.append(actor)
        else:
            self._ray.kill(actor)
        return [(shard, outcome)]

    def dismiss_idle(self) -> None:
        """End those that are free."""
        while self._idle:
            self._ray.kill(self._idle.pop())

    def close(self) -> None:
        """End all of them, also in the middle of a shard."""
        self.dismiss_idle()
        for actor, _ in self._busy.values():
            self._ray.kill(actor)
        self._busy.clear()
