"""One line in the log for every request, and the counters of requests."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry import trace
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.metrics import Metrics, phases_of
from app.routes import method_of, route_of
from pose_core.timing import Timer

CLIENT_GONE = 499
"""What stands for the status of a request whose client left before it was answered; never sent."""

logger = logging.getLogger("skelmap.access")


@dataclass(slots=True)
class Exchange:
    """What went over the wire for one request.

    Attributes:
        code: status of the answer; None before it starts.
        request_bytes: of the body, as far as it was read.
        response_bytes: of the body, as far as it was sent.
        read_s: how long the body took to come.
    """

    code: int | None = None
    request_bytes: int = 0
    response_bytes: int = 0
    read_s: float = 0.0


class Access:
    """Writes down every request: id, route, status, bytes, phases, and whose key it was.

    No path, query, header or file name gets into the log. Whoever answers writes the stages of the work into the
    request's timer, which stands in `scope["state"]["timer"]`.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, routes: Sequence[BaseRoute]) -> None:
        self.app = app
        self.metrics = metrics
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange, timer, start = Exchange(), Timer(), time.perf_counter()
        scope.setdefault("state", {})["timer"] = timer
        with self.metrics.in_progress.track_inprogress(), bound_contextvars(request_id=scope["request_id"]):
            try:
                await self.app(scope, _counting(receive, exchange), _watching(send, exchange, timer))
            except Exception:
                exchange.code = exchange.code or 500  # answered outside of all layers
                raise
            finally:
                self._write_down(scope, exchange, timer, time.perf_counter() - start)

    def _write_down(self, scope: Scope, exchange: Exchange, timer: Timer, seconds: float) -> None:
        route, method, code = route_of(scope, self.routes), method_of(scope), exchange.code or CLIENT_GONE
        phases = _phases(exchange, timer)
        self.metrics.answered(route=route, method=method, code=code, seconds=seconds, phases=phases)
        logger.info(
            "request",
            extra={
                "method": method,
                "route": route,
                "code": code,
                "request_bytes": exchange.request_bytes,
                "response_bytes": exchange.response_bytes,
                "seconds": round(seconds, 6),
                "phases": phases,
                "key_name": scope["state"].get("key_name", ""),
            },
        )


def _counting(receive: Receive, exchange: Exchange) -> Receive:
    is_read = False

    async def counted() -> Message:
        nonlocal is_read
        if is_read:  # waiting for the client to leave takes no time of the request
            return await receive()
        start = time.perf_counter()
        message = await receive()
        exchange.read_s += time.perf_counter() - start
        exchange.request_bytes += len(message.get("body", b""))
        is_read = not message.get("more_body", False)
        return message

    return counted


def _watching(send: Send, exchange: Exchange, timer: Timer) -> Send:
    async def watched(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.code = message["status"]
            for name, seconds in _phases(exchange, timer).items():  # the span ends with the last byte
                trace.get_current_span().set_attribute(f"skelmap.phase.{name}", seconds)
        exchange.response_bytes += len(message.get("body", b""))
        await send(message)

    return watched


def _phases(exchange: Exchange, timer: Timer) -> dict[str, float]:
    """Seconds per phase so far, to the microsecond."""
    stages = {"read": exchange.read_s, **timer.seconds}
    return {name: round(seconds, 6) for name, seconds in phases_of(stages).items()}
