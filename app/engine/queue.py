"""Who shares the next run of a network: a queue of rows that is fair between requests.

Requests take turns, one row each, so that a request with one person is in the next batch although a request with
twenty came before it. Rows of one request keep their order and go into as many batches as they need.
"""

from collections import deque
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from app.engine.errors import DeadlineExceeded
from pose_core.steps import Outputs, join

NOTHING: Final = np.empty((0, 3, 1, 1), np.float32)


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a job.

    Attributes:
        outputs: of all its rows, in their order.
        queue_s: how long its rows waited.
        run_s: how long the runs took in which its rows were.
    """

    outputs: Outputs
    queue_s: float
    run_s: float


@dataclass(eq=False, slots=True, weakref_slot=True)
class Job:
    """The rows that one request wants through one network.

    Attributes:
        rows: one after the other.
        arrived: when it was put into the queue, in seconds of the lane's clock.
        deadline: when it is worth nothing any more, likewise.
        future: its outcome; cancelled by a request that gives up.
        taken: how many rows have been handed out.
        parts: outputs of the rows that have been answered.
        run_s: time of the runs so far.
        count: how many rows there are; the rows themselves go when the job is done, because they are large.
    """

    rows: Float32[np.ndarray, "rows 3 height width"]
    arrived: float
    deadline: float
    future: Future[Answered] = field(default_factory=Future)
    taken: int = 0
    parts: list[Outputs] = field(default_factory=list)
    run_s: float = 0.0
    count: int = field(init=False)

    def __post_init__(self) -> None:
        self.count = len(self.rows)

    @property
    def left(self) -> int:
        """Rows that have not been handed out."""
        return self.count - self.taken

    def add(self, outputs: Outputs, run_s: float, now: float) -> None:
        """The outputs of the next rows; with the last ones the job is done."""
        self.parts.append(outputs)
        self.run_s += run_s
        if sum(len(next(iter(part.values()))) for part in self.parts) == self.count:
            answered = Answered(join(self.parts), max(0.0, now - self.arrived - self.run_s), self.run_s)
            self._let_go()
            with suppress(InvalidStateError):  # cancelled at this moment
                self.future.set_result(answered)

    def fail(self, error: Exception) -> None:
        """One of its rows cannot be answered, so it cannot."""
        self._let_go()
        with suppress(InvalidStateError):  # failed, or cancelled, before
            self.future.set_exception(error)

    def _let_go(self) -> None:
        self.rows = NOTHING
        self.parts.clear()


class Share(NamedTuple):
    """Consecutive rows of a job that are run together: from start up to, but without, stop."""

    job: Job
    start: int
    stop: int


class FairQueue:
    """Jobs whose rows wait; not safe for threads by itself.

    Attributes:
        items: rows that wait.
    """

    def __init__(self) -> None:
        self.items = 0
        self._jobs: deque[Job] = deque()

    def put(self, job: Job) -> None:
        """Let a job wait."""
        self._jobs.append(job)
        self.items += job.left

    def discard(self, job: Job) -> None:
        """Forget a job that nobody waits for; nothing where it does not wait here."""
        with suppress(ValueError):
            self._jobs.remove(job)
            self.items -= job.left

    def take(self, most: int, now: float) -> list[Share]:
        """The next rows to be run together, at most so many.

        Jobs that nobody waits for are dropped here, those whose deadline is over fail.
        """
        rows: dict[Job, int] = {}
        room = most
        while room and self._jobs:
            job = self._jobs.popleft()
            if job.future.done():
                self.items -= job.left
                continue
            if job.deadline <= now:
                self.items -= job.left
                job.fail(DeadlineExceeded("its time was over before a network was free"))
                continue
            rows[job] = rows.get(job, 0) + 1
            job.taken += 1
            self.items -= 1
            room -= 1
            if job.left:
                self._jobs.append(job)
        return [Share(job, job.taken - taken, job.taken) for job, taken in rows.items()]

    def due_in(self, most: int, delay_s: float, now: float) -> float | None:
        """Seconds after which the next rows should be taken, so that more can join them; None where none wait."""
        if not self._jobs:
            return None
        if self.items >= most or not delay_s:
            return 0.0
        return max(0.0, min(job.arrived for job in self._jobs) + delay_s - now)

    def clear(self, error: Exception) -> None:
        """Fail everything that waits."""
        while self._jobs:
            self._jobs.popleft().fail(error)
        self.items = 0


def count(shares: list[Share]) -> int:
    """How many rows they are."""
    return sum(stop - start for _, start, stop in shares)


def gather(shares: list[Share]) -> Float32[np.ndarray, "rows 3 height width"]:
    """The rows of all shares, one share after the other."""
    if len(shares) == 1:
        job, start, stop = shares[0]
        return job.rows[start:stop]
    return np.concatenate([job.rows[start:stop] for job, start, stop in shares])


def cut(shares: list[Share], most: int) -> list[list[Share]]:
    """The same rows in groups of at most so many."""
    groups: list[list[Share]] = []
    room = 0
    for job, start, stop in shares:
        while start < stop:
            if not room:
                groups.append([])
                room = most
            middle = min(stop, start + room)
            groups[-1].append(Share(job, start, middle))
            room -= middle - start
            start = middle  # noqa: PLW2901 - the rest of the share
    return groups
