"""A job as its caller reads it."""

from datetime import UTC, datetime
from typing import Any

from app.jobs.job import PREVIEW, Job


def describe(job: Job, *, ahead: int, keep_s: float, root: str = "") -> dict[str, Any]:
    """JSON values; times in ISO 8601, UTC; links as absolute paths.

    Args:
        job: the job.
        ahead: how many wait before it.
        keep_s: how long it is kept once it has finished.
        root: what stands before every path.
    """
    here = f"{root}/jobs/{job.id}"
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "position": ahead + 1 if job.state == "queued" else None,
        "cancelling": job.cancelling,
        "progress": {"done": job.done, "total": job.total},
        "created_at": _time(job.created_at),
        "started_at": _time(job.started_at),
        "finished_at": _time(job.finished_at),
        "expires_at": None if job.finished_at is None else _time(job.finished_at + keep_s),
        "reason": job.reason or None,
        "fault": job.fault or None,
        "warnings": list(job.warnings),
        "asked": job.document,
        "result": job.result,
        "results": [
            {"name": name, "url": f"{here}/results/{name}", "media_type": file.media_type, "bytes": file.size}
            for name, file in job.results.items()
        ],
        "preview": f"{here}/preview" if PREVIEW in job.files else None,
        "events": f"{here}/events",
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
