"""How long jobs that have finished are kept, and how much of them."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.jobs.job import FINISHED, Job
from app.jobs.store import JobStore


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept of jobs that have finished.

    Attributes:
        keep_s: how long.
        max_jobs: how many.
        max_bytes: of their files.
    """

    keep_s: float
    max_jobs: int
    max_bytes: int


def expired(finished: Sequence[Job], retention: Retention, now: float) -> list[str]:
    """Ids of the jobs to forget: those whose time is over, and the oldest beyond what is kept."""
    kept, size, gone = 0, 0, []
    for job in sorted(finished, key=lambda job: job.finished_at or 0, reverse=True):
        fits = kept < retention.max_jobs and size + job.size <= retention.max_bytes
        if fits and now - (job.finished_at or 0) < retention.keep_s:
            kept, size = kept + 1, size + job.size
        else:
            gone.append(job.id)
    return gone


def forget_expired(store: JobStore, retention: Retention, now: float) -> None:
    """Remove them."""
    for job_id in expired(store.in_states(*FINISHED), retention, now):
        store.remove(job_id)
