"""A server process that makes tiny pictures: `python serve_tiny.py JOBS_URL [free]`; `free` holds nothing."""

import sys

import uvicorn
from pydantic import SecretStr

from app.generation.job import Generation
from app.generation.limits import GenerationLimits
from app.jobs.settings import JobSettings
from app.main import create_app
from app.settings import Settings
from tests.app.tiny_generator import TinyGenerator


def main(url: str, free: str = "") -> None:
    """Serve on a free port until told to end."""
    jobs = JobSettings(url=SecretStr(url), grace_s=0.1, lease_s=0.4, poll_s=0.02)
    tiny = TinyGenerator()
    if free:
        tiny.release.set()
    app = create_app(Settings(detector="whole-image"), Generation(tiny, GenerationLimits(), jobs))
    uvicorn.run(app, port=0, timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
