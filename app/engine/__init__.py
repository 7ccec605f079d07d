"""Where blocking work leaves the event loop: a fixed number of threads and a bounded queue before them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

Result = TypeVar("Result")


class Overloaded(Exception):
    """All threads are busy and the queue is full.

    Attributes:
        retry_after_s: when it is worth trying again.
    """

    def __init__(self, waiting: int, retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"{waiting} requests are waiting already, which is the most this server queues")


class Engine:
    """Runs functions in threads, refusing at once what would not fit into the queue."""

    def __init__(self, workers: int, max_queue: int) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="skelmap")
        self._most = workers + max_queue
        self._running = 0
        self._lock = Lock()

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, called in a thread.

        Raises:
            Overloaded: more than `max_queue` calls are waiting already.
        """
        with self._lock:
            if self._running >= self._most:
                raise Overloaded(self._running)
            self._running += 1
        future = self._threads.submit(work)
        future.add_done_callback(self._leave)  # when the thread is free, not when its caller has given up
        return await asyncio.wrap_future(future)

    def _leave(self, _future: Future[Result]) -> None:
        with self._lock:
            self._running -= 1

    def close(self) -> None:
        """Wait for what runs, drop what waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)
