"""Whose rows run together: turns, order, deadlines, delays; time is a number that the tests choose."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.errors import DeadlineExceeded
from app.engine.queue import FairQueue, Job, Share, cut, gather

LATER = 100.0


def job(rows: int, *, arrived: float = 0.0, deadline: float = LATER) -> Job:
    """A job whose rows are numbered from 0."""
    return Job(np.arange(rows, dtype=np.float32).reshape(-1, 1, 1, 1).repeat(3, axis=1), arrived, deadline)


def queue_of(*jobs: Job) -> FairQueue:
    queue = FairQueue()
    for each in jobs:
        queue.put(each)
    return queue


def batches(queue: FairQueue, names: Sequence[Job], most: int) -> list[dict[str, list[int]]]:
    """Every batch until nothing waits: which rows of which job, jobs called by letters."""
    taken = []
    while shares := queue.take(most, now=0.0):
        taken.append({"abcdef"[names.index(each)]: list(range(start, stop)) for each, start, stop in shares})
    return taken


@pytest.mark.parametrize(
    ("rows", "most", "expected"),
    [
        ([1], 8, [{"a": [0]}]),
        ([8], 8, [{"a": [*range(8)]}]),
        ([9], 8, [{"a": [*range(8)]}, {"a": [8]}]),
        ([1, 1], 8, [{"a": [0], "b": [0]}]),
        ([2, 3], 8, [{"a": [0, 1], "b": [0, 1, 2]}]),
        ([5, 5], 8, [{"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}, {"a": [4], "b": [4]}]),
        ([20, 1], 8, [{"a": [*range(7)], "b": [0]}, {"a": [*range(7, 15)]}, {"a": [*range(15, 20)]}]),
        (
            [20, 1, 1],
            4,
            [{"a": [0, 1], "b": [0], "c": [0]}, *({"a": [*range(i, min(i + 4, 20))]} for i in range(2, 20, 4))],
        ),
        (
            [3, 3, 3],
            2,
            [{"a": [0], "b": [0]}, {"c": [0], "a": [1]}, {"b": [1], "c": [1]}, {"a": [2], "b": [2]}, {"c": [2]}],
        ),
        ([2, 2], 1, [{"a": [0]}, {"b": [0]}, {"a": [1]}, {"b": [1]}]),
    ],
    ids=[
        "one",
        "full",
        "one too many",
        "shared",
        "all of both",
        "half each",
        "a crowd and one",
        "a crowd and two",
        "turns",
        "one at a time",
    ],
)
def test_who_shares_a_batch(rows: list[int], most: int, expected: list[dict[str, list[int]]]) -> None:
    jobs = [job(count) for count in rows]
    queue = queue_of(*jobs)
    assert queue.items == sum(rows)
    assert batches(queue, jobs, most) == expected
    assert queue.items == 0


@given(rows=st.lists(st.integers(1, 40), min_size=1, max_size=6), most=st.integers(1, 16))
def test_every_row_runs_once_in_order_and_no_batch_is_too_large(rows: list[int], most: int) -> None:
    jobs = [job(count) for count in rows]
    taken = batches(queue_of(*jobs), jobs, most)
    for name, count in zip("abcdef", rows, strict=False):
        assert [row for batch in taken for row in batch.get(name, [])] == list(range(count))
    sizes = [sum(map(len, batch.values())) for batch in taken]
    assert all(size == most for size in sizes[:-1])
    assert sizes[-1] <= most


@given(crowd=st.integers(1, 100), most=st.integers(2, 16))
def test_one_person_never_waits_for_a_crowd(crowd: int, most: int) -> None:
    many, one = job(crowd), job(1)
    (first, *_) = batches(queue_of(many, one), [many, one], most)
    assert "b" in first


def test_a_job_that_comes_later_joins_the_next_batch() -> None:
    many, one = job(20), job(1)
    queue = queue_of(many)
    queue.take(8, 0.0)
    queue.put(one)
    assert queue.take(8, 0.0) == [Share(many, 8, 15), Share(one, 0, 1)]


def test_rows_whose_deadline_is_over_are_not_run() -> None:
    late, early = job(3, deadline=5.0), job(2)
    queue = queue_of(late, early)
    assert queue.take(8, now=5.0) == [Share(early, 0, 2)]
    assert isinstance(late.future.exception(), DeadlineExceeded)
    assert queue.items == 0


def test_rows_that_nobody_waits_for_are_not_run() -> None:
    gone, here = job(3), job(2)
    queue = queue_of(gone, here)
    gone.future.cancel()
    assert queue.take(8, now=0.0) == [Share(here, 0, 2)]
    assert queue.items == 0


def test_a_job_is_taken_back() -> None:
    one, other = job(3), job(2)
    queue = queue_of(one, other)
    queue.take(2, 0.0)
    queue.discard(one)
    queue.discard(one)
    assert queue.items == 1
    assert queue.take(8, 0.0) == [Share(other, 1, 2)]


@pytest.mark.parametrize(
    ("rows", "delay_s", "now", "due_s"),
    [
        ([], 0.0, 0.0, None),
        ([1], 0.0, 0.0, 0.0),  # takes what is there
        ([1], 0.005, 0.0, 0.005),
        ([1], 0.005, 0.003, 0.002),
        ([1], 0.005, 0.009, 0.0),
        ([3, 5], 0.005, 0.0, 0.0),  # a full batch waits for nobody
    ],
)
def test_how_long_rows_wait_for_company(rows: list[int], delay_s: float, now: float, due_s: float | None) -> None:
    assert queue_of(*map(job, rows)).due_in(8, delay_s, now) == (due_s if due_s is None else pytest.approx(due_s))


def test_the_oldest_row_decides_how_long() -> None:
    queue = queue_of(job(1, arrived=1.0), job(1, arrived=3.0))
    assert queue.due_in(8, 5.0, now=4.0) == 2.0


def test_everything_that_waits_can_fail_at_once() -> None:
    jobs = [job(2), job(3)]
    queue = queue_of(*jobs)
    queue.clear(RuntimeError("gone"))
    assert queue.items == 0
    assert [str(each.future.exception()) for each in jobs] == ["gone", "gone"]


# ---- jobs and shares


def test_parts_of_a_job_come_back_as_one() -> None:
    three = job(3, arrived=10.0)
    three.add({"x": np.array([5.0, 6.0])}, run_s=2.0, now=13.0)
    assert not three.future.done()
    three.add({"x": np.array([7.0])}, run_s=1.0, now=15.0)
    answered = three.future.result(0)
    assert answered.outputs["x"].tolist() == [5, 6, 7]
    assert (answered.run_s, answered.queue_s) == (3.0, 2.0)


def test_a_job_that_was_given_up_takes_no_harm_from_its_answer() -> None:
    gone = job(1)
    gone.future.cancel()
    gone.add({"x": np.zeros(1)}, 1.0, 1.0)
    gone.fail(RuntimeError("late"))
    assert gone.future.cancelled()


def test_rows_are_gathered_share_by_share() -> None:
    one, other = job(5), job(3)
    assert gather([Share(one, 3, 5), Share(other, 0, 1)])[:, 0, 0, 0].tolist() == [3, 4, 0]
    assert np.shares_memory(gather([Share(one, 1, 3)]), one.rows), "the rows of one request are not copied"


@pytest.mark.parametrize(
    ("most", "expected"),
    [
        (1, [["a0"], ["a1"], ["a2"], ["b7"], ["b8"]]),
        (2, [["a0", "a1"], ["a2", "b7"], ["b8"]]),
        (4, [["a0", "a1", "a2", "b7"], ["b8"]]),
        (8, [["a0", "a1", "a2", "b7", "b8"]]),
    ],
)
def test_shares_are_cut_into_smaller_batches(most: int, expected: list[list[str]]) -> None:
    one, other = job(3), job(9)
    names = {one: "a", other: "b"}
    groups = cut([Share(one, 0, 3), Share(other, 7, 9)], most)
    assert [
        [f"{names[each]}{row}" for each, start, stop in group for row in range(start, stop)] for group in groups
    ] == expected
