"""Jobs as the routes see them: submitted, found by whoever made them, cancelled; and their settings."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.jobs.job import Job, QueueFull, UnknownJob
from app.jobs.jobs import MAX_RETRY_AFTER_S, Jobs, retry_after_s
from app.jobs.retention import Retention
from app.jobs.settings import JobSettings
from app.jobs.store import JobStore
from tests.app.jobs.tiny_work import shout


@pytest.fixture
def jobs(store: JobStore) -> Jobs:
    """Jobs that nobody does."""
    return Jobs(store, {"shout": shout}, JobSettings(max_waiting=3))


def test_a_job_belongs_to_whoever_made_it(jobs: Jobs) -> None:
    mine, yours = jobs.submit("shout", "me", {}, {}), jobs.submit("shout", "you", {}, {})
    assert jobs.get(mine.id, "me") == mine
    assert jobs.of_owner("me", 10) == [mine]
    for owner in ("me", "", "ME"):
        with pytest.raises(UnknownJob):
            jobs.get(yours.id, owner)
        with pytest.raises(UnknownJob):
            jobs.cancel(yours.id, owner)
    assert jobs.get(yours.id, "you").state == "queued"


def test_how_many_are_ahead(jobs: Jobs) -> None:
    waiting = [jobs.submit("shout", "", {}, {}) for _ in range(3)]
    assert [jobs.ahead(job) for job in waiting] == [0, 1, 2]
    cancelled = jobs.cancel(waiting[0].id, "")
    assert cancelled.state == "cancelled"
    assert [jobs.ahead(job) for job in (cancelled, *waiting[1:])] == [0, 0, 1]
    assert jobs.cancel(cancelled.id, "") == cancelled


def test_a_full_queue_says_when_to_come_back(jobs: Jobs) -> None:
    for _ in range(3):
        jobs.submit("shout", "", {}, {})
    with pytest.raises(QueueFull) as caught:
        jobs.submit("shout", "", {}, {})
    assert (caught.value.waiting, caught.value.retry_after_s) == (3, 10)


@pytest.mark.parametrize(
    ("seconds", "expected"), [([], 10), ([4], 4), ([99, 1, 2, 3, 4, 5], 3), ([0.1], 1), ([1e6], MAX_RETRY_AFTER_S)]
)
def test_the_next_place_is_free_after_what_the_last_jobs_took(seconds: list[float], expected: int) -> None:
    done = [Job(id="x", kind="shout", created_at=0, started_at=100, finished_at=100 + took) for took in seconds]
    assert retry_after_s(done) == expected


# Settings


def test_jobs_lie_beside_the_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKELMAP_HOME", str(tmp_path))
    settings = JobSettings()
    assert settings.url.get_secret_value() == f"sqlite:///{tmp_path}/jobs.db"
    assert settings.retention == Retention(3600, 200, 2**31)


def test_every_setting_has_a_variable_and_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, field in JobSettings.model_fields.items():
        monkeypatch.setenv(
            f"SKELMAP_JOBS_{name.upper()}",
            {"url": "redis://:secret@here/0"}.get(name, "2097152" if "bytes" in name else "3"),
        )
        assert field.description
    settings = JobSettings()
    assert settings.url.get_secret_value() == "redis://:secret@here/0"
    assert settings.max_waiting == settings.lease_s == settings.grace_s == settings.max_kept == 3
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "mysql://here"),
        ("url", ""),
        ("max_waiting", 0),
        ("keep_s", 0),
        ("max_kept", 0),
        ("max_kept_bytes", 1),
        ("max_wait_s", 0),
        ("grace_s", -1),
        ("lease_s", 0),
        ("poll_s", 0),
        ("preview_s", -1),
    ],
)
def test_what_cannot_be_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        JobSettings.model_validate({name: value})


def test_a_store_that_cannot_be_opened_starts_nothing() -> None:
    with pytest.raises(ValueError, match="cannot be used"):
        Jobs.open({}, JobSettings(url=SecretStr("sqlite:////proc/nothing/jobs.db")))
