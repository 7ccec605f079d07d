"""Which finished jobs are forgotten, and which running ones have lost their worker."""

import pytest

from app.jobs.job import RESULT, Job, StoredFile, cancel, claim, new_job, touch
from app.jobs.retention import Retention, expired, forget_expired
from app.jobs.silence import Silence
from app.jobs.store import JobStore, change


def finished(job_id: str, at: float, size: int = 0) -> Job:
    """A job that finished at some time with results of some size."""
    files = {RESULT + "x": StoredFile(size=size)}
    return Job(id=job_id, kind="echo", state="done", created_at=0, finished_at=at, files=files)


THREE = [finished("old", 10, 5), finished("new", 30, 5), finished("middle", 20, 5)]


@pytest.mark.parametrize(
    ("retention", "now", "gone"),
    [
        (Retention(100, 9, 99), 40, []),
        (Retention(20, 9, 99), 40, ["middle", "old"]),  # exactly its time is over
        (Retention(21, 9, 99), 40, ["old"]),
        (Retention(100, 2, 99), 40, ["old"]),
        (Retention(100, 9, 10), 40, ["old"]),
        (Retention(100, 9, 9), 40, ["middle", "old"]),
        (Retention(100, 9, 4), 40, ["new", "middle", "old"]),
        (Retention(0, 9, 99), 40, ["new", "middle", "old"]),
    ],
)
def test_time_number_and_size_bound_what_is_kept(retention: Retention, now: float, gone: list[str]) -> None:
    assert expired(THREE, retention, now) == gone


def test_nothing_finished_nothing_forgotten() -> None:
    assert expired([], Retention(1, 1, 1), 10) == []


def test_forgetting_leaves_alone_what_waits_and_runs(store: JobStore) -> None:
    waiting, running, over = (store.add(new_job("echo", "", {}, {}, now=1), {}, 9) for _ in range(3))
    change(store, running.id, lambda job: claim(job, "w", now=2))
    change(store, over.id, lambda job: cancel(job, now=2))
    forget_expired(store, Retention(5, 9, 9), now=6)
    assert store.get(over.id) is not None
    forget_expired(store, Retention(5, 9, 9), now=7)
    assert [store.get(job.id) is None for job in (waiting, running, over)] == [False, False, True]


# Silence


RUNNING = claim(new_job("echo", "", {}, {}, now=0), "w", now=0)


def test_a_job_that_does_not_change_for_a_lease_is_lost() -> None:
    silence = Silence(lease_s=10)
    assert [silence.lost([RUNNING], now) for now in (100, 109.9)] == [[], []]
    assert silence.lost([RUNNING], 110) == [RUNNING]


def test_every_change_is_a_sign_of_life() -> None:
    silence = Silence(lease_s=10)
    job = RUNNING
    for now in range(0, 50, 9):
        assert silence.lost([job], now) == []
        job = touch(job)
    assert silence.lost([job], 54) == []
    assert silence.lost([job], 64) == [job]


def test_each_job_has_its_own_lease() -> None:
    silence, late = Silence(lease_s=10), RUNNING.model_copy(update={"id": "late"})
    silence.lost([RUNNING], 0)
    silence.lost([RUNNING, late], 5)
    assert silence.lost([RUNNING, late], 12) == [RUNNING]
    assert silence.lost([late], 15) == [late]
    assert silence.lost([RUNNING], 100) == []  # seen anew
