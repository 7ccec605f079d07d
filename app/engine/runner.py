"""Batches of one network, and what to do about those that fail."""

import logging
import time
from collections.abc import Callable
from threading import Lock

from app.engine.errors import Unavailable
from app.engine.observe import BatchRun, Observe
from app.engine.queue import Share, count, cut, gather
from pose_core.errors import DeviceLost, DeviceUnavailable, ModelError, OutOfMemory, RunStopped
from pose_core.session import Stop
from pose_core.steps import Network, Outputs, fill_up

logger = logging.getLogger("skelmap")


class Runner:
    """Runs a network and brings every row its answer or its error.

    A batch that fails is run again row by row, so that only what fails by itself is lost. For want of memory batches
    are halved, for good.

    Attributes:
        name: of the network.
        sizes: batch sizes that are run, ascending.
        busy_since: when the run in progress began, in seconds of the clock; None between runs.
    """

    def __init__(
        self,
        name: str,
        network: Network,
        max_size: int,
        *,
        suspect: Callable[[Exception], None],
        lost: Callable[[ModelError], None],
        observe: Observe,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        accepted = network.batch_sizes
        self.name = name
        self.sizes = tuple(size for size in accepted if size <= max_size) or accepted[:1]
        self.busy_since: float | None = None
        self._network = network
        self._suspect = suspect
        self._lost = lost
        self._observe = observe
        self._clock = clock
        self._lock = Lock()
        self._running: list[Share] = []
        self._stop: Stop | None = None

    def warm_up(self) -> None:
        """Run every batch size once, and keep to those that work.

        Raises:
            ModelError: not even the smallest one works.
        """
        working: list[int] = []
        for size in self.sizes:
            try:
                self.probe(size)
            except (DeviceLost, DeviceUnavailable):
                raise
            except ModelError as error:
                if not working:
                    raise
                logger.warning("%s: batches of %d and more do not work: %s", self.name, size, error)
                break
            working.append(size)
        self.sizes = tuple(working)

    def probe(self, size: int) -> None:
        """Run a batch of nothing.

        Raises:
            ModelError: that does not work.
        """
        _check_length(self.name, self._network.run(self._network.blank(size)), size)

    def stop_if_unwanted(self) -> None:
        """End the run in progress where nobody waits for it any more."""
        with self._lock:
            if self._stop and all(share.job.future.cancelled() for share in self._running):
                self._stop()

    def answer(self, shares: list[Share]) -> None:
        """Run rows, in as many batches as they need."""
        wanted = [share for share in shares if not share.job.future.done()]
        for part in cut(wanted, self.sizes[-1]):
            if count(part) > self.sizes[-1]:  # batches became smaller while the parts before were run
                self.answer(part)
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
            self._lost(error)
            fail(shares, Unavailable(f"{self.name} cannot be used any more"), error)
        elif isinstance(error, RunStopped):
            fail(shares, error, error)
        elif isinstance(error, OutOfMemory):
            self._make_smaller(shares, error)
        elif count(shares) == 1:
            self._suspect(error)
            fail(shares, error, error)
        else:
            self._suspect(error)
            for row in cut(shares, 1):
                self.answer(row)

    def _run(self, shares: list[Share]) -> tuple[Outputs, float]:
        items = count(shares)
        size = next(size for size in self.sizes if size >= items)
        batch = fill_up(gather(shares), size)
        with self._lock:
            self._running, self._stop, self.busy_since = shares, Stop(), self._clock()
        started, failed = self.busy_since, True
        try:
            outputs = self._network.run(batch, self._stop)
            _check_length(self.name, outputs, size)
            failed = False
        finally:
            with self._lock:
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
            self.answer(shares)
        else:
            self._suspect(error)
            fail(shares, Unavailable(f"there is no memory for {self.name} now"), error)


def fail(shares: list[Share], error: Exception, cause: Exception) -> None:
    """Tell everybody in a batch what went wrong."""
    if error is not cause:
        error.__cause__ = cause
    for share in shares:
        share.job.fail(error)


def _check_length(name: str, outputs: Outputs, size: int) -> None:
    if any(len(output) != size for output in outputs.values()):
        lengths = sorted({len(output) for output in outputs.values()})
        raise ModelError(f"{name} answered {', '.join(map(str, lengths))} rows to a batch of {size}")
