"""From a photo, a pose or a map to pictures: /generate."""

import asyncio

import orjson
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.bodies import read_files
from app.dependencies import DescribeDep, GenerationDep, JobsDep, KeyNameDep, SettingsDep, WorkDep
from app.generation.job import KIND, check_source, job_input
from app.generation.request import GenerationRequest, read_request
from app.generation.sources import SOURCE_KINDS, choose_source
from app.jobs.job import RESULT, Job
from app.jobs.jobs import Jobs
from app.openapi import generate_route
from app.protocols.protocol import Protocol

router = APIRouter(tags=["generate"])

INIT_IMAGE = "init_image"
FILES = (*SOURCE_KINDS, INIT_IMAGE)


class Waiting(BaseModel):
    """How the caller wants to get the pictures."""

    model_config = ConfigDict(frozen=True)

    wait: bool = Field(default=False, description="answer when the pictures are there, instead of at once with a job")


@router.post("/generate", status_code=202, openapi_extra=generate_route(FILES, GenerationRequest, Waiting))
async def generate(
    request: Request,
    *,
    generation: GenerationDep,
    jobs: JobsDep,
    describe: DescribeDep,
    work: WorkDep,
    settings: SettingsDep,
    key_name: KeyNameDep,
) -> Response:
    """Make pictures of people in the poses of a photo, a pose document or a map: 202 and a job, see GET /jobs.

    With `wait` the answer comes when they are there: the job, or with `Accept: image/png` the first picture. A caller
    who then leaves cancels the job; after the server's time for waiting the answer is 202, and the job goes on.
    """
    files, given = await read_files(request, settings.image_limits, FILES)
    waiting = Waiting.model_validate({"wait": given.pop("wait", False)})
    parameters = read_request(given, generation.limits)
    source = choose_source(files, files.get(INIT_IMAGE))
    await run_in_threadpool(generation.generator.check, parameters, source)
    await work.call(lambda: check_source(source, settings.image_limits))
    asked = job_input(parameters, source)
    job = await run_in_threadpool(jobs.submit, KIND, key_name, asked.document, asked.files)
    if waiting.wait:
        job = await _until_finished(request, jobs, job)
    headers = {"Location": f"{request.scope.get('root_path', '')}/jobs/{job.id}"}
    if job.state == "failed":
        raise HTTPException(422 if job.fault == "input" else 500, job.reason, headers)
    if job.state == "cancelled":
        raise HTTPException(409, "the job was cancelled", headers)
    if job.state == "done" and "image/png" in request.headers.get("accept", ""):
        data = await run_in_threadpool(jobs.read, job, RESULT + "image-1.png")
        return Response(data, 200, headers, "image/png")
    body = await run_in_threadpool(describe, job)
    return Response(orjson.dumps(body), 200 if job.finished else 202, headers, "application/json")


async def _until_finished(request: Request, jobs: Jobs, job: Job) -> Job:
    """The job when it has finished or the time for waiting is over; cancelled if the caller has left."""
    loop = asyncio.get_running_loop()
    end = loop.time() + jobs.settings.max_wait_s
    while not job.finished and loop.time() < end:
        if await request.is_disconnected():
            return await run_in_threadpool(jobs.cancel, job.id, job.owner)
        await asyncio.sleep(jobs.settings.poll_s)
        job = await run_in_threadpool(jobs.get, job.id, job.owner)
    return job


PROTOCOL = Protocol(router)
