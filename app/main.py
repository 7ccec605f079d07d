"""The web application: settings in, ASGI app out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.routing import BaseRoute

from app import __version__, problems
from app.cache import ResultCache
from app.engine import Engine
from app.metrics import Metrics
from app.middleware import layers
from app.models import ModelStore, load_defaults
from app.protocols import PROTOCOLS
from app.security.fetch import Fetcher
from app.settings import Settings
from pose_core.errors import InvalidInput

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider


def create_app(settings: Settings | None = None) -> FastAPI:
    """The server with these settings, or with those of the environment.

    The default models are loaded at start. Missing weights leave the server running, not ready, saying what to pull;
    a device that is not there or a broken file stops it.

    Raises at start-up:
        DeviceUnavailable: `device` is cuda and the networks would run on the CPU.
        ModelError: a model file that cannot be used.

    Raises:
        InvalidInput: `telemetry` is on and its extra is not installed.
    """
    settings = settings or Settings()
    shapes = {path: protocol.write_problem for protocol in PROTOCOLS.values() for path in protocol.problem_paths}
    metrics = Metrics()
    tracer_provider = _tracer_provider(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = Engine(settings.workers, settings.max_queue)
        app.state.readiness = load_defaults(app.state.models, settings)
        yield
        app.state.engine.close()
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
    app.state.models = ModelStore(settings)
    app.state.cache = ResultCache(settings.result_cache_bytes)
    app.state.fetcher = Fetcher(settings.max_bytes, settings.url_timeout_s) if settings.allow_urls else None
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
