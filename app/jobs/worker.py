"""The one thread that does jobs."""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from functools import partial
from threading import Event, Thread

import orjson

from app.generation.watch import Cancelled
from app.jobs.job import INPUT, PREVIEW, RESULT, Fault, Job, StoredFile, claim, fail, progress, requeue, stop, succeed
from app.jobs.store import JobStore, change
from app.jobs.work import JobInput, JobOutput, Work
from pose_core.errors import InvalidInput, PoseError

IDLE_S = 1.0
"""How long the worker sleeps when nothing waits; jobs of its own process wake it, those of others are found then."""

WRITE_ATTEMPTS = 60

UNEXPECTED = "the job failed; the server's log has the reason under its id"

logger = logging.getLogger("skelmap")

Ending = tuple[Callable[[Job], Job], Mapping[str, bytes]]
"""How a job ended: the change of its record, and its new files."""


class ResultTooLarge(PoseError):
    """More came out than the store keeps."""


class UnknownKind(PoseError):
    """A job of another version that uses the same store."""


class JobWatch:
    """Writes every step down, and raises `Cancelled` where the job is not to go on.

    Args:
        store: that keeps the job.
        job_id: of the job.
        worker: that runs it.
        interrupted: set when the server ends.
        preview_s: least time between two previews.
    """

    def __init__(self, store: JobStore, job_id: str, worker: str, interrupted: Event, preview_s: float) -> None:
        self._store = store
        self._job_id = job_id
        self._worker = worker
        self._interrupted = interrupted
        self._preview_s = preview_s
        self._previewed_at = -float("inf")

    def step(self, done: int, total: int, preview: Callable[[], bytes] | None) -> None:
        """See `Watch.step`."""
        picture = self._picture(preview)
        changing = partial(progress, worker=self._worker, done=done, total=total, preview=picture)
        job = change(self._store, self._job_id, changing, {} if picture is None else {PREVIEW: picture})
        wanted = job is not None and job.run_by(self._worker) and not job.cancelling
        if self._interrupted.is_set() or not wanted:
            raise Cancelled

    def _picture(self, preview: Callable[[], bytes] | None) -> bytes | None:
        now = time.monotonic()
        if preview is None or now - self._previewed_at < self._preview_s:
            return None
        self._previewed_at = now
        return preview()


class Worker:
    """Does the jobs of a store, one after the other, in a thread of its own.

    Args:
        store: of the jobs.
        works: what to do, by kind.
        max_bytes: of the results of one job.
        preview_s: least time between two previews.

    Attributes:
        name: of this worker, like no other's.
        job_id: of the job that it does; None: it waits for one.
    """

    def __init__(self, store: JobStore, works: Mapping[str, Work], max_bytes: int, preview_s: float) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self.job_id: str | None = None
        self._store = store
        self._works = works
        self._max_bytes = max_bytes
        self._preview_s = preview_s
        self._wake, self._closing, self._interrupted = Event(), Event(), Event()
        self._thread = Thread(target=self._run, name="skelmap-jobs", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a job waits."""
        self._wake.set()

    def close(self, grace_s: float) -> None:
        """Take no further job, and let the running one finish, or else put it back into the queue.

        Args:
            grace_s: how long it may go on, and then again how long its step may take; a longer step is left behind.
        """
        self._closing.set()
        self.wake()
        self._thread.join(grace_s)
        self._interrupted.set()
        self._thread.join(grace_s)
        if self._thread.is_alive() and self.job_id is not None:
            change(self._store, self.job_id, partial(requeue, worker=self.name, now=time.time()))

    def run_next(self) -> bool:
        """Do the job that has waited longest; False: none waits."""
        job = self._claim()
        if job is None:
            return False
        self.job_id = job.id
        try:
            self._write_down(job, *self._do(job))
        finally:
            self.job_id = None
        return True

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            if not self._tried() and not self._closing.is_set():
                self._wake.wait(IDLE_S)

    def _tried(self) -> bool:
        """Whether there was a job; a store that fails for a while is no end."""
        try:
            return self.run_next()
        except Exception:
            logger.exception("the job store failed")
            return False

    def _write_down(self, job: Job, changing: Callable[[Job], Job], files: Mapping[str, bytes]) -> None:
        """Write how a job ended; a store that is away for a minute loses nothing."""
        for _ in range(WRITE_ATTEMPTS):
            try:
                change(self._store, job.id, changing, files)
            except Exception:
                logger.exception("job %s has ended, but the job store failed", job.id)
                if self._interrupted.wait(IDLE_S):
                    return
            else:
                return

    def _claim(self) -> Job | None:
        for waiting in self._store.in_states("queued"):
            job = change(self._store, waiting.id, partial(claim, worker=self.name, now=time.time()))
            if job is not None and job.run_by(self.name):
                return job
        return None

    def _do(self, job: Job) -> Ending:
        watch = JobWatch(self._store, job.id, self.name, self._interrupted, self._preview_s)
        try:
            return self._success(self._work(job.kind)(self._input(job), watch))
        except Cancelled:
            ending = requeue if self._interrupted.is_set() else stop
            return partial(ending, worker=self.name, now=time.time()), {}
        except PoseError as error:
            fault: Fault = "input" if isinstance(error, InvalidInput) else "server"
            reason = str(error).encode(errors="replace").decode()  # it may repeat half a surrogate pair
        except Exception:
            logger.exception("job %s failed", job.id)
            reason, fault = UNEXPECTED, "server"
        return partial(fail, worker=self.name, reason=reason, fault=fault, now=time.time()), {}

    def _work(self, kind: str) -> Work:
        if kind not in self._works:
            raise UnknownKind(f"this server does not know jobs of kind {kind!r}, only {', '.join(self._works)}")
        return self._works[kind]

    def _input(self, job: Job) -> JobInput:
        names = [name for name in job.files if name.startswith(INPUT)]
        read = {name.removeprefix(INPUT): self._store.read(job.id, name) for name in names}
        files = {name: data for name, data in read.items() if data is not None}
        if len(files) < len(names):
            raise Cancelled  # somebody has ended the job since it was claimed
        return JobInput(job.document, files)

    def _success(self, output: JobOutput) -> Ending:
        data = {RESULT + name: file.data for name, file in output.files.items()}
        described = {
            RESULT + name: StoredFile(size=len(file.data), media_type=file.media_type)
            for name, file in output.files.items()
        }
        if (size := sum(file.size for file in described.values())) > self._max_bytes:
            raise ResultTooLarge(f"the results have {size} bytes; this server keeps {self._max_bytes}")
        changing = partial(
            succeed,
            worker=self.name,
            result=orjson.loads(orjson.dumps(output.document)),
            warnings=output.warnings,
            files=described,
            now=time.time(),
        )
        return changing, data
