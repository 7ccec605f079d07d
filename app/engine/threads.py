"""Threads that compute: they make way for the event loop, and none of them keeps the process from ending."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError as TakenBack
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import Final, TypeVar
from weakref import WeakSet

from app.engine.errors import Unavailable

Result = TypeVar("Result")

LOWEST: Final = 19


def make_way(niceness: int) -> None:
    """Let other threads of the process go first when there are more than cores; so will threads started from here.

    Only Linux has a niceness per thread.
    """
    if niceness and sys.platform == "linux":
        of_main_thread = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(of_main_thread + niceness, LOWEST))


async def outcome(future: Future[Result]) -> Result:
    """The result of what a thread does; cancelling takes it back, unless the thread has begun.

    Unlike `asyncio.wrap_future` it leaves no cycle of references behind, which would keep photos and tensors in memory
    until the garbage collector looks for cycles.

    Raises:
        Unavailable: somebody else took it back.
    """
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def tell(_: Future[Result]) -> None:
        with suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(_wake, done)

    future.add_done_callback(tell)
    try:
        await done
        return future.result()
    except asyncio.CancelledError:
        future.cancel()
        raise
    except TakenBack as error:
        raise Unavailable("the server is shutting down") from error
    finally:
        del future


def _wake(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)


class Threads:
    """The threads of one engine that may be inside a network for long."""

    def __init__(self, niceness: int) -> None:
        self._niceness = niceness
        self._all: WeakSet[Thread] = WeakSet()

    def start(self, work: Callable[[], None], name: str) -> Thread:
        """A thread that makes way for others, and does not keep the process from ending."""

        def run() -> None:
            make_way(self._niceness)
            work()

        thread = Thread(target=run, name=name, daemon=True)
        self._all.add(thread)
        thread.start()
        return thread

    async def aside(self, function: Callable[[], Result]) -> Result:
        """The result of a function that may take long, called in a thread of its own."""
        future: Future[Result] = Future()

        def work() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                    future.set_exception(error)

        self.start(work, "aside")
        return await outcome(future)

    def left_behind(self, patience_s: float) -> list[str]:
        """Names of those that have still not ended after this time.

        With one of them inside onnxruntime the interpreter must not be taken down: that aborts the process, or hangs.
        """
        until = time.monotonic() + patience_s
        threads = list(self._all)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return [thread.name for thread in threads if thread.is_alive()]
