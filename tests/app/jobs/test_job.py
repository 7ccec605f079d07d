"""Every way in which a job changes, as pure functions of the job."""

from collections.abc import Callable
from functools import partial

import pytest

from app.jobs.job import (
    INPUT,
    PREVIEW,
    RESULT,
    STOPPED,
    Job,
    StoredFile,
    abandon,
    cancel,
    claim,
    fail,
    new_job,
    progress,
    requeue,
    stop,
    succeed,
    touch,
)

QUEUED = new_job("echo", "me", {"text": "a"}, {"photo": b"12345"}, now=1)
RUNNING = claim(QUEUED, "w", now=2)
HALF = progress(RUNNING, "w", 3, 6, b"png")
CANCELLING = cancel(HALF, now=3)
RESULTS = {RESULT + "a.png": StoredFile(size=9, media_type="image/png")}

DONE = succeed(HALF, worker="w", result={"seed": 1}, warnings=("cut",), files=RESULTS, now=4)
FAILED = fail(HALF, worker="w", reason="no memory", fault="server", now=4)
CANCELLED = cancel(QUEUED, now=4)
FINISHED = {"done": DONE, "failed": FAILED, "cancelled": CANCELLED}

CHANGES: dict[str, Callable[[Job], Job]] = {
    "claim": partial(claim, worker="w", now=9),
    "progress": partial(progress, worker="w", done=5, total=6, preview=None),
    "succeed": partial(succeed, worker="w", result={}, warnings=(), files={}, now=9),
    "fail": partial(fail, worker="w", reason="x", fault="input", now=9),
    "stop": partial(stop, worker="w", now=9),
    "requeue": partial(requeue, worker="w", now=9),
    "cancel": partial(cancel, now=9),
}


def test_a_new_job_waits_with_its_input() -> None:
    assert (QUEUED.state, QUEUED.owner, QUEUED.created_at, QUEUED.size) == ("queued", "me", 1, 5)
    assert list(QUEUED.files) == [INPUT + "photo"]
    assert QUEUED.results == {}


def test_ids_cannot_be_guessed() -> None:
    ids = {new_job("echo", "", {}, {}, now=1).id for _ in range(100)}
    assert len(ids) == 100
    assert {len(job_id) for job_id in ids} == {43}  # 256 bits


def test_the_way_to_a_result() -> None:
    assert (RUNNING.state, RUNNING.worker, RUNNING.started_at) == ("running", "w", 2)
    assert (HALF.done, HALF.total, HALF.previewed) == (3, 6, 3)
    assert HALF.files[PREVIEW] == StoredFile(size=3, media_type="image/png")
    assert (DONE.state, DONE.finished_at, DONE.done, DONE.result, DONE.warnings) == (
        "done",
        4,
        6,
        {"seed": 1},
        ("cut",),
    )
    assert DONE.files == RESULTS  # neither input nor preview
    assert list(DONE.results) == ["a.png"]


def test_a_step_without_a_preview_keeps_the_last_one() -> None:
    next_step = progress(HALF, "w", 4, 6, None)
    assert (next_step.done, next_step.previewed, next_step.files) == (4, 3, HALF.files)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("job", FINISHED.values(), ids=FINISHED)
def test_what_has_finished_stays_as_it_is(job: Job, change: Callable[[Job], Job]) -> None:
    assert change(job) is job


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "cancel"])
@pytest.mark.parametrize("job", [RUNNING, CANCELLING], ids=["running", "cancelling"])
def test_only_the_worker_that_runs_it_may_change_it(job: Job, name: str) -> None:
    change = CHANGES[name].func  # type: ignore[attr-defined]
    assert change(job, **{**CHANGES[name].keywords, "worker": "another"}) is job  # type: ignore[attr-defined]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_a_new_revision(change: Callable[[Job], Job]) -> None:
    for job in (QUEUED, HALF):
        changed = change(job)
        assert changed is job or changed.revision == job.revision + 1
    assert touch(HALF).model_copy(update={"revision": HALF.revision}) == HALF


def test_what_waits_is_cancelled_at_once_and_what_runs_is_asked() -> None:
    assert (CANCELLED.state, CANCELLED.finished_at, CANCELLED.files) == ("cancelled", 4, {})
    assert (CANCELLING.state, CANCELLING.cancelling) == ("running", True)
    assert cancel(CANCELLING, now=9) is CANCELLING
    stopped = stop(CANCELLING, "w", now=5)
    assert (stopped.state, stopped.cancelling, stopped.finished_at, stopped.files) == ("cancelled", False, 5, {})


def test_a_cancelled_job_that_was_faster_is_done() -> None:
    done = succeed(CANCELLING, worker="w", result={}, warnings=(), files=RESULTS, now=5)
    assert (done.state, done.cancelling) == ("done", False)


def test_a_server_that_ends_puts_its_job_back() -> None:
    again = requeue(HALF, "w", now=5)
    fresh = {"revision": again.revision}
    assert again == QUEUED.model_copy(update=fresh)
    assert again.revision > HALF.revision
    assert requeue(CANCELLING, "w", now=5).state == "cancelled"


def test_a_job_without_a_worker_has_failed() -> None:
    lost = abandon(HALF, now=5)
    assert (lost.state, lost.reason, lost.files, lost.done) == ("failed", STOPPED, {}, 3)
    assert abandon(CANCELLING, now=5).state == "cancelled"
    assert (FAILED.state, FAILED.reason, FAILED.files) == ("failed", "no memory", {})


def test_a_job_survives_being_written_down() -> None:
    for job in (QUEUED, HALF, CANCELLING, DONE, FAILED):
        assert Job.model_validate_json(job.model_dump_json()) == job
