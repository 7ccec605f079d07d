"""The web application: settings in, ASGI app out."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import BaseRoute

from app import __version__, problems
from app.cache import ResultCache
from app.engine import Engine, Observe, both
from app.generation.job import KIND, Generation, generation_of_environment, generation_work
from app.jobs.jobs import Jobs
from app.metrics import Metrics
from app.middleware import layers
from app.models import Defaults, ModelStore
from app.protocols import PROTOCOLS
from app.security.fetch import Fetcher
from app.service import PoseService
from app.settings import Settings
from pose_core.errors import InvalidInput

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def create_app(
    settings: Settings | None = None,
    generation: Generation | None = None,
    observe: Observe = Observe(),  # noqa: B008 - frozen
) -> FastAPI:
    """The server with these settings, or with those of the environment.

    The default models are loaded while it already listens; /readyz says how far that is. Missing weights leave the
    server running, not ready, saying what to pull. What only another process can get over, such as a broken file or a
    device that is not there, is left in `app.state.engine.readiness.fatal`.

    Args:
        settings: None for those of the environment.
        generation: what makes pictures, None for what the environment says, which is nothing unless it names models.
        observe: who is told what the engine does, beside the counters of /metrics.

    Raises:
        InvalidInput: `telemetry` is on and its extra is not installed, or a setting of generation that cannot be used.

    Raises at start-up:
        InvalidInput: a job store that cannot be used.
    """
    settings = settings or Settings()
    shapes = {path: protocol.write_problem for protocol in PROTOCOLS.values() for path in protocol.problem_paths}
    metrics = Metrics()
    tracer_provider = _tracer_provider(settings)
    # networks of its own: a picture's pose is estimated beside the engine, and they are loaded when one is
    generation = generation or generation_of_environment(PoseService(ModelStore(settings), settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = app.state.engine = Engine(settings.limits, both(metrics.observe(), observe))
        app.state.models = ModelStore(settings, engine.lanes.open, engine.lanes.close)
        app.state.defaults = Defaults(app.state.models, settings, engine.readiness)
        loading = asyncio.create_task(engine.threads.aside(app.state.defaults.load))
        with doing_jobs(generation) as app.state.jobs:
            yield
        loading.cancel()
        engine.close()
        if tracer_provider:
            await asyncio.to_thread(tracer_provider.shutdown)

    app = FastAPI(
        title="Skelmap",
        version=__version__,
        description="A photo in, 133 whole-body keypoints and a ControlNet skeleton map out.",
        lifespan=lifespan,
        middleware=list(layers(settings, metrics, _routes(), _open_paths(settings), shapes)),
        telemetry={"tracer_provider": tracer_provider, "tracing": settings.telemetry, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.metrics = metrics
    app.state.cache = ResultCache(settings.result_cache_bytes)
    app.state.fetcher = Fetcher(settings.max_bytes, settings.url_timeout_s) if settings.allow_urls else None
    app.state.generation = generation
    problems.install(app, shapes)
    for protocol in PROTOCOLS.values():
        app.include_router(protocol.router)
    return app


def _routes() -> list[BaseRoute]:
    return [route for protocol in PROTOCOLS.values() for route in protocol.router.routes]


def _open_paths(settings: Settings) -> set[str]:
    """Paths that need no key."""
    probes = {path for protocol in PROTOCOLS.values() if protocol.is_open for path in protocol.paths}
    return probes | PROTOCOLS["metrics"].paths if settings.metrics == "open" else probes


def _tracer_provider(settings: Settings) -> "TracerProvider | None":
    if not settings.telemetry:
        return None
    try:
        from app.tracing import tracer_provider  # noqa: PLC0415 - imports an extra
    except ImportError as error:
        raise InvalidInput("needs the extra: pip install 'skelmap[telemetry]'", field="SKELMAP_TELEMETRY") from error
    return tracer_provider()


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
