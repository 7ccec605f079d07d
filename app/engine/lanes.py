"""The lanes of all networks in memory."""

import time
from threading import Lock
from typing import Final

from app.engine.lane import Batching, Lane
from app.engine.limits import Limits
from app.engine.observe import ModelLoaded, Observe
from app.engine.readiness import Readiness
from app.engine.threads import Threads
from pose_core.session import CUDA, Session
from pose_core.steps import Network

CPU_BATCH: Final = 4
CUDA_BATCH: Final = 16
"""Largest batches unless told otherwise: a CPU gains little from larger ones, and everybody in them waits longer."""

END_S: Final = 1.0
"""How long the end waits for a thread; one whose network does not come back is left behind."""


class Lanes:
    """Opens and closes lanes; safe for threads."""

    def __init__(self, limits: Limits, threads: Threads, readiness: Readiness, observe: Observe) -> None:
        self._limits = limits
        self._threads = threads
        self._readiness = readiness
        self._observe = observe
        self._lanes: dict[int, Lane] = {}
        self._lock = Lock()
        self._closed = False

    def open(self, session: Session, since: float) -> None:
        """Warm up a network that was loaded from the monotonic time `since` on, and run it in a lane from now on.

        Raises:
            ModelError: it does not work.
        """
        size = self._limits.batch_size or (CUDA_BATCH if session.provider == CUDA else CPU_BATCH)
        batching = Batching(size, self._limits.batch_delay_s)
        lane = Lane(session.path.stem, session, batching, readiness=self._readiness, observe=self._observe)
        lane.warm_up()
        with self._lock:
            if self._closed:
                return
            self._lanes[id(session)] = lane
            lane.start(self._threads)
        seconds = time.monotonic() - since
        self._observe.loaded(ModelLoaded(lane.name, session.sha256, session.provider, seconds))

    def close(self, session: Session) -> None:
        """A network is no longer kept; requests that still hold it run it without a lane."""
        with self._lock:
            lane = self._lanes.pop(id(session), None)
        if lane is not None:
            lane.close()

    def of(self, network: Network) -> Lane | None:
        """The lane of a network; None where it is no longer kept."""
        return self._lanes.get(id(network))

    def stuck(self) -> list[str]:
        """What to say about networks that have been running longer than any request waits."""
        now = time.monotonic()
        return [
            f"{lane.name} has been running one batch for {now - since:.0f} s"
            for lane in list(self._lanes.values())
            if (since := lane.busy_since) is not None and now - since > self._limits.timeout_s
        ]

    def close_all(self) -> None:
        """Finish what waits, end the threads, and open no more."""
        with self._lock:
            self._closed = True
            lanes, self._lanes = [*self._lanes.values()], {}
        for lane in lanes:
            lane.close()
        for lane in lanes:
            lane.join(END_S)
