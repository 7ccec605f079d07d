"""What lies around every request, outermost first. Pure ASGI, so that bodies stream and departures are noticed."""

from collections.abc import Collection, Iterator, Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from app.metrics import Metrics
from app.middleware.access import Access
from app.middleware.body_limit import BodyLimit
from app.middleware.key_gate import KeyGate
from app.middleware.overload import Overload
from app.middleware.rate_limit import RateLimit
from app.middleware.request_id import RequestId
from app.middleware.security_headers import SecurityHeaders
from app.problems import Shapes
from app.settings import Settings

_BASE64_GROWTH = 1.4
_FIELDS_BYTES = 1 << 20

ASKED_HEADERS = ("Authorization", "Content-Type", "If-None-Match", "X-API-Key", "X-Request-ID", "X-Request-Timeout")
TOLD_HEADERS = (
    *("ETag", "RateLimit", "RateLimit-Policy", "Retry-After", "Server-Timing", "X-Pose-Detector", "X-Pose-Estimator"),
    *("X-Pose-People", "X-Pose-Provider", "X-Request-ID"),
)
"""What pages of other origins may send and see, where CORS is on."""


def layers(
    settings: Settings, metrics: Metrics, routes: Sequence[BaseRoute], open_paths: Collection[str], shapes: Shapes
) -> Iterator[Middleware]:
    """The layers that these settings ask for.

    Args:
        settings: of the server.
        metrics: where requests are counted.
        routes: all there are.
        open_paths: paths that need no key and count for no limit.
        shapes: how problems are written under which paths.
    """
    yield Middleware(RequestId)
    yield Middleware(Access, metrics=metrics, routes=routes)
    yield Middleware(SecurityHeaders)
    if settings.cors_origins:  # before the keys, because browsers ask for leave without them
        yield Middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=ASKED_HEADERS,
            expose_headers=TOLD_HEADERS,
        )
    yield Middleware(KeyGate, keys=settings.keys, open_paths=open_paths, shapes=shapes)
    if settings.max_requests_per_minute:
        most = settings.max_requests_per_minute
        yield Middleware(RateLimit, max_per_minute=most, open_paths=open_paths, shapes=shapes)
    yield Middleware(Overload, shapes=shapes)
    largest = int(settings.max_bytes * _BASE64_GROWTH) + _FIELDS_BYTES
    yield Middleware(BodyLimit, max_bytes=largest, shapes=shapes)
