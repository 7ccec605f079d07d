"""What is known about a job, and every way in which it can change.

    queued -> running -> done | failed | cancelled
       ^         |
       +---------+  the server was stopped in good order
    queued -> cancelled

A change is a pure function of the job; a store writes it down if nobody has changed the job meanwhile.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

State = Literal["queued", "running", "done", "failed", "cancelled"]
Fault = Literal["", "input", "server"]

FINISHED: tuple[State, ...] = ("done", "failed", "cancelled")

STOPPED = "the server was stopped while it ran"
"""Why a job failed whose worker is no longer there."""

INPUT = "input/"
RESULT = "result/"
PREVIEW = "preview"
"""Files of a job are named `input/<name>`, `result/<name>` and `preview`."""


class QueueFull(Exception):
    """As many jobs wait as may.

    Attributes:
        waiting: how many.
        retry_after_s: when it is worth trying again.
    """

    def __init__(self, waiting: int, retry_after_s: int = 10) -> None:
        self.waiting = waiting
        self.retry_after_s = retry_after_s
        super().__init__(f"{waiting} jobs are waiting already, which is the most this server queues")


class UnknownJob(Exception):
    """No such job: never made, somebody else's, or forgotten."""


class StoredFile(BaseModel):
    """What is known about a file of a job without reading it."""

    model_config = ConfigDict(frozen=True)

    size: int
    media_type: str = "application/octet-stream"


class Job(BaseModel):
    """A job as it stands.

    Attributes:
        id: unguessable; whoever knows it may look.
        kind: which function does it.
        owner: name of the API key that made it; empty without keys.
        number: order of arrival, given by the store.
        revision: grows with every change; the store's and the watchers' way to tell them apart.
        state: see the module.
        document: what was asked for.
        created_at, started_at, finished_at: seconds since 1970.
        worker: which process runs it, or ran it.
        cancelling: somebody wants it to stop; it does so after the step that it is in.
        done, total: steps.
        previewed: the step of which the preview is; -1 without one.
        reason: why it failed.
        fault: what was to blame for that.
        result: what came out beside the files.
        warnings: what the caller should know.
        files: that the store keeps of it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    kind: str
    owner: str = ""
    number: int = 0
    revision: int = 0
    state: State = "queued"
    document: dict[str, Any] = {}
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None
    worker: str = ""
    cancelling: bool = False
    done: int = 0
    total: int = 0
    previewed: int = -1
    reason: str = ""
    fault: Fault = ""
    result: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    files: dict[str, StoredFile] = {}

    @property
    def finished(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.state in FINISHED

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(file.size for file in self.files.values())

    @property
    def results(self) -> dict[str, StoredFile]:
        """The files that came out, under the names that callers use."""
        return {name.removeprefix(RESULT): file for name, file in self.files.items() if name.startswith(RESULT)}

    def run_by(self, worker: str) -> bool:
        """Whether this worker runs it."""
        return self.state == "running" and self.worker == worker


def new_job(kind: str, owner: str, document: Mapping[str, Any], files: Mapping[str, bytes], now: float) -> Job:
    """A job that waits, with an id of 256 random bits."""
    stored = {INPUT + name: StoredFile(size=len(data)) for name, data in files.items()}
    return Job(
        id=secrets.token_urlsafe(32), kind=kind, owner=owner, document=dict(document), created_at=now, files=stored
    )


def touch(job: Job) -> Job:
    """Nothing but the sign that its worker is alive."""
    return job.model_copy(update={"revision": job.revision + 1})


def claim(job: Job, worker: str, now: float) -> Job:
    """It begins to run, unless it no longer waits."""
    if job.state != "queued":
        return job
    return _changed(job, state="running", worker=worker, started_at=now)


def progress(job: Job, worker: str, done: int, total: int, preview: bytes | None) -> Job:
    """A step is done, and there may be a new preview."""
    if not job.run_by(worker):
        return job
    if preview is None:
        return _changed(job, done=done, total=total)
    files = {**job.files, PREVIEW: StoredFile(size=len(preview), media_type="image/png")}
    return _changed(job, done=done, total=total, previewed=done, files=files)


def succeed(
    job: Job,
    *,
    worker: str,
    result: Mapping[str, Any],
    warnings: tuple[str, ...],
    files: Mapping[str, StoredFile],
    now: float,
) -> Job:
    """It is done; of its files only these results stay."""
    if not job.run_by(worker):
        return job
    return _ended(job, "done", now, result=dict(result), warnings=warnings, done=job.total, files=dict(files))


def fail(job: Job, *, worker: str, reason: str, fault: Fault, now: float) -> Job:
    """It could not be done."""
    return _ended(job, "failed", now, reason=reason, fault=fault) if job.run_by(worker) else job


def stop(job: Job, worker: str, now: float) -> Job:
    """It has been cancelled while it ran."""
    return _ended(job, "cancelled", now) if job.run_by(worker) else job


def requeue(job: Job, worker: str, now: float) -> Job:
    """Its server ends in good order: it waits again, from its first step; unless it was to be cancelled anyway."""
    if not job.run_by(worker) or job.cancelling:
        return stop(job, worker, now)
    files = {name: file for name, file in job.files.items() if name != PREVIEW}
    return _changed(job, state="queued", worker="", started_at=None, done=0, total=0, previewed=-1, files=files)


def cancel(job: Job, now: float) -> Job:
    """Nobody wants it any more: what waits ends at once, what runs after the step that it is in."""
    if job.state == "queued":
        return _ended(job, "cancelled", now)
    return _changed(job, cancelling=True) if job.state == "running" and not job.cancelling else job


def abandon(job: Job, now: float) -> Job:
    """Whoever ran it is gone."""
    if job.cancelling:
        return _ended(job, "cancelled", now)
    return _ended(job, "failed", now, reason=STOPPED, fault="server")


def _changed(job: Job, **values: object) -> Job:
    return touch(job).model_copy(update=values)


def _ended(job: Job, state: State, now: float, **values: object) -> Job:
    """Input and preview go, whatever came of it."""
    return _changed(
        job, **{"state": state, "finished_at": now, "cancelling": False, "previewed": -1, "files": {}, **values}
    )
