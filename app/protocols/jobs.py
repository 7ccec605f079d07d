"""Routes of jobs, whatever they do: /jobs."""

import base64
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.dependencies import DescribeDep, JobsDep, KeyNameDep
from app.jobs.following import follow
from app.jobs.job import PREVIEW, RESULT, Job
from app.jobs.jobs import Jobs
from app.openapi import problems
from app.protocols.protocol import Protocol

router = APIRouter(tags=["jobs"], responses=problems("404", "501"))

LISTED = 100


def find_job(job_id: str, jobs: JobsDep, key_name: KeyNameDep) -> Job:
    """The job of the path.

    Raises:
        UnknownJob: there is none, or it was made with another key.
    """
    return jobs.get(job_id, key_name)


@router.get("/jobs", responses=problems("403"))
def list_jobs(
    jobs: JobsDep,
    describe: DescribeDep,
    key_name: KeyNameDep,
    limit: Annotated[int, Query(ge=1, le=LISTED, description="how many at the most")] = LISTED,
) -> dict[str, Any]:
    """The newest jobs made with the caller's API key, newest first; without a key nobody can say whose they are."""
    if not key_name:
        raise HTTPException(403, "jobs are listed by API key, and this request has none; ask for a job by its id")
    return {"jobs": [describe(job) for job in jobs.of_owner(key_name, limit)]}


@router.get("/jobs/{job_id}")
def show_job(describe: DescribeDep, job: Annotated[Job, Depends(find_job)]) -> dict[str, Any]:
    """How a job stands: `queued`, `running`, `done`, `failed` or `cancelled`; progress, position, results."""
    return describe(job)


@router.delete("/jobs/{job_id}")
def cancel_job(job_id: str, jobs: JobsDep, describe: DescribeDep, key_name: KeyNameDep) -> dict[str, Any]:
    """Cancel a job: at once if it waits, after its step if it runs; what has finished stays as it is."""
    return describe(jobs.cancel(job_id, key_name))


@router.get("/jobs/{job_id}/results/{name}", response_class=Response)
def read_result(name: str, jobs: JobsDep, job: Annotated[Job, Depends(find_job)]) -> Response:
    """A file that came out."""
    if name not in job.results:
        there = ", ".join(job.results) or f"none, it is {job.state}"
        raise HTTPException(404, f"the job has no result of this name; there are: {there}")
    return _file(jobs, job, RESULT + name)


@router.get("/jobs/{job_id}/preview", response_class=Response)
def read_preview(jobs: JobsDep, job: Annotated[Job, Depends(find_job)]) -> Response:
    """The picture as it stands, while the job runs."""
    if PREVIEW not in job.files:
        raise HTTPException(404, f"the job has no preview; it is {job.state}")
    return _file(jobs, job, PREVIEW)


def _file(jobs: Jobs, job: Job, name: str) -> Response:
    data = jobs.read(job, name)
    if data is None:
        raise HTTPException(404, "the file is gone since the job was looked up")
    return Response(data, headers={"Cache-Control": "private, no-store"}, media_type=job.files[name].media_type)


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def follow_job(
    jobs: JobsDep,
    describe: DescribeDep,
    job: Annotated[Job, Depends(find_job)],
    last_event_id: Annotated[int | None, Header(description="the last event seen; what came since is told")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """The job whenever it changes, as server-sent events.

    `progress` carries what GET /jobs/{job_id} says, and a new `preview_image` as a data URL; `end` is the last one.
    Comments keep the connection alive.
    """
    previewed, told = -1, None
    async for now in follow(jobs, job.id, job.owner, -1 if last_event_id is None else last_event_id):
        says = await run_in_threadpool(describe, now)
        if says == told:  # a sign of life is nothing to tell
            continue
        image = await run_in_threadpool(jobs.read, now, PREVIEW) if now.previewed > previewed else None
        previewed, told = now.previewed, says
        yield ServerSentEvent(
            event="end" if now.finished else "progress",
            id=str(now.revision),
            data=says if image is None else {**says, "preview_image": _data_url(image)},
        )


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


PROTOCOL = Protocol(router)
