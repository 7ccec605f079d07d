"""Ctrl-C during a run: the step under way is finished first, so that nothing is lost and nothing is half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupt:
    """Whether somebody asked to stop."""

    def __init__(self) -> None:
        self.asked = False


@contextmanager
def delayed_interrupt() -> Iterator[Interrupt]:
    """Remember the first Ctrl-C inside the block; a second one ends the process as ever.

    Nothing changes where something else than Python's own handler is at work, such as `nohup`, and in threads, which
    get no signals.
    """
    interrupt = Interrupt()
    usual = signal.default_int_handler
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is not usual:
        yield interrupt
        return

    def remember(_number: int, _frame: FrameType | None) -> None:
        interrupt.asked = True
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, remember)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, usual)
