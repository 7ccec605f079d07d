"""Where blocking work leaves the event loop: a fixed number of threads and a bounded queue before them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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

    async def run(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, called in a thread.

        Raises:
            Overloaded: more than `max_queue` calls are waiting already.
        """
        if self._running >= self._most:
            raise Overloaded(self._running)
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._running -= 1

    def close(self) -> None:
        """Wait for what runs, drop what waits."""
        self._threads.shutdown(wait=True, cancel_futures=True)
