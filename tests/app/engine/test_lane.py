"""A lane with a network that the test holds up: what shares a run, what a failure costs, what readiness says."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from app.engine.errors import DeadlineExceeded, Unavailable
from app.engine.lane import Batching, Lane
from app.engine.observe import BatchRun, Observe
from app.engine.queue import Answered
from app.engine.readiness import Readiness
from app.engine.threads import Threads
from pose_core.errors import DeviceLost, ModelError, OutOfMemory, RunStopped
from tests.app.engine.stubs import PATIENCE_S, StubNetwork, poisoned_by, rows_of


@dataclass
class Clock:
    """Time that passes when the test says so."""

    now: float = 0.0

    def __call__(self) -> float:
        """Now."""
        return self.now


@dataclass
class Stage:
    """A lane, its network and everything it said."""

    network: StubNetwork
    lane: Lane
    readiness: Readiness
    clock: Clock
    runs: list[BatchRun] = field(default_factory=list)
    ready: list[bool] = field(default_factory=list)
    queued: list[int] = field(default_factory=list)

    def hold(self) -> Future[Answered]:
        """Keep the network busy with a row of its own until it is opened."""
        self.network.open.clear()
        held = self.lane.submit(rows_of(-1), deadline=1e9)
        self.network.wait_for_run()
        return held

    def submit(self, *values: float, deadline: float = 1e9) -> Future[Answered]:
        """Let rows wait."""
        return self.lane.submit(rows_of(*values), deadline)

    def work_off(self) -> None:
        """Open the network, let the lane finish and end."""
        self.network.open.set()
        self.lane.close()
        self.lane.join(PATIENCE_S)


@contextmanager
def a_lane(network: StubNetwork, batching: Batching = Batching(8)) -> Iterator[Stage]:  # noqa: B008 - frozen
    runs: list[BatchRun] = []
    ready: list[bool] = []
    queued: list[int] = []
    observe = Observe(batch=runs.append, queued=lambda _, items: queued.append(items))
    readiness, clock = Readiness(ready.append), Clock()
    lane = Lane("stub", network, batching, readiness=readiness, observe=observe, clock=clock)
    lane.start(Threads(niceness=0))
    try:
        yield Stage(network, lane, readiness, clock, runs, ready, queued)
    finally:
        network.open.set()
        lane.close()
        lane.join(PATIENCE_S)


def values(future: Future[Answered]) -> list[float]:
    return future.result(PATIENCE_S).outputs["x"].tolist()


def problem(future: Future[Answered]) -> BaseException:
    error = future.exception(PATIENCE_S)
    assert error is not None
    return error


# ---- sharing


@pytest.mark.parametrize(
    ("jobs", "batches"),
    [
        ([[1]], [[1]]),
        ([[1], [2]], [[1, 2]]),
        ([[1], [2], [3]], [[1, 2, 3, 0]]),  # filled up to 4
        ([[1, 2, 3, 4, 5, 6, 7, 8, 9]], [[1, 2, 3, 4, 5, 6, 7, 8], [9]]),
        ([[1, 2, 3, 4, 5, 6, 7, 8, 9], [10]], [[1, 2, 3, 4, 5, 6, 7, 10], [8, 9]]),
        ([[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]], [[1, 2, 3, 4, 6, 7, 8, 9], [5, 10]]),
    ],
    ids=["one", "two share", "filled up", "one too many", "a crowd and one", "two crowds"],
)
def test_what_waits_shares_batches_and_everybody_gets_his_own(
    jobs: list[list[float]], batches: list[list[float]]
) -> None:
    with a_lane(StubNetwork()) as stage:
        stage.hold()
        futures = [stage.submit(*job) for job in jobs]
        stage.work_off()
    assert stage.network.batches[1:] == batches
    assert [values(future) for future in futures] == [[10 * value for value in job] for job in jobs]
    assert stage.queued[-1] == 0
    assert max(stage.queued) == sum(map(len, jobs))


def test_a_file_with_a_fixed_batch_is_run_at_that_size() -> None:
    with a_lane(StubNetwork(batch_sizes=(4,))) as stage:
        assert values(stage.submit(1, 2, 3, 4, 5)) == [10, 20, 30, 40, 50]
    assert stage.network.batches == [[1, 2, 3, 4], [5, 0, 0, 0]]


def test_a_smaller_limit_than_the_networks() -> None:
    with a_lane(StubNetwork(), Batching(3)) as stage:
        assert values(stage.submit(1, 2, 3)) == [10, 20, 30]
    assert stage.network.batches == [[1, 2], [3]]


def test_rows_wait_for_company_when_they_are_told_to() -> None:
    with a_lane(StubNetwork(), Batching(4, max_delay_s=1000.0)) as stage:
        first = stage.submit(1)
        second = stage.submit(2, 3, 4)  # a full batch does not wait
        assert (values(first), values(second)) == ([10], [20, 30, 40])
    assert stage.network.batches == [[1, 2, 3, 4]]


def test_what_a_run_was_is_told() -> None:
    with a_lane(StubNetwork()) as stage:
        stage.hold()
        futures = [stage.submit(1, 2), stage.submit(3)]
        stage.work_off()
    assert all(future.done() for future in futures)
    told = stage.runs[1]
    assert (told.lane, told.items, told.size, told.requests, told.failed) == ("stub", 3, 4, 2, False)


# ---- rows that nobody needs


def test_rows_are_taken_back_while_they_wait() -> None:
    with a_lane(StubNetwork()) as stage:
        stage.hold()
        gone, here = stage.submit(1, 2), stage.submit(3)
        assert gone.cancel()
        assert stage.lane.waiting == 1
        stage.work_off()
    assert stage.network.batches[1:] == [[3]]
    assert values(here) == [30]


def test_rows_whose_deadline_is_over_never_reach_the_network() -> None:
    with a_lane(StubNetwork()) as stage:
        stage.hold()
        late, here = stage.submit(1, deadline=5.0), stage.submit(2)
        stage.clock.now = 6.0
        stage.work_off()
    assert isinstance(problem(late), DeadlineExceeded)
    assert stage.network.batches[1:] == [[2]]
    assert values(here) == [20]


def test_a_run_that_nobody_waits_for_is_ended() -> None:
    with a_lane(StubNetwork()) as stage:
        held = stage.hold()
        stop = stage.network.stops[0]
        assert stop is not None
        assert not stop.options.terminate
        held.cancel()
        assert stop.options.terminate


def test_a_run_that_somebody_still_waits_for_goes_on() -> None:
    with a_lane(StubNetwork()) as stage:
        stage.hold()
        one, other = stage.submit(1), stage.submit(2)
        stage.network.open.set()
        assert values(other) == [20]
        stage.network.open.clear()
        one, other = stage.submit(3), stage.submit(4)
        stage.network.wait_for_run()
        stage.work_off()
    assert (values(one), values(other)) == ([30], [40])


def test_one_of_two_gives_up_during_the_run() -> None:
    with a_lane(StubNetwork()) as stage:
        stage.hold()
        one, other = stage.submit(1), stage.submit(2)
        running = threading.Event()
        stage.network.fails = lambda batch: running.set() if 1 in batch else None
        stage.network.open.set()
        assert running.wait(PATIENCE_S)
        one.cancel()
        assert values(other) == [20]
    stop = stage.network.stops[1]
    assert stop is not None
    assert not stop.options.terminate


def test_a_stopped_run_is_no_failure() -> None:
    with a_lane(StubNetwork(fails=poisoned_by(7, RunStopped("terminate flag")))) as stage:
        assert isinstance(problem(stage.submit(7)), RunStopped)
        assert values(stage.submit(1)) == [10]
    assert stage.ready == []


# ---- failures


def test_only_the_row_that_fails_by_itself_is_lost() -> None:
    with a_lane(StubNetwork(fails=poisoned_by(2))) as stage:
        stage.hold()
        futures = [stage.submit(value) for value in (1, 2, 3)]
        stage.work_off()
    assert (values(futures[0]), values(futures[2])) == ([10], [30])
    assert str(problem(futures[1])) == "cannot digest 2"
    assert stage.network.batches[1:] == [[1, 2, 3, 0], [1], [2], [3], [0]]  # the last one is the probe


def test_a_request_of_several_rows_fails_with_the_first_of_them() -> None:
    with a_lane(StubNetwork(fails=poisoned_by(2))) as stage:
        stage.hold()
        crowd, one = stage.submit(1, 2, 3, 4), stage.submit(5)
        stage.work_off()
    assert str(problem(crowd)) == "cannot digest 2"
    assert values(one) == [50]
    assert [3] not in stage.network.batches


def test_a_failed_batch_makes_it_not_ready_until_a_probe_succeeds() -> None:
    with a_lane(StubNetwork(fails=poisoned_by(2))) as stage:
        assert str(problem(stage.submit(2))) == "cannot digest 2"
        assert values(stage.submit(1)) == [10]
    assert stage.ready == [False, True]
    assert stage.readiness.reasons == []
    assert stage.network.batches == [[2], [0], [1]]


def test_a_probe_that_fails_leaves_it_not_ready_and_is_repeated() -> None:
    with a_lane(StubNetwork(fails=poisoned_by(0))) as stage:
        stage.network.fails = lambda batch: (
            poisoned_by(0 if stage.clock.now < 10 else 99)(batch) or poisoned_by(2)(batch)
        )
        problem(stage.submit(2))
        assert values(stage.submit(1)) == [10]  # work goes on
        assert stage.readiness.reasons == ["stub failed: cannot digest 0"]
        stage.clock.now = 10.0
        assert values(stage.submit(1)) == [10]
    assert stage.ready == [False, True]


@pytest.mark.parametrize(
    "wrong", [lambda x: {"x": x[:-1]}, lambda x: {"x": np.append(x, 1)}, lambda x: {"x": x, "y": x[:0]}]
)
def test_an_answer_of_another_length_fails_its_rows_and_not_the_lane(wrong: object) -> None:
    assert callable(wrong)
    with a_lane(StubNetwork()) as stage:
        stage.network.answer = lambda x: wrong(x) if 2 in x else {"x": x * 10}
        error = problem(stage.submit(2, 3))
        assert isinstance(error, ModelError)
        assert "rows to a batch of" in str(error)
        assert values(stage.submit(4)) == [40]


@pytest.mark.parametrize("error", [RuntimeError("surprise"), MemoryError(), KeyError("x")])
def test_whatever_a_network_raises_the_lane_lives(error: Exception) -> None:
    with a_lane(StubNetwork(fails=poisoned_by(2, error))) as stage:
        assert problem(stage.submit(2)) is error
        assert values(stage.submit(1)) == [10]


# ---- memory


def room_for(most: int) -> object:
    def fails(batch: list[float]) -> None:
        if len(batch) > most:
            raise OutOfMemory(f"Failed to allocate memory for {len(batch)}")

    return fails


@pytest.mark.parametrize(("most", "sizes"), [(4, (1, 2, 4)), (2, (1, 2)), (1, (1,))])
def test_for_want_of_memory_batches_are_halved_for_good(most: int, sizes: tuple[int, ...]) -> None:
    with a_lane(StubNetwork(fails=room_for(most))) as stage:  # type: ignore[arg-type]
        assert values(stage.submit(*range(8))) == [10 * value for value in range(8)]
        assert stage.lane.sizes == sizes
        assert values(stage.submit(*range(8))) == [10 * value for value in range(8)]
    assert max(map(len, stage.network.batches[-8 // most :])) == most
    assert stage.ready == []


def test_no_memory_for_a_single_row() -> None:
    with a_lane(StubNetwork(fails=room_for(0))) as stage:  # type: ignore[arg-type]
        error = problem(stage.submit(1))
        assert isinstance(error, Unavailable)
        assert str(error) == "there is no memory for stub now"
        assert stage.readiness.reasons
        stage.network.fails = lambda _: None
        assert values(stage.submit(1)) == [10]


# ---- the end


def test_a_lost_device_ends_the_lane_and_is_fatal() -> None:
    with a_lane(StubNetwork(fails=poisoned_by(2, DeviceLost("CUDA failure 700")))) as stage:
        stage.hold()
        doomed, waiting = stage.submit(2), stage.submit(*range(3, 12))
        stage.work_off()
        with pytest.raises(Unavailable, match="stub cannot be used now"):
            stage.submit(1)
    assert isinstance(problem(doomed), Unavailable)
    assert isinstance(problem(waiting), Unavailable)
    assert isinstance(stage.readiness.fatal, DeviceLost)
    assert stage.readiness.reasons == ["CUDA failure 700"]
    assert stage.lane.waiting == 0


def test_a_lane_that_dies_of_a_mistake_of_ours_says_so() -> None:
    with a_lane(StubNetwork()) as stage:
        stage.hold()
        waiting = stage.submit(1)
        stage.lane._runner.answer = None  # type: ignore[method-assign, assignment]
        stage.work_off()
    assert isinstance(problem(waiting), (Unavailable, TypeError))
    assert "stub died" in str(stage.readiness.fatal)


def test_closing_finishes_what_waits_and_takes_nothing_more() -> None:
    with a_lane(StubNetwork()) as stage:
        held, waiting = stage.hold(), stage.submit(1)
        stage.lane.close()
        with pytest.raises(Unavailable):
            stage.submit(2)
        stage.network.open.set()
        assert (values(held), values(waiting)) == ([-10], [10])
        stage.lane.join(PATIENCE_S)


# ---- warm-up


def test_every_batch_size_is_warmed_up() -> None:
    with a_lane(StubNetwork()) as stage:
        stage.lane.warm_up()
    assert [len(batch) for batch in stage.network.batches] == [1, 2, 4, 8]


def test_batch_sizes_that_do_not_work_are_found_out_before_anybody_needs_them() -> None:
    def up_to_two(batch: object) -> None:
        if len(batch) > 2:  # type: ignore[arg-type]
            raise ModelError("two at the most")

    with a_lane(StubNetwork(fails=up_to_two)) as stage:
        stage.lane.warm_up()
        assert stage.lane.sizes == (1, 2)
        assert values(stage.submit(1, 2, 3)) == [10, 20, 30]


def test_a_network_that_does_not_work_at_all() -> None:
    with a_lane(StubNetwork(fails=poisoned_by(0))) as stage, pytest.raises(ModelError, match="cannot digest 0"):
        stage.lane.warm_up()
