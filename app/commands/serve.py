"""`skelmap serve`: the server."""

from typing import Annotated

import typer

from app.commands import options
from app.main import create_app
from app.models import check_defaults
from app.server import serve as listen


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
    check_defaults(settings)
    listen(create_app(settings), settings, host, port)
