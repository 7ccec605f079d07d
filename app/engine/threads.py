"""Threads that compute: they make way for the event loop, and none of them keeps the process from ending."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeVar

Result = TypeVar("Result")

LOWEST: Final = 19


def make_way(niceness: int) -> None:
    """Let other threads of the process go first when there are more than cores; so will threads started from here.

    Only Linux has a niceness per thread.
    """
    if niceness and sys.platform == "linux":
        of_main_thread = os.getpriority(os.PRIO_PROCESS, os.getpid())
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(of_main_thread + niceness, LOWEST))


async def aside(function: Callable[[], Result], niceness: int) -> Result:
    """The result of a function that may take long, called in a thread of its own."""
    future: Future[Result] = Future()

    def work() -> None:
        if future.set_running_or_notify_cancel():
            make_way(niceness)
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                future.set_exception(error)

    threading.Thread(target=work, name="aside", daemon=True).start()
    return await asyncio.wrap_future(future)
