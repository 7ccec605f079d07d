"""Jobs as the routes see them: each belongs to whoever made it."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

from app.jobs.job import INPUT, Job, QueueFull, UnknownJob, cancel, new_job
from app.jobs.keeper import Keeper
from app.jobs.settings import JobSettings
from app.jobs.store import JobStore, change
from app.jobs.stores import open_store
from app.jobs.work import Work
from app.jobs.worker import Worker

RECENT = 5
"""Jobs that say how long the next one may take."""

MAX_RETRY_AFTER_S = 600


class Jobs:
    """A store, and the threads of this process that work on it.

    Args:
        store: of the jobs; closed with the rest.
        works: what to do, by kind.
        settings: of the jobs.
    """

    def __init__(self, store: JobStore, works: Mapping[str, Work], settings: JobSettings) -> None:
        self.settings = settings
        self._store = store
        self._worker = Worker(store, works, settings.max_kept_bytes, settings.preview_s)
        self._keeper = Keeper(store, self._worker, settings.lease_s, settings.retention)

    @classmethod
    def open(cls, works: Mapping[str, Work], settings: JobSettings) -> Self:
        """Open the store of the settings and start to work.

        Raises:
            InvalidInput: the store cannot be used.
        """
        jobs = cls(open_store(settings.url.get_secret_value()), works, settings)
        jobs.start()
        return jobs

    def start(self) -> None:
        """Start both threads."""
        self._worker.start()
        self._keeper.start()

    def close(self) -> None:
        """End both threads: the worker's at the end of its job or, after the time of grace, of a step."""
        self._worker.close(self.settings.grace_s)
        self._keeper.close()
        self._store.close()

    def submit(self, kind: str, owner: str, document: Mapping[str, Any], files: Mapping[str, bytes]) -> Job:
        """A new job at the end of the queue.

        Raises:
            QueueFull: it has no place there.
        """
        job = new_job(kind, owner, document, files, time.time())
        inputs = {INPUT + name: data for name, data in files.items()}
        try:
            added = self._store.add(job, inputs, self.settings.max_waiting)
        except QueueFull as error:
            raise QueueFull(error.waiting, retry_after_s(self._store.in_states("done"))) from error
        self._worker.wake()
        return added

    def get(self, job_id: str, owner: str) -> Job:
        """The job as it stands.

        Raises:
            UnknownJob: there is none of this id and owner.
        """
        job = self._store.get(job_id)
        if job is None or job.owner != owner:
            raise UnknownJob(f"no such job; a finished one is kept for {self.settings.keep_s} s, if there is room")
        return job

    def of_owner(self, owner: str, limit: int) -> list[Job]:
        """The newest jobs of one owner."""
        return self._store.of_owner(owner, limit)

    def ahead(self, job: Job) -> int:
        """How many wait before it; 0 if it does not wait."""
        if job.state != "queued":
            return 0
        return sum(other.number < job.number for other in self._store.in_states("queued"))

    def cancel(self, job_id: str, owner: str) -> Job:
        """Cancel what waits, ask what runs to stop after its step, leave alone what has finished.

        Raises:
            UnknownJob: there is none of this id and owner.
        """
        self.get(job_id, owner)
        cancelled = change(self._store, job_id, lambda job: cancel(job, time.time()))
        return cancelled or self.get(job_id, owner)

    def read(self, job: Job, name: str) -> bytes | None:
        """The data of one of its files, `result/<name>` or `preview`; None: it has none."""
        return self._store.read(job.id, name)


def retry_after_s(done: Sequence[Job]) -> int:
    """About how long until there is a place in the queue: what the last jobs took on average."""
    took = [(job.finished_at or 0) - (job.started_at or 0) for job in done[-RECENT:]]
    return min(max(1, round(sum(took) / len(took))), MAX_RETRY_AFTER_S) if took else QueueFull(0).retry_after_s
