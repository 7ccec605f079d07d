"""The web application: settings in, ASGI app out."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread

from fastapi import FastAPI

from app import __version__, problems
from app.engine import Engine, Observe
from app.middleware import BodyLimit, RequestId
from app.models import Defaults, ModelStore
from app.protocols import PROTOCOLS
from app.settings import Settings

_BASE64_GROWTH = 1.4
_FIELDS_BYTES = 1 << 20


def create_app(settings: Settings | None = None, observe: Observe = Observe()) -> FastAPI:  # noqa: B008 - frozen
    """The server with these settings, or with those of the environment.

    The default models are loaded while it already listens; /readyz says how far that is. Missing weights leave the
    server running, not ready, saying what to pull. What only another process can get over, such as a broken file or a
    device that is not there, is left in `app.state.engine.readiness.fatal`.
    """
    settings = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        engine = app.state.engine = Engine(settings.limits, observe)
        app.state.models = ModelStore(settings, engine.open_lane, engine.close_lane)
        app.state.defaults = Defaults(app.state.models, settings, engine.readiness)
        Thread(target=app.state.defaults.load, name="load", daemon=True).start()
        yield
        engine.close()

    app = FastAPI(
        title="Skelmap",
        version=__version__,
        description="A photo in, 133 whole-body keypoints and a ControlNet skeleton map out.",
        lifespan=lifespan,
    )
    app.state.settings = settings
    shapes = {path: protocol.write_problem for protocol in PROTOCOLS.values() for path in protocol.problem_paths}
    app.add_middleware(BodyLimit, max_bytes=int(settings.max_bytes * _BASE64_GROWTH) + _FIELDS_BYTES, shapes=shapes)
    app.add_middleware(RequestId)
    problems.install(app, shapes)
    for protocol in PROTOCOLS.values():
        app.include_router(protocol.router)
    return app
