"""Routes of jobs, whatever they do: /jobs."""

import base64
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.dependencies import JobsDep, KeyNameDep
from app.jobs.document import describe
from app.jobs.following import follow
from app.jobs.job import PREVIEW, RESULT, Job
from app.openapi import problems
from app.protocols.protocol import Protocol

router = APIRouter(tags=["jobs"], responses=problems("404", "501"))

LISTED = 100


def _job(job_id: str, jobs: JobsDep, key_name: KeyNameDep) -> Job:
    return jobs.get(job_id, key_name)


JobDep = Annotated[Job, Depends(_job)]
"""The job of the path; 404 where it is not the caller's."""


@router.get("/jobs")
def jobs_of_the_caller(
    request: Request,
    jobs: JobsDep,
    key_name: KeyNameDep,
    limit: Annotated[int, Query(ge=1, le=LISTED, description="how many at the most")] = LISTED,
) -> dict[str, Any]:
    """The newest jobs made with the caller's API key, newest first; without a key nobody can say whose they are."""
    if not key_name:
        raise HTTPException(403, "jobs are listed by API key, and this request has none; ask for a job by its id")
    root = request.scope.get("root_path", "")
    found = jobs.of_owner(key_name, limit)
    return {"jobs": [describe(job, ahead=jobs.ahead(job), keep_s=jobs.settings.keep_s, root=root) for job in found]}


@router.get("/jobs/{job_id}")
def job(request: Request, jobs: JobsDep, job: JobDep) -> dict[str, Any]:
    """How a job stands: `queued`, `running`, `done`, `failed` or `cancelled`; progress, position, results."""
    root = request.scope.get("root_path", "")
    return describe(job, ahead=jobs.ahead(job), keep_s=jobs.settings.keep_s, root=root)


@router.delete("/jobs/{job_id}")
def cancel(request: Request, jobs: JobsDep, key_name: KeyNameDep, job_id: str) -> dict[str, Any]:
    """Cancel a job: at once if it waits, after its step if it runs; what has finished stays as it is."""
    cancelled = jobs.cancel(job_id, key_name)
    root = request.scope.get("root_path", "")
    return describe(cancelled, ahead=0, keep_s=jobs.settings.keep_s, root=root)


@router.get("/jobs/{job_id}/results/{name}", response_class=Response)
def result(jobs: JobsDep, job: JobDep, name: str) -> Response:
    """A file that came out."""
    if name not in job.results:
        there = ", ".join(job.results) or f"none, it is {job.state}"
        raise HTTPException(404, f"the job has no result of this name; there are: {there}")
    return _file(jobs, job, RESULT + name, f'inline; filename="{name}"')


@router.get("/jobs/{job_id}/preview", response_class=Response)
def preview(jobs: JobsDep, job: JobDep) -> Response:
    """The picture as it stands, while the job runs."""
    if PREVIEW not in job.files:
        raise HTTPException(404, f"the job has no preview; it is {job.state}")
    return _file(jobs, job, PREVIEW, "inline")


def _file(jobs: JobsDep, job: Job, name: str, disposition: str) -> Response:
    data = jobs.read(job, name)
    if data is None:
        raise HTTPException(404, "the file has expired meanwhile")
    headers = {"Content-Disposition": disposition, "Cache-Control": "private, no-store"}
    return Response(data, headers=headers, media_type=job.files[name].media_type)


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def events(
    request: Request,
    jobs: JobsDep,
    job: JobDep,
    last_event_id: Annotated[int | None, Header(description="the last event seen; what came since is told")] = None,
) -> AsyncIterator[ServerSentEvent]:
    """The job whenever it changes, as server-sent events.

    `progress` carries what GET /jobs/{job_id} says, and a new `preview_image` as a data URL; `end` is the last one.
    Comments keep the connection alive.
    """
    root, previewed, told = request.scope.get("root_path", ""), -1, None
    async for now in follow(jobs, job.id, job.owner, -1 if last_event_id is None else last_event_id):
        ahead = await run_in_threadpool(jobs.ahead, now)
        says = describe(now, ahead=ahead, keep_s=jobs.settings.keep_s, root=root)
        if says != told:  # a sign of life is nothing to tell
            image = await run_in_threadpool(jobs.read, now, PREVIEW) if now.previewed > previewed else None
            previewed, told = now.previewed, says
            yield ServerSentEvent(
                event="end" if now.finished else "progress",
                id=str(now.revision),
                data=says | ({} if image is None else {"preview_image": _data_url(image)}),
            )


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


PROTOCOL = Protocol(router)
