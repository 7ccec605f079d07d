"""Many requests at once, in the order of the batch, with ComfyUI's progress bar and its cancel button."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from threading import Event
from typing import TypeVar

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar

IN_FLIGHT = 8
"""Requests at the same time: enough to keep a GPU busy, few enough for a server of several users."""

CHECK_S = 0.1
"""How often it is looked whether the user cancelled."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def run_in_order(work: Callable[[Item, Event], Answer], items: Sequence[Item]) -> list[Answer]:
    """`work(item, stop)` of every item, in threads; `work` returns or raises soon after `stop` is set.

    The first error ends it: what waits is dropped, what runs is not waited for.

    Raises:
        InterruptProcessingException: the user cancelled.
    """
    progress, stop = ProgressBar(len(items)), Event()
    pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="remote pose")
    try:
        futures = [pool.submit(work, item, stop) for item in items]
        waiting = set(futures)
        while waiting:
            throw_exception_if_processing_interrupted()
            done, waiting = wait(waiting, CHECK_S, FIRST_COMPLETED)
            for future in done:
                future.result()
            progress.update(len(done))
    finally:
        stop.set()
        pool.shutdown(wait=False, cancel_futures=True)
    return [future.result() for future in futures]
