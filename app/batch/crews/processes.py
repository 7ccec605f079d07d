"""Workers as processes of this machine."""

import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Final

from app.batch.crews.crew import Event, Seen
from app.batch.job import Job
from app.batch.plan import Shard
from app.batch.worker import Done, Failed, Outcome, Worker

SPAWN: Final = get_context("spawn")
"""Fresh interpreters: onnxruntime's threads and CUDA do not survive a fork."""


@dataclass(frozen=True, slots=True)
class Member:
    """A process and this end of the pipe to it."""

    process: SpawnProcess
    pipe: Connection


class Processes:
    """At most `size` processes, started when there is something to do for them."""

    def __init__(self, job: Job, dest: Path, size: int) -> None:
        self._job = job
        self._dest = dest
        self._size = size
        self._idle: list[Member] = []
        self._busy: dict[Connection, tuple[Member, Shard]] = {}

    def has_room(self) -> bool:
        """Whether fewer than `size` are busy."""
        return len(self._busy) < self._size

    def give(self, shard: Shard) -> None:
        """To a free process, or a new one."""
        member = self._idle.pop() if self._idle else self._start()
        self._busy[member.pipe] = member, shard
        try:
            member.pipe.send(shard)
        except OSError:  # it has just died; `wait` finds its end of the pipe closed
            return

    def wait(self) -> Sequence[Event]:
        """Messages of the processes that have sent one; a closed pipe is a process that is lost."""
        ready = connection.wait(list(self._busy))
        return [self._listen(pipe) for pipe in ready if isinstance(pipe, Connection)]

    def dismiss_idle(self) -> None:
        """End those that are free."""
        while self._idle:
            _end(self._idle.pop())

    def close(self) -> None:
        """End all of them, also in the middle of a shard."""
        self.dismiss_idle()
        for member, _ in self._busy.values():
            _end(member)
        self._busy.clear()

    @property
    def process_ids(self) -> list[int]:
        """The processes that are busy."""
        return [member.process.pid for member, _ in self._busy.values() if member.process.pid]

    def _start(self) -> Member:
        ours, theirs = SPAWN.Pipe()
        process = SPAWN.Process(target=serve, args=(theirs, self._job, self._dest), daemon=True)
        process.start()
        theirs.close()  # so that the pipe closes when the process ends
        return Member(process, ours)

    def _listen(self, pipe: Connection) -> Event:
        member, shard = self._busy[pipe]
        try:
            event: Seen | Outcome = pipe.recv()
        except (EOFError, OSError):
            member.process.join()
            event = Failed(f"its process ended with {describe(member.process.exitcode)}")
        if not isinstance(event, Seen):
            del self._busy[pipe]
            if isinstance(event, Done):
                self._idle.append(member)
            else:
                _end(member)
        return shard, event


def _end(member: Member) -> None:
    member.pipe.close()
    member.process.kill()
    member.process.join()


def describe(code: int | None) -> str:
    """An exit code, or the name of the signal that it stands for."""
    return signal.Signals(-code).name if code and code < 0 else f"exit code {code}"


def serve(pipe: Connection, job: Job, dest: Path) -> None:
    """The life of a process: shard after shard, until it is ended or has lost the process that leads."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it, too, but it is the leader who ends it
    threading.Thread(target=_follow_leader, daemon=True).start()
    worker = Worker(job, dest)
    while True:
        shard = pipe.recv()
        pipe.send(worker.work(shard, lambda photos: pipe.send(Seen(photos))))


def _follow_leader() -> None:
    leader = parent_process()
    assert leader is not None  # it was spawned
    connection.wait([leader.sentinel])
    os._exit(1)
