"""`skelmap serve`: the server."""

import logging
import os
from typing import Annotated

import typer

from app.commands import options
from app.generation.settings import GenerationSettings
from app.jobs.settings import JobSettings
from app.jobs.stores import open_store
from app.logs import configure_logs
from app.main import create_app
from app.models import check_defaults
from app.server import serve as listen
from app.settings import Settings, similar_variables, unknown_variables, variables
from pose_core.errors import InvalidInput

LOOPBACK = ("127.0.0.1", "::1", "localhost")

logger = logging.getLogger("skelmap")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    estimator: options.Estimator = None,
    detector: options.Detector = None,
    device: options.Device = None,
    threads: options.Threads = None,
) -> None:
    """Serve POST /pose and the rest on one address. All settings: environment variables SKELMAP_*."""
    settings = options.settings_of(estimator=estimator, detector=detector, device=device, threads=threads)
    known = variables(Settings, GenerationSettings, JobSettings)
    if misspelt := unknown_variables(os.environ, known):
        raise InvalidInput("is no setting", field=misspelt[0], choices=similar_variables(misspelt[0], known))
    configure_logs(settings.log_format, settings.log_level)
    if not settings.keys and host not in LOOPBACK:
        logger.warning("whoever reaches %s may use this server: it has no API keys (SKELMAP_API_KEYS)", host)
    check_defaults(settings)
    app = create_app(settings)
    if app.state.generation:
        # so that one that cannot be used ends the command
        open_store(app.state.generation.jobs.url.get_secret_value()).close()
    listen(app, settings, host, port)
