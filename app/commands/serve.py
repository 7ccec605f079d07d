"""`skelmap serve`: the server."""

from typing import Annotated

import typer
import uvicorn

from app.commands import options
from app.jobs.stores import open_store
from app.main import create_app
from app.models import load_defaults


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
    app = create_app(settings)
    load_defaults(app.state.models, settings)  # so that a device that is not there ends the command, not the server
    if app.state.generation:
        open_store(app.state.generation.jobs.url.get_secret_value()).close()  # likewise
    uvicorn.run(app, host=host, port=port, server_header=False, timeout_graceful_shutdown=20)
