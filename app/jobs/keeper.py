"""The thread that looks after the jobs of a store: signs of life, jobs without a worker, jobs that have expired."""

import logging
import time
from threading import Event, Thread

from app.jobs.job import abandon, touch
from app.jobs.retention import Retention, forget_expired
from app.jobs.silence import Silence
from app.jobs.store import JobStore
from app.jobs.worker import Worker

BEATS = 4
"""Signs of life per lease."""

logger = logging.getLogger("skelmap")


class Keeper:
    """Looks after a store every quarter of a lease, on behalf of one worker and of all that are gone.

    Args:
        store: of the jobs.
        worker: of this process.
        lease_s: after which silence a running job has lost its worker.
        retention: what is kept of finished jobs.
    """

    def __init__(self, store: JobStore, worker: Worker, lease_s: float, retention: Retention) -> None:
        self._store = store
        self._worker = worker
        self._retention = retention
        self._silence = Silence(lease_s)
        self._beat_s = lease_s / BEATS
        self._closing = Event()
        self._thread = Thread(target=self._run, name="skelmap-keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._closing.set()
        self._thread.join()

    def look(self, now: float) -> None:
        """Look once.

        Args:
            now: monotonic seconds.
        """
        for job in self._store.in_states("running"):
            if job.run_by(self._worker.name) and job.id == self._worker.job_id:
                self._store.swap(job, touch(job), {})
        for job in self._silence.lost(self._store.in_states("running"), now):
            self._store.swap(job, abandon(job, time.time()), {})
        forget_expired(self._store, self._retention, time.time())

    def _run(self) -> None:
        while not self._closing.wait(self._beat_s):
            try:
                self.look(time.monotonic())
            except Exception:
                logger.exception("the job store failed")
