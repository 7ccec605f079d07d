"""What every store of jobs can do; one contract, tested against all of `stores/`."""

from collections.abc import Callable, Mapping
from typing import Protocol

from app.jobs.job import Job, State


class JobStore(Protocol):
    """Keeps jobs and their files; safe to use from several threads and processes."""

    def add(self, job: Job, files: Mapping[str, bytes], max_waiting: int) -> Job:
        """Put a new job behind the others.

        Args:
            job: a job that waits.
            files: the data of `job.files`.
            max_waiting: how many jobs may wait.

        Returns:
            The job with its number.

        Raises:
            QueueFull: so many wait already; nothing is kept then.
        """

    def get(self, job_id: str) -> Job | None:
        """The job as it stands; None: there is none."""

    def swap(self, old: Job, new: Job, files: Mapping[str, bytes]) -> bool:
        """Write a change and its files, all of it or nothing.

        Args:
            old: the job as it was read.
            new: the same with another revision. Files that it no longer names are dropped.
            files: data of files in `new.files` that are new.

        Returns:
            Whether it was written; not, if the job has another revision than `old` by now.
        """

    def in_states(self, *states: State) -> list[Job]:
        """All jobs in these states, in order of arrival."""

    def of_owner(self, owner: str, limit: int) -> list[Job]:
        """The newest jobs of one owner, newest first."""

    def read(self, job_id: str, name: str) -> bytes | None:
        """The data of a file; None: there is none."""

    def remove(self, job_id: str) -> None:
        """Forget a job and its files, if it is there."""

    def close(self) -> None:
        """Let go of connections."""


def change(
    store: JobStore, job_id: str, changing: Callable[[Job], Job], files: Mapping[str, bytes] | None = None
) -> Job | None:
    """Change a job, again where somebody else was faster.

    Returns:
        The job as it is then; None: there is no such job.
    """
    while (job := store.get(job_id)) is not None:
        changed = changing(job)
        if changed is job or store.swap(job, changed, files or {}):
            return changed
    return None
