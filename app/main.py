"""The web application: settings in, ASGI app out."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from fastapi import FastAPI

from app import __version__, problems
from app.engine import Engine
from app.generation.job import KIND, Generation, generation_of_environment, generation_work
from app.jobs.jobs import Jobs
from app.middleware import BodyLimit, RequestId
from app.models import ModelStore, load_defaults
from app.protocols import PROTOCOLS
from app.service import PoseService
from app.settings import Settings

_BASE64_GROWTH = 1.4
_FIELDS_BYTES = 1 << 20


def create_app(settings: Settings | None = None, generation: Generation | None = None) -> FastAPI:
    """The server with these settings, or with those of the environment.

    The default models are loaded at start. Missing weights leave the server running, not ready, saying what to pull;
    a device that is not there or a broken file stops it.

    Args:
        settings: None for those of the environment.
        generation: what makes pictures, None for what the environment says, which is nothing unless it names models.

    Raises:
        InvalidInput: a setting of the environment that cannot be used.

    Raises at start-up:
        DeviceUnavailable: `device` is cuda and the networks would run on the CPU.
        ModelError: a model file that cannot be used.
        InvalidInput: a job store that cannot be used.
    """
    settings = settings or Settings()
    models = ModelStore(settings)
    generation = generation or generation_of_environment(PoseService(models, settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = Engine(settings.workers, settings.max_queue)
        app.state.readiness = load_defaults(models, settings)
        with doing_jobs(generation) as app.state.jobs:
            yield
        app.state.engine.close()

    app = FastAPI(
        title="Skelmap",
        version=__version__,
        description="A photo in, 133 whole-body keypoints and a ControlNet skeleton map out.",
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.models = models
    app.state.generation = generation
    shapes = {path: protocol.write_problem for protocol in PROTOCOLS.values() for path in protocol.problem_paths}
    app.add_middleware(BodyLimit, max_bytes=int(settings.max_bytes * _BASE64_GROWTH) + _FIELDS_BYTES, shapes=shapes)
    app.add_middleware(RequestId)
    problems.install(app, shapes)
    for protocol in PROTOCOLS.values():
        app.include_router(protocol.router)
    return app


@contextmanager
def doing_jobs(generation: Generation | None) -> Iterator[Jobs | None]:
    """The jobs of a server while it runs; None where it makes no pictures."""
    if generation is None:
        yield None
        return
    jobs = Jobs.open({KIND: generation_work(generation.generator)}, generation.jobs)
    try:
        yield jobs
    finally:
        jobs.close()
        generation.generator.close()
