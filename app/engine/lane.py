"""A network with the one thread that runs it, for the rows of many requests at a time."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Final
from weakref import ref

import numpy as np
from jaxtyping import Float32

from app.engine.errors import Unavailable
from app.engine.observe import Observe
from app.engine.queue import Answered, FairQueue, Job, Share
from app.engine.readiness import Readiness
from app.engine.runner import Runner, fail
from app.engine.threads import Threads
from pose_core.errors import DeviceLost, DeviceUnavailable, ModelError
from pose_core.steps import Network

logger = logging.getLogger("skelmap")

PROBE_EVERY_S: Final = 1.0
"""How often a network that failed is tried with a batch of nothing."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How rows become batches.

    Attributes:
        max_size: largest batch.
        max_delay_s: how long rows wait for others to join them; 0 takes what is there.
    """

    max_size: int = 16
    max_delay_s: float = 0.0


class Lane:
    """Runs a network; rows that wait share its runs.

    After a failure it is not ready until the network has answered a batch of nothing. A device that is lost, or a
    mistake of ours, ends it.

    Attributes:
        name: of the network.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        batching: Batching,
        *,
        readiness: Readiness,
        observe: Observe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._runner = Runner(
            name, network, batching.max_size, suspect=self._suspect, lost=self._die, observe=observe, clock=clock
        )
        self._batching = batching
        self._readiness = readiness
        self._observe = observe
        self._clock = clock
        self._queue = FairQueue()
        self._changed = Condition()
        self._probe_at: float | None = None
        self._closed = False
        self._dead = False
        self._thread: Thread | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Batch sizes that are run, ascending."""
        return self._runner.sizes

    @property
    def busy_since(self) -> float | None:
        """When the run in progress began, in seconds of the clock; None between runs."""
        return self._runner.busy_since

    @property
    def waiting(self) -> int:
        """Rows that wait."""
        return self._queue.items

    def warm_up(self) -> None:
        """Run every batch size once, and keep to those that work.

        Raises:
            ModelError: not even the smallest one works.
        """
        self._runner.warm_up()

    def start(self, threads: Threads) -> None:
        """Begin to work."""
        self._thread = threads.start(self._work, f"lane {self.name}")

    def close(self) -> None:
        """Take nothing more, finish what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, but not for ever."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def submit(self, rows: Float32[np.ndarray, "rows 3 height width"], deadline: float) -> Future[Answered]:
        """Let rows wait for their runs; cancelling the future takes them back.

        Args:
            rows: at least one.
            deadline: in seconds of the clock; rows that still wait then are not run.

        Raises:
            Unavailable: the lane takes nothing more.
        """
        job = Job(rows, self._clock(), deadline)
        with self._changed:
            if self._closed or self._dead:
                raise Unavailable(f"{self.name} cannot be used now")
            self._queue.put(job)
            self._tell_queue()
            self._changed.notify()
        known = ref(job)  # the future must not hold its job, which holds the rows, once the lane is done with it
        job.future.add_done_callback(lambda future: self._leave(future, known()))
        return job.future

    def suspect(self, error: Exception) -> None:
        """The network answered what makes no sense: not ready until it has answered a batch of nothing."""
        with self._changed:
            if not self._dead:
                self._suspect(error)
                self._changed.notify()

    def _leave(self, future: Future[Answered], job: Job | None) -> None:
        """Drop the rows of a request that gave up, and end the run in progress if nobody else waits for it."""
        if not future.cancelled() or job is None:
            return
        with self._changed:
            self._queue.discard(job)
            self._tell_queue()
        self._runner.stop_if_unwanted()

    def _work(self) -> None:
        shares: list[Share] | None = []
        try:
            while (shares := self._next()) is not None:
                self._runner.answer(shares)
                shares = []  # not to keep them until there is something to do
                if self._probe_at is not None:
                    self._probe()
        except Exception as error:
            logger.exception("lane %s died", self.name)
            self._die(ModelError(f"{self.name} died: {error!r}"))
            fail(shares or [], Unavailable(f"{self.name} cannot be used any more"), error)

    def _next(self) -> list[Share] | None:
        """What to run next, nothing when it is time for a probe; None at the end."""
        with self._changed:
            while not self._dead:
                now = self._clock()
                due_s = self._queue.due_in(self.sizes[-1], self._batching.max_delay_s, now)
                if due_s is None and self._closed:
                    break
                if due_s is not None and (due_s <= 0 or self._closed):
                    shares = self._queue.take(self.sizes[-1], now)
                    self._tell_queue()
                    if shares:
                        return shares
                    continue
                probe_s = None if self._probe_at is None else self._probe_at - now
                if probe_s is not None and probe_s <= 0:
                    return []
                waits_s = [seconds for seconds in (due_s, probe_s) if seconds is not None]
                self._changed.wait(min(waits_s, default=None))
        return None

    def _suspect(self, error: Exception) -> None:
        self._probe_at = self._clock()
        self._readiness.report(f"lane {self.name}", f"{self.name} failed: {error}")

    def _probe(self) -> None:
        try:
            self._runner.probe(self.sizes[0])
        except (DeviceLost, DeviceUnavailable) as error:
            self._die(error)
        except Exception as error:  # noqa: BLE001 - it is tried again
            self._readiness.report(f"lane {self.name}", f"{self.name} failed: {error}")
            self._probe_at = self._clock() + PROBE_EVERY_S
        else:
            self._probe_at = None
            self._readiness.report(f"lane {self.name}", None)

    def _die(self, error: ModelError) -> None:
        with self._changed:
            self._dead, self._probe_at = True, None
            self._queue.clear(Unavailable(f"{self.name} cannot be used any more"))
            self._tell_queue()
        self._readiness.give_up(f"lane {self.name}", error)

    def _tell_queue(self) -> None:
        self._observe.queued(self.name, self._queue.items)
