"""Following a job from the event loop."""

import asyncio
from collections.abc import AsyncIterator

from app.jobs.job import Job, UnknownJob
from app.jobs.jobs import Jobs


async def follow(jobs: Jobs, job_id: str, owner: str, seen: int = -1) -> AsyncIterator[Job]:
    """The job as it stands now, and again whenever it has changed, to its end.

    A store is asked a few times per second, so that it does not matter which process runs the job. Who comes back with
    the last revision that was seen misses nothing, because the next one says everything again.

    Args:
        jobs: that it is one of.
        job_id: its id.
        owner: its owner.
        seen: the revision that is known already; an end is told again.
    """
    while True:
        try:
            job = await asyncio.to_thread(jobs.get, job_id, owner)
        except UnknownJob:
            return  # forgotten meanwhile
        if job.revision != seen or job.finished:
            yield job
        if job.finished:
            return
        seen = job.revision
        await asyncio.sleep(jobs.settings.poll_s)
