"""The worker: one job after the other, whatever they do; cancelled between steps; put back when the server ends."""

import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from threading import Timer
from typing import Any

import pytest

from app.generation.watch import Watch
from app.jobs.job import INPUT, PREVIEW, RESULT, Job, cancel, claim, new_job
from app.jobs.keeper import Keeper
from app.jobs.retention import Retention
from app.jobs.store import JobStore, change
from app.jobs.work import JobInput, JobOutput, ResultFile, Work
from app.jobs.worker import UNEXPECTED, Worker
from pose_core.errors import InvalidInput
from tests.app.jobs.tiny_work import PATIENCE_S, PICTURE, Gate, crash, refuse, shout

ENOUGH = 2**20


def worker_of(store: JobStore, **works: Work) -> Worker:
    """A worker that has not been started."""
    return Worker(store, {"shout": shout, "refuse": refuse, "crash": crash, **works}, ENOUGH, preview_s=0)


@pytest.fixture
def worker(store: JobStore) -> Worker:
    """A worker that knows the tiny jobs."""
    return worker_of(store)


def add(store: JobStore, kind: str = "shout", files: dict[str, bytes] | None = None, **document: object) -> Job:
    """A job that waits."""
    job = new_job(kind, "", document, files or {}, time.time())
    return store.add(job, {INPUT + name: data for name, data in (files or {}).items()}, 100)


def now(store: JobStore, job: Job) -> Job:
    """The job as it stands."""
    found = store.get(job.id)
    assert found is not None
    return found


