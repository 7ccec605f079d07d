"""Which running jobs have lost their worker.

A worker changes the revision of its job every few seconds. A job whose revision stands still for a whole lease is
nobody's. Only the watcher's own monotonic clock counts, so clocks of several machines need not agree.
"""

from collections.abc import Sequence

from app.jobs.job import Job


class Silence:
    """Remembers since when each running job has not changed."""

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._seen: dict[str, tuple[int, float]] = {}

    def lost(self, running: Sequence[Job], now: float) -> list[Job]:
        """The jobs that have been silent for a lease.

        Args:
            running: every job that runs, as it stands.
            now: monotonic seconds.
        """
        before = self._seen
        self._seen = {job.id: _since(job, before, now) for job in running}
        return [job for job in running if now - self._seen[job.id][1] >= self._lease_s]


def _since(job: Job, before: dict[str, tuple[int, float]], now: float) -> tuple[int, float]:
    seen = before.get(job.id)
    return seen if seen and seen[0] == job.revision else (job.revision, now)
