"""The server as an application of Ray Serve: the same app, answered by as many replicas as there is work for.

    serve run serve_app:app          in this folder, on this machine
    serve deploy serve.yaml          on a cluster

One deployment, because every hop between deployments costs more than what it would separate: a replica reads, computes
and draws like `skelmap serve` does, and is configured by the same variables SKELMAP_*.
"""

import asyncio
import time
from typing import Final

from ray import serve
from ray.serve.config import AutoscalingConfig, BackpressureConfig
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.main import create_app

LOAD_S: Final = 120
"""How long a new replica may take to load its networks."""


class NotReady(Exception):
    """What `/readyz` says where it does not say 200."""


@serve.deployment(
    max_ongoing_requests=16,
    max_queued_requests=64,
    backpressure_config=BackpressureConfig(status_code=503, retry_after_s=1),
    autoscaling_config=AutoscalingConfig(min_replicas=1, max_replicas=8, target_ongoing_requests=4),
    health_check_period_s=5,
    health_check_timeout_s=30,
    graceful_shutdown_timeout_s=20,
)
@serve.ingress()
class Skelmap:
    """A replica. Beyond 16 requests each, 64 wait at each proxy; more are told to come back in a second."""

    def __init__(self) -> None:
        self._server = create_app()
        self._loaded_by = time.monotonic() + LOAD_S

    def __serve_build_asgi_app__(self) -> ASGIApp:
        """What answers requests."""
        return without_request_id(self._server)

    async def check_health(self) -> None:
        """Serve asks once before it sends requests, then every few seconds, and replaces a replica that is not ready.

        The first time waits while networks are being loaded.

        Raises:
            NotReady: the server says so; with its reason.
        """
        status, body = await get(self._server, "/readyz")
        while status != 200 and time.monotonic() < self._loaded_by:
            await asyncio.sleep(0.2)
            status, body = await get(self._server, "/readyz")
        self._loaded_by = 0.0
        if status != 200:
            raise NotReady(f"/readyz answers {status}: {body}")


def without_request_id(server: ASGIApp) -> ASGIApp:
    """The server without the header that Serve adds to every answer itself; both hold the same."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            if message["type"] == "http.response.start":
                del MutableHeaders(scope=message)["X-Request-ID"]
            await send(message)

        await server(scope, receive, send_without)

    return answer


async def get(server: ASGIApp, path: str) -> tuple[int, str]:
    """Status and body of a GET request, without a connection."""
    status, body = 500, b""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status, body
        status = message.get("status", status)
        body += message.get("body", b"")

    scope = {"type": "http", "http_version": "1.1", "method": "GET", "scheme": "http", "path": path, "headers": []}
    await server({**scope, "query_string": b"", "root_path": ""}, receive, send)
    return status, body.decode()


app = Skelmap.bind()  # type: ignore[attr-defined] # the decorator has made a deployment of it