def until(store: JobStore, job: Job, reached: Callable[[Job], bool]) -> Job:
    """The job once it has come so far."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached(found := now(store, job)):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    return found


def test_a_job_is_done(store: JobStore, worker: Worker) -> None:
    job = add(store, files={"photo": b"abc"}, text="hey", steps=4, warnings=["cut"])
    assert worker.run_next()
    done = now(store, job)
    assert (done.state, done.result, done.warnings, done.done, done.total) == ("done", {"text": "HEY"}, ("cut",), 4, 4)
    assert done.worker == worker.name
    assert done.created_at <= (done.started_at or 0) <= (done.finished_at or 0)
    assert store.read(job.id, RESULT + "photo.bin") == b"cba"
    assert done.results["photo.bin"].media_type == "image/png"
    assert store.read(job.id, INPUT + "photo") is None
    assert not worker.run_next()


def test_jobs_are_done_in_order_of_arrival(store: JobStore, worker: Worker) -> None:
    jobs = [add(store, text=str(i)) for i in range(3)]
    while worker.run_next():
        pass
    started = [now(store, job).started_at for job in jobs]
    assert started == sorted(started, key=lambda at: at or 0)


def test_a_reason_reaches_the_caller(store: JobStore, worker: Worker) -> None:
    job = add(store, "refuse", text="x")
    worker.run_next()
    failed = now(store, job)
    assert (failed.state, failed.reason, failed.fault) == ("failed", "text: not with me, got 'x'", "input")


def test_what_nobody_expected_reaches_only_the_log(
    store: JobStore, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    job, after = add(store, "crash"), add(store)
    with caplog.at_level(logging.ERROR, "skelmap"):
        worker.run_next()
    assert (now(store, job).reason, now(store, job).fault) == (UNEXPECTED, "server")
    assert "RuntimeError: secret" in caplog.text
    worker.run_next()
    assert now(store, after).state == "done"


def test_a_kind_of_another_version_fails_by_name(store: JobStore, worker: Worker) -> None:
    job = add(store, "video")
    worker.run_next()
    assert now(store, job).reason == "this server does not know jobs of kind 'video', only shout, refuse, crash"


def test_results_larger_than_the_store_are_refused(store: JobStore) -> None:
    large = lambda _given, _watch: JobOutput({}, {"x": ResultFile(bytes(ENOUGH + 1), "image/png")})  # noqa: E731 - a job
    job = add(store, "large")
    worker_of(store, large=large).run_next()
    assert now(store, job).reason == f"the results have {ENOUGH + 1} bytes; this server keeps {ENOUGH}"
    assert now(store, job).files == {}


@pytest.mark.parametrize("document", [{"text": object()}, {"text": "\ud800"}, {"number": 2**70}])
def test_a_result_that_is_no_json_is_the_fault_of_the_job(store: JobStore, document: dict[str, object]) -> None:
    job = add(store, "odd")
    worker_of(store, odd=lambda _given, _watch: JobOutput(document)).run_next()
    assert now(store, job).reason == UNEXPECTED


def test_a_reason_may_repeat_anything(store: JobStore) -> None:
    job = add(store, "odd")

    def odd(_given: JobInput, _watch: Watch) -> JobOutput:
        raise InvalidInput("no", value="\ud800")

    worker_of(store, odd=odd).run_next()
    assert now(store, job).reason.startswith("no, got ")


def test_a_result_waits_for_a_store_that_is_away(store: JobStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def outage(given: JobInput, watch: Watch) -> JobOutput:
        output = shout(given, watch)
        swap, left = store.swap, iter(range(2))

        def away(*arguments: Any) -> bool:
            if next(left, None) is not None:
                raise OSError("no connection")
            return swap(*arguments)

        monkeypatch.setattr(store, "swap", away)
        return output

    monkeypatch.setattr("app.jobs.worker.IDLE_S", 0.01)
    job = add(store, "outage", text="a")
    worker_of(store, outage=outage).run_next()
    assert (now(store, job).state, now(store, job).result) == ("done", {"text": "A"})


# Steps


def test_every_step_is_written_down(store: JobStore) -> None:
    seen: list[tuple[int, int, bytes | None]] = []

    def look(given: JobInput, watch: Watch) -> JobOutput:
        for done in range(4):
            watch.step(done, 3, partial(b"picture %d".__mod__, done))
            found = now(store, job)
            seen.append((found.done, found.total, store.read(job.id, PREVIEW)))
        return shout(given, watch)

    job = add(store, "look")
    worker_of(store, look=look).run_next()
    assert seen == [(done, 3, b"picture %d" % done) for done in range(4)]
    assert PREVIEW not in now(store, job).files


def test_previews_are_made_only_so_often(store: JobStore) -> None:
    made: list[bytes] = []

    def make() -> bytes:
        made.append(PICTURE)
        return PICTURE

    def draw(_given: JobInput, watch: Watch) -> JobOutput:
        for done in range(10):
            watch.step(done, 10, make)
        return JobOutput()

    add(store, "draw")
    Worker(store, {"draw": draw}, ENOUGH, preview_s=1000).run_next()
    assert made == [PICTURE]


def test_cancelled_between_two_steps(store: JobStore) -> None:
    reached: list[int] = []

    def walk(_given: JobInput, watch: Watch) -> JobOutput:
        for done in range(10):
            reached.append(done)
            if done == 4:
                change(store, job.id, partial(cancel, now=time.time()))
            watch.step(done, 10, None)
        return JobOutput()

    job = add(store, "walk")
    worker_of(store, walk=walk).run_next()
    assert reached == [0, 1, 2, 3, 4]
    assert (now(store, job).state, now(store, job).done) == ("cancelled", 4)


def test_cancelled_while_it_waits_it_never_runs(store: JobStore, worker: Worker) -> None:
    job, after = add(store), add(store)
    change(store, job.id, partial(cancel, now=time.time()))
    assert worker.run_next()
    assert not worker.run_next()
    assert (now(store, job).state, now(store, job).started_at) == ("cancelled", None)
    assert now(store, after).state == "done"


def test_who_has_lost_its_job_leaves_it_alone(store: JobStore) -> None:
    """A process that slept longer than its lease wakes up: its job has been failed, or somebody forgot it."""
    keeper_of_others = Keeper(store, worker_of(store), 10, Retention(1000, 100, ENOUGH))

    def sleep(_given: JobInput, watch: Watch) -> JobOutput:
        watch.step(0, 2, None)
        keeper_of_others.look(0)
        keeper_of_others.look(10)
        watch.step(1, 2, None)
        raise AssertionError("it went on")

    job = add(store, "sleep")
    worker_of(store, sleep=sleep).run_next()
    assert (now(store, job).state, now(store, job).reason) == ("failed", "the server was stopped while it ran")


def test_a_job_that_was_forgotten_is_no_crash(store: JobStore, worker: Worker) -> None:
    def forgotten(_given: JobInput, watch: Watch) -> JobOutput:
        store.remove(job.id)
        watch.step(0, 1, None)
        raise AssertionError("it went on")

    job = add(store, "forgotten")
    assert worker_of(store, forgotten=forgotten).run_next()
    assert store.get(job.id) is None
    assert not worker.run_next()


# The thread


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A job at a gate, which is open after the test."""
    gate = Gate()
    yield gate
    gate.opened.set()


