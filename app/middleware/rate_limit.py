"""So many requests a minute and no more, for each key, or for each client where there are no keys."""

import ipaddress
import math
import time
from collections.abc import Container

from limits import RateLimitItemPerMinute, WindowStats
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.middleware.refusal import refuse
from app.problems import Problem, Shapes

WINDOW_S = 60


class RateLimit:
    """Answers 429 with Retry-After over the limit, and says in every answer how much of it is left.

    The fields `RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-10.
    """

    def __init__(self, app: ASGIApp, max_per_minute: int, open_paths: Container[str], shapes: Shapes) -> None:
        self.app = app
        self.limit = RateLimitItemPerMinute(max_per_minute)
        self.limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self.open_paths = open_paths
        self.shapes = shapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or scope["path"] in self.open_paths:
            await self.app(scope, receive, send)
            return
        caller = caller_of(scope)
        allowed = await self.limiter.hit(self.limit, caller)
        fields = self._fields(await self.limiter.get_window_stats(self.limit, caller))

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(fields)
            await send(message)

        if allowed:
            await self.app(scope, receive, send_with_fields)
            return
        detail = f"more than the {self.limit.amount} requests a minute that are allowed"
        wait = {"Retry-After": fields["RateLimit"].rpartition("=")[2]}
        problem = Problem(429, "Too many requests", detail, detail, headers=wait)
        await refuse(scope, receive, send_with_fields, problem, self.shapes)

    def _fields(self, stats: WindowStats) -> dict[str, str]:
        reset_s = max(1, math.ceil(stats.reset_time - time.time()))
        return {
            "RateLimit-Policy": f'"default";q={self.limit.amount};w={WINDOW_S}',
            "RateLimit": f'"default";r={stats.remaining};t={reset_s}',
        }


def caller_of(scope: Scope) -> str:
    """Whom requests are counted for: the name of the key, else the address, of IPv6 the network of one household."""
    if name := scope.get("state", {}).get("key_name"):
        return f"key {name}"
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:  # a Unix socket
        return f"client {host}"
    bits = 64 if address.version == 6 else 32
    return f"client {ipaddress.ip_network((address, bits), strict=False)}"
