"""From a photo, a pose or a map to pictures: /generate."""

import asyncio
from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.bodies import read_files
from app.dependencies import GenerationDep, JobsDep, KeyNameDep, SettingsDep
from app.generation.job import KIND, job_input
from app.generation.request import read_request
from app.generation.sources import choose_source
from app.jobs.document import describe
from app.jobs.job import RESULT, Job
from app.jobs.jobs import Jobs
from app.openapi import generate_route
from app.protocols.protocol import Protocol

router = APIRouter(tags=["generate"])

FILES = ("photo", "pose", "map", "init_image")


class Waiting(BaseModel):
    """How the caller wants to get the pictures."""

    model_config = ConfigDict(frozen=True)

    wait: bool = Field(False, description="answer when the pictures are there, instead of at once with a job")


@router.post("/generate", status_code=202, openapi_extra=generate_route(FILES, Waiting))
async def generate(
    request: Request, generation: GenerationDep, jobs: JobsDep, settings: SettingsDep, key_name: KeyNameDep
) -> Response:
    """Make pictures of people in the poses of a photo, a pose document or a map: 202 and a job, see GET /jobs.

    With `wait` the answer comes when they are there: the job, or with `Accept: image/png` the first picture. A caller
    who then leaves cancels the job; after the server's time for waiting the answer is 202, and the job goes on.
    """
    files, given = await read_files(request, settings.image_limits, FILES)
    waiting = Waiting.model_validate({"wait": given.pop("wait", False)})
    parameters, source = read_request(given, generation.limits), choose_source(**files)
    await run_in_threadpool(generation.generator.check, parameters, source)
    asked = job_input(parameters, source)
    job = await run_in_threadpool(jobs.submit, KIND, key_name, asked.document, asked.files)
    if waiting.wait:
        job = await _finished(request, jobs, job)
    if waiting.wait and job.finished:
        return await _result(request, jobs, job)
    return await _job(request, jobs, job, 202)


async def _finished(request: Request, jobs: Jobs, job: Job) -> Job:
    """The job when it has finished or the time for waiting is over; cancelled if the caller has left."""
    loop = asyncio.get_running_loop()
    end = loop.time() + jobs.settings.max_wait_s
    while not job.finished and loop.time() < end:
        if await request.is_disconnected():
            return await run_in_threadpool(jobs.cancel, job.id, job.owner)
        await asyncio.sleep(jobs.settings.poll_s)
        job = await run_in_threadpool(jobs.get, job.id, job.owner)
    return job


async def _result(request: Request, jobs: Jobs, job: Job) -> Response:
    """The job, or its first picture where the caller wants one."""
    if job.state == "failed":
        raise HTTPException(422 if job.fault == "input" else 500, job.reason, _headers(request, job))
    if job.state == "cancelled":
        raise HTTPException(409, "the job was cancelled", _headers(request, job))
    if "image/png" in request.headers.get("accept", ""):
        name = next(iter(job.results))
        data = await run_in_threadpool(jobs.read, job, RESULT + name)
        return Response(data, headers=_headers(request, job), media_type=job.results[name].media_type)
    return await _job(request, jobs, job, 200)


async def _job(request: Request, jobs: Jobs, job: Job, status: int) -> Response:
    ahead = await run_in_threadpool(jobs.ahead, job)
    body: Mapping[str, Any] = describe(
        job, ahead=ahead, keep_s=jobs.settings.keep_s, root=request.scope.get("root_path", "")
    )
    return Response(orjson.dumps(body), status, _headers(request, job), "application/json")


def _headers(request: Request, job: Job) -> dict[str, str]:
    return {"Location": f"{request.scope.get('root_path', '')}/jobs/{job.id}"}


PROTOCOL = Protocol(router)