def test_cancelling_frees_the_worker_within_a_step(store: JobStore, gate: Gate) -> None:
    worker = worker_of(store, gate=gate)
    held, after = add(store, "gate", steps=50), add(store)
    worker.start()
    assert gate.entered.wait(PATIENCE_S)
    asked = change(store, held.id, partial(cancel, now=time.time()))
    assert asked is not None
    assert (asked.state, asked.cancelling) == ("running", True)
    gate.opened.set()
    assert until(store, after, lambda job: job.finished).state == "done"
    assert now(store, held).state == "cancelled"
    assert gate.steps == 1
    worker.close(PATIENCE_S)


def test_a_job_of_this_process_wakes_the_worker(store: JobStore, worker: Worker) -> None:
    worker.start()
    for _ in range(3):
        job = add(store)
        worker.wake()
        until(store, job, lambda job: job.finished)
    worker.close(PATIENCE_S)


def test_a_server_that_ends_lets_its_job_finish(store: JobStore, gate: Gate) -> None:
    worker = worker_of(store, gate=gate)
    running, waiting = add(store, "gate"), add(store)
    worker.start()
    assert gate.entered.wait(PATIENCE_S)
    Timer(0.05, gate.opened.set).start()
    worker.close(PATIENCE_S)
    assert (now(store, running).state, now(store, waiting).state) == ("done", "queued")


def test_or_puts_it_back(store: JobStore, gate: Gate) -> None:
    worker = worker_of(store, gate=gate)
    running = add(store, "gate", files={"photo": b"abc"}, steps=50)
    worker.start()
    assert gate.entered.wait(PATIENCE_S)
    worker.close(grace_s=0)
    assert now(store, running).state == "queued"  # although its step has not ended
    gate.opened.set()
    worker.close(PATIENCE_S)
    assert gate.steps == 1
    assert now(store, running).state == "queued"
    again = worker_of(store, gate=shout)
    assert again.run_next()
    assert store.read(running.id, RESULT + "photo.bin") == b"cba"


def test_a_worker_without_jobs_ends_at_once(worker: Worker) -> None:
    worker.start()
    worker.close(PATIENCE_S)


# The keeper


def test_the_keeper_shows_that_its_worker_lives(store: JobStore, gate: Gate) -> None:
    worker = worker_of(store, gate=gate)
    keeper = Keeper(store, worker, 10, Retention(1000, 100, ENOUGH))
    watcher = Keeper(store, worker_of(store), 10, Retention(1000, 100, ENOUGH))
    job = add(store, "gate")
    worker.start()
    assert gate.entered.wait(PATIENCE_S)
    for at in range(0, 40, 8):
        keeper.look(at)
        watcher.look(at)
        assert now(store, job).state == "running"
    for at in (40, 51):  # and now no sign of life
        watcher.look(at)
    assert now(store, job).state == "failed"
    gate.opened.set()
    worker.close(PATIENCE_S)
    assert now(store, job).state == "failed"


def test_the_keeper_finds_jobs_whose_worker_is_gone(store: JobStore, worker: Worker) -> None:
    job, cancelled = add(store), add(store)
    for lost in (job, cancelled):
        change(store, lost.id, partial(claim, worker="gone", now=time.time()))
    change(store, cancelled.id, partial(cancel, now=time.time()))
    keeper = Keeper(store, worker, 10, Retention(1000, 100, ENOUGH))
    keeper.look(0)
    assert now(store, job).state == "running"
    keeper.look(10)
    assert (now(store, job).state, now(store, job).reason) == ("failed", "the server was stopped while it ran")
    assert now(store, cancelled).state == "cancelled"


def test_the_keeper_forgets_what_has_expired(store: JobStore, worker: Worker) -> None:
    jobs = [add(store) for _ in range(3)]
    while worker.run_next():
        pass
    Keeper(store, worker, 10, Retention(1000, 2, ENOUGH)).look(0)
    assert [store.get(job.id) is None for job in jobs] == [True, False, False]
    Keeper(store, worker, 10, Retention(0, 2, ENOUGH)).look(0)
    assert [store.get(job.id) for job in jobs] == [None] * 3


@pytest.mark.parametrize("broken", ["in_states", "swap"])
def test_a_store_that_fails_for_a_while_ends_no_thread(
    store: JobStore, broken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("no connection")

    worker = worker_of(store)
    keeper = Keeper(store, worker, 0.05, Retention(1000, 100, ENOUGH))
    job = add(store)
    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "skelmap"):
        patch.setattr(store, broken, fail)
        worker.start()
        keeper.start()
        deadline = time.monotonic() + PATIENCE_S
        while "no connection" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    worker.wake()
    assert until(store, job, lambda job: job.finished).state in {"done", "failed"}
    after = add(store)
    worker.wake()
    assert until(store, after, lambda job: job.finished).state == "done"
    worker.close(PATIENCE_S)
    keeper.close()
