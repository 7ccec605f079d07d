"""From steps to answers: the event loop hands each step to a thread and each network run to the network's lane."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from app.engine.admission import Admission, Room, Ticket
from app.engine.errors import ClientGone, DeadlineExceeded, Overloaded, Unavailable
from app.engine.failures import why_failed
from app.engine.lane import Lane
from app.engine.lanes import Lanes
from app.engine.limits import Limits
from app.engine.observe import Observe
from app.engine.readiness import Readiness
from app.engine.threads import Threads, make_way, outcome
from pose_core.errors import ModelError
from pose_core.steps import NetworkRun, Outputs, Steps, run_in_batches, without_networks
from pose_core.timing import Timer

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Finished(Generic[Result]):
    """The last step is done."""

    result: Result


async def never() -> None:
    """A client that never leaves."""
    await asyncio.Event().wait()


class Engine:
    """Takes the steps of many requests at a time; only lanes are shared between them.

    Attributes:
        readiness: why the server should not be asked.
        threads: in which networks are loaded and run.
        lanes: the networks.
        admission: who is in.
    """

    def __init__(self, limits: Limits, observe: Observe = Observe()) -> None:  # noqa: B008 - frozen
        self.readiness = Readiness(observe.ready)
        self.threads = Threads(limits.niceness)
        self.lanes = Lanes(limits, self.threads, self.readiness, observe)
        self.admission = Admission(Room(limits.active + limits.queue, limits.items), observe.requests)
        self._limits = limits
        self._observe = observe
        self._workers = ThreadPoolExecutor(limits.workers, "skelmap", make_way, (limits.niceness,))
        self._turns = asyncio.Semaphore(limits.active)

    def why_not_ready(self) -> list[str]:
        """Reasons against asking this server; empty when it is ready."""
        return [*self.readiness.reasons, *self.lanes.stuck()]

    def check(self, timeout_s: float | None = None) -> None:
        """Nothing, where a request that arrives now would be let in.

        Raises:
            Overloaded: it would not.
        """
        self._let_in(self.admission.check, timeout_s)

    async def call(
        self,
        function: Callable[[], Result],
        *,
        timeout_s: float | None = None,
        gone: Callable[[], Awaitable[None]] = never,
    ) -> Result:
        """The result of a function that needs no network, called in a thread; see `run`."""
        return await self.run(without_networks(function)(), Timer(), timeout_s=timeout_s, gone=gone, items=0)

    async def run(
        self,
        steps: Steps[Result],
        timer: Timer,
        *,
        prepare: Callable[[], object] | None = None,
        timeout_s: float | None = None,
        gone: Callable[[], Awaitable[None]] = never,
        items: float | None = None,
    ) -> Result:
        """The result of the steps.

        Args:
            steps: taken one after the other, each in some thread.
            timer: gets the time of each network run and, as `queue`, of all waiting.
            prepare: called before the first step, in a thread of its own because it takes long.
            timeout_s: how long it may take, if that is less than the engine allows.
            gone: returns when nobody waits for the result any more.
            items: how many rows the networks will see; None where that is not known.

        Raises:
            Overloaded: refused at once.
            DeadlineExceeded: not done in time.
            ClientGone: `gone` returned first.
            Unavailable: a network cannot be used now.
            PoseError: see the steps.
        """
        allowed_s = min(timeout_s or self._limits.timeout_s, self._limits.timeout_s)
        ticket = self._let_in(lambda timeout_s: self.admission.enter(timeout_s, items), allowed_s)
        deadline = time.monotonic() + allowed_s
        work = asyncio.create_task(self._work(steps, timer, ticket, deadline, prepare))
        work.add_done_callback(lambda done: self._leave(ticket, done))
        try:
            result = await _first_of(work, gone, allowed_s)
        except Exception as error:
            if (reason := why_failed(error)) is not None:
                self._observe.failed(reason)
            raise
        finally:
            del work  # an error would hold it, and it the error and the photo
        self._observe.finished(timer.seconds)
        return result

    def _let_in(self, ask: Callable[[float], Result], timeout_s: float | None) -> Result:
        try:
            return ask(timeout_s or self._limits.timeout_s)
        except Overloaded as error:
            self._observe.rejected(error.reason)
            raise

    def _leave(self, ticket: Ticket, work: "asyncio.Task[Result]") -> None:
        if not work.cancelled():
            work.exception()  # whoever asked may be gone
        self.admission.leave(ticket)

    async def _work(
        self,
        steps: Steps[Result],
        timer: Timer,
        ticket: Ticket,
        deadline: float,
        prepare: Callable[[], object] | None,
    ) -> Result:
        if prepare is not None:
            await self.threads.aside(prepare)
        asked = time.monotonic()
        async with self._turns:
            timer.add("queue", time.monotonic() - asked)
            lane: Lane | None = None
            outputs: Outputs | None = None
            while True:
                try:
                    step = await self._compute(partial(_advance, steps, outputs))
                except ModelError as error:  # a network answered what makes no sense
                    if lane is not None:
                        lane.suspect(error)
                    raise
                if isinstance(step, Finished):
                    ticket.served = True
                    result: Result = step.result
                    return result
                ticket.found(len(step.rows))
                lane = self.lanes.of(step.network)
                outputs = await self._run(lane, step, timer, deadline)

    async def _run(self, lane: Lane | None, step: NetworkRun, timer: Timer, deadline: float) -> Outputs:
        if lane is None:  # its network has been dropped meanwhile
            with timer(step.stage):
                return await self._compute(lambda: run_in_batches(step.network, step.rows))
        answered = await outcome(lane.submit(step.rows, deadline))
        timer.add(step.stage, answered.run_s)
        timer.add("queue", answered.queue_s)
        return answered.outputs

    async def _compute(self, function: Callable[[], Result]) -> Result:
        """The result of a function, called in one of the threads; cancelled only when that thread is free again."""
        loop, free = asyncio.get_running_loop(), asyncio.Event()
        try:
            future = self._workers.submit(function)
        except RuntimeError as error:
            raise Unavailable("the server is shutting down") from error
        try:
            return await outcome(future)
        except asyncio.CancelledError:
            future.add_done_callback(lambda _: loop.call_soon_threadsafe(free.set))
            await free.wait()
            raise
        finally:
            del future  # see `outcome`

    def close(self) -> None:
        """Let nobody in any more, finish what the lanes hold, and end all threads that end by themselves."""
        self.admission.draining = True
        self.lanes.close_all()
        self._workers.shutdown(wait=True, cancel_futures=True)


def _advance(steps: Steps[Result], answer: Outputs | None) -> NetworkRun | Finished[Result]:
    """Take one step, in a thread."""
    try:
        return next(steps) if answer is None else steps.send(answer)
    except StopIteration as finished:
        return Finished(finished.value)
    except (SystemExit, KeyboardInterrupt) as error:  # on the event loop they would end the server
        raise RuntimeError(f"a step tried to end the process: {error!r}") from error


async def _first_of(work: "asyncio.Task[Result]", gone: Callable[[], Awaitable[None]], timeout_s: float) -> Result:
    """The result of the work, unless its time is over or its client leaves before it is done."""
    watch = asyncio.ensure_future(gone())
    try:
        await asyncio.wait({work, watch}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if watch.done():
            raise ClientGone("the client left before its answer was there")
        raise DeadlineExceeded(f"no answer within {timeout_s:g} s")
    finally:
        watch.cancel()
        work.cancel()
        del work
