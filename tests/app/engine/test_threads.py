"""Threads that compute make way for the event loop."""

import asyncio
import os
import sys
import threading

import pytest

from app.engine.threads import LOWEST, Threads, make_way

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness per thread")


def own_niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def niceness_of_a_thread(asked: int) -> int:
    def look() -> int:
        make_way(asked)
        return own_niceness()

    return asyncio.run(Threads(0).aside(look))


@linux
def test_a_thread_makes_way_and_the_others_stay_where_they_are() -> None:
    before = own_niceness()
    assert niceness_of_a_thread(3) == min(before + 3, LOWEST)
    assert niceness_of_a_thread(40) == LOWEST
    assert niceness_of_a_thread(0) == before
    assert own_niceness() == before


@linux
def test_threads_of_a_thread_that_made_way_do_so_too_and_only_once() -> None:
    def nested() -> tuple[int, int]:
        found = []

        def work() -> None:
            found.append(own_niceness())
            make_way(3)
            found.append(own_niceness())

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return found[0], found[1]

    expected = min(own_niceness() + 3, LOWEST)
    assert asyncio.run(Threads(3).aside(nested)) == (expected, expected)


def test_a_result_and_an_error_come_back() -> None:
    assert asyncio.run(Threads(0).aside(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(Threads(0).aside(lambda: 1 // 0))


def test_threads_that_do_not_end_are_named() -> None:
    threads, others, let_go = Threads(0), Threads(0), threading.Event()

    def wait() -> None:
        assert let_go.wait(20)

    stays = threads.start(wait, "stays")
    threads.start(lambda: None, "goes")
    assert threads.left_behind(0.2) == ["stays"]
    assert others.left_behind(0.0) == []
    let_go.set()
    assert threads.left_behind(20) == []
    assert not stays.is_alive()
