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
from app.engine.observe import BatchRun, Observe
from app.engine.queue import Answered, FairQueue, Job, Share, count, cut, gather
from app.engine.readiness import Readiness
from app.engine.threads import make_way
from pose_core.errors import DeviceLost, DeviceUnavailable, ModelError, OutOfMemory, RunStopped
from pose_core.session import Stop
from pose_core.steps import Network, Outputs, fill_up

logger = logging.getLogger("skelmap")

PROBE_EVERY_S: Final = 1.0
"""How often a network that failed is tried with a batch of nothing."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How rows become batches.

    Attributes:
        max_size: largest batch.
        max_delay_s: how long rows wait for others to join them; 0 takes what is there.
        niceness: of the thread.
    """

    max_size: int = 16
    max_delay_s: float = 0.0
    niceness: int = 0


class Lane:
    """Runs a network; rows that wait share its runs.

    A batch that fails is run again row by row, so that only what fails by itself is lost. For want of memory batches
    are halved, for good. After a failure the lane is not ready until the network has answered a batch of nothing.

    Attributes:
        name: of the network.
        sizes: batch sizes that are run, ascending.
        busy_since: when the run in progress began, in seconds of the clock; None between runs.
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
        accepted = network.batch_sizes
        self.name = name
        self.sizes = tuple(size for size in accepted if size <= batching.max_size) or accepted[:1]
        self.busy_since: float | None = None
        self._network = network
        self._batching = batching
        self._readiness = readiness
        self._observe = observe
        self._clock = clock
        self._queue = FairQueue()
        self._changed = Condition()
        self._running: list[Share] = []
        self._stop: Stop | None = None
        self._probe_at: float | None = None
        self._closed = False
        self._dead: Exception | None = None
        self._thread = Thread(target=self._work, name=f"lane {name}", daemon=True)

    def warm_up(self) -> None:
        """Run every batch size once, and keep to those that work.

        Raises:
            ModelError: not even the smallest one works.
        """
        working: list[int] = []
        for size in self.sizes:
            try:
                _check_length(self.name, self._network.run(self._network.blank(size)), size)
            except (DeviceLost, DeviceUnavailable):
                raise
            except ModelError as error:
                if not working:
                    raise
                logger.warning("%s: batches of %d and more do not work: %s", self.name, size, error)
                break
            working.append(size)
        self.sizes = tuple(working)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def close(self) -> None:
        """Take nothing more, finish what waits, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, but not for ever."""
        self._thread.join(timeout_s)

    @property
    def waiting(self) -> int:
        """Rows that wait."""
        return self._queue.items

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
            if self._stop and all(share.job.future.cancelled() for share in self._running):
                self._stop()

    def _work(self) -> None:
        make_way(self._batching.niceness)
        shares: list[Share] | None = []
        try:
            while (shares := self._next()) is not None:
                self._answer(shares)
                shares = []  # not to keep them until there is something to do
                if self._probe_at is not None:
                    self._probe()
        except Exception as error:
            logger.exception("lane %s died", self.name)
            self._die(ModelError(f"{self.name} died: {error!r}"))
            _fail(shares or [], Unavailable(f"{self.name} cannot be used any more"), error)

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

    def _answer(self, shares: list[Share]) -> None:
        wanted = [share for share in shares if not share.job.future.done()]
        for part in cut(wanted, self.sizes[-1]):
            if count(part) > self.sizes[-1]:  # batches became smaller while the parts before were run
                self._answer(part)
            else:
                self._answer_batch(part)

    def _answer_batch(self, shares: list[Share]) -> None:
        try:
            outputs, seconds = self._run(shares)
        except Exception as error:  # noqa: BLE001 - whatever a network raises fails its rows, not the lane
            failure = error
        else:
            self._deliver(shares, outputs, seconds)
            return
        self._recover(shares, failure)  # not above, where further errors would hold this one and its rows

    def _recover(self, shares: list[Share], error: Exception) -> None:
        """Fail what cannot be answered, and run the rest again."""
        if not isinstance(error, ModelError):
            logger.error("%s failed", self.name, exc_info=error)
        error.__traceback__ = None  # its frames hold the rows
        if isinstance(error, DeviceLost | DeviceUnavailable):
            self._die(error)
            _fail(shares, Unavailable(f"{self.name} cannot be used any more"), error)
        elif isinstance(error, RunStopped):
            _fail(shares, error, error)
        elif isinstance(error, OutOfMemory):
            self._make_smaller(shares, error)
        elif count(shares) == 1:
            self._suspect(error)
            _fail(shares, error, error)
        else:
            self._suspect(error)
            for row in cut(shares, 1):
                self._answer(row)

    def _run(self, shares: list[Share]) -> tuple[Outputs, float]:
        items = count(shares)
        size = next(size for size in self.sizes if size >= items)
        batch = fill_up(gather(shares), size)
        with self._changed:
            self._running, self._stop, self.busy_since = shares, Stop(), self._clock()
        started, failed = self.busy_since, True
        try:
            outputs = self._network.run(batch, self._stop)
            _check_length(self.name, outputs, size)
            failed = False
        finally:
            with self._changed:
                self._running, self._stop, self.busy_since = [], None, None
            seconds = self._clock() - started
            self._observe.batch(BatchRun(self.name, items, size, len(shares), seconds, failed))
        return outputs, seconds

    def _deliver(self, shares: list[Share], outputs: Outputs, seconds: float) -> None:
        now, position = self._clock(), 0
        for job, start, stop in shares:
            end = position + stop - start
            job.add({name: output[position:end] for name, output in outputs.items()}, seconds, now)
            position = end

    def _make_smaller(self, shares: list[Share], error: OutOfMemory) -> None:
        """Half the batch, for good, or no answer where that is not possible."""
        halved = tuple(size for size in self.sizes if size <= self.sizes[-1] // 2)
        if halved:
            logger.warning(
                "%s: no memory for batches of %d, from now on at most %d", self.name, self.sizes[-1], halved[-1]
            )
            self.sizes = halved
            self._answer(shares)
        else:
            self._suspect(error)
            _fail(shares, Unavailable(f"there is no memory for {self.name} now"), error)

    def _suspect(self, error: Exception) -> None:
        self._probe_at = self._clock()
        self._readiness.report(f"lane {self.name}", f"{self.name} failed: {error}")

    def _probe(self) -> None:
        try:
            size = self.sizes[0]
            outputs = self._network.run(self._network.blank(size))
            _check_length(self.name, outputs, size)
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
            self._dead, self._probe_at = error, None
            self._queue.clear(Unavailable(f"{self.name} cannot be used any more"))
            self._tell_queue()
        self._readiness.give_up(f"lane {self.name}", error)

    def _tell_queue(self) -> None:
        self._observe.queued(self.name, self._queue.items)


def _fail(shares: list[Share], error: Exception, cause: Exception) -> None:
    if error is not cause:
        error.__cause__ = cause
    for share in shares:
        share.job.fail(error)


def _check_length(name: str, outputs: Outputs, size: int) -> None:
    if any(len(output) != size for output in outputs.values()):
        lengths = sorted({len(output) for output in outputs.values()})
        raise ModelError(f"{name} answered {', '.join(map(str, lengths))} rows to a batch of {size}")
