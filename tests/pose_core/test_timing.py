"""Stages add up, also when they fail."""

import time

import pytest

from pose_core.timing import Timer


def test_a_stage_takes_as_long_as_its_body() -> None:
    timer = Timer()
    start = time.perf_counter()
    with timer("nap"):
        time.sleep(0.01)
    assert 0.009 <= timer.seconds["nap"] <= time.perf_counter() - start


def test_a_repeated_stage_adds_up() -> None:
    timer = Timer()
    for _ in range(3):
        with timer("nap"):
            time.sleep(0.002)
    assert list(timer.seconds) == ["nap"]
    assert timer.seconds["nap"] >= 0.005


def test_stages_may_be_nested_and_keep_the_order_in_which_they_ended() -> None:
    timer = Timer()
    with timer("outer"), timer("inner"):
        pass
    assert list(timer.seconds) == ["inner", "outer"]
    assert timer.seconds["inner"] <= timer.seconds["outer"]


def test_a_failing_stage_is_timed_and_its_error_passed_on() -> None:
    timer = Timer()
    with pytest.raises(RuntimeError, match="broken"), timer("pose"):
        raise RuntimeError("broken")
    assert timer.seconds["pose"] >= 0


def test_a_new_timer_knows_no_stage() -> None:
    assert Timer().seconds == {}
