"""The web application: settings in, ASGI app out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import __version__, problems
from app.engine import Engine
from app.middleware import layers
from app.models import ModelStore, load_defaults
from app.protocols import PROTOCOLS
from app.security.fetch import Fetcher
from app.settings import Settings


def create_app(settings: Settings | None = None) -> FastAPI:
    """The server with these settings, or with those of the environment.

    The default models are loaded at start. Missing weights leave the server running, not ready, saying what to pull;
    a device that is not there or a broken file stops it.

    Raises at start-up:
        DeviceUnavailable: `device` is cuda and the networks would run on the CPU.
        ModelError: a model file that cannot be used.
    """
    settings = settings or Settings()
    shapes = {path: protocol.write_problem for protocol in PROTOCOLS.values() for path in protocol.problem_paths}
    open_paths = {path for protocol in PROTOCOLS.values() if protocol.is_open for path in protocol.paths}

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.engine = Engine(settings.workers, settings.max_queue)
        app.state.readiness = load_defaults(app.state.models, settings)
        yield
        app.state.engine.close()

    app = FastAPI(
        title="Skelmap",
        version=__version__,
        description="A photo in, 133 whole-body keypoints and a ControlNet skeleton map out.",
        lifespan=lifespan,
        middleware=list(layers(settings, open_paths, shapes)),
    )
    app.state.settings = settings
    app.state.models = ModelStore(settings)
    app.state.fetcher = Fetcher(settings.max_bytes, settings.url_timeout_s) if settings.allow_urls else None
    problems.install(app, shapes)
    for protocol in PROTOCOLS.values():
        app.include_router(protocol.router)
    return app
