"""The real server on a real port, with something in front of it that can be in the way."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread

import uvicorn
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.settings import Settings

Refuse = Callable[[int, Headers], Response | None]
"""Number of the request, counted from 1, and its headers -> what is answered instead of the server, if anything."""


@dataclass
class Front:
    """What stands before the server.

    Attributes:
        app: the server.
        url: where both listen.
        refuse: decides about requests to `/pose`, `/render` and `/convert`.
        delays_s: how long the first, second, ... of them waits before it gets to the server.
        seen: header fields of all of them, in the order they came.
    """

    app: ASGIApp
    url: str = ""
    refuse: Refuse = lambda _number, _headers: None
    delays_s: tuple[float, ...] = ()
    seen: list[Mapping[str, str]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["method"] == "POST":
            headers = Headers(scope=scope)
            self.seen.append(dict(headers))
            number = len(self.seen)
            if number <= len(self.delays_s):
                await asyncio.sleep(self.delays_s[number - 1])
            answer = self.refuse(number, headers)
            if answer is not None:
                await answer(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def reset(self) -> None:
        """Out of the way again."""
        self.refuse, self.delays_s, self.seen = Front.refuse, (), []


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as the server writes it."""
    return JSONResponse({"status": status, "detail": detail}, status, dict(headers or {}))


@contextmanager
def listening(settings: Settings) -> Iterator[Front]:
    """The server in a thread, on a free port."""
    front = Front(create_app(settings))
    server = uvicorn.Server(uvicorn.Config(front, port=0, log_level="warning", log_config=None, ws="none"))
    thread = Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        front.url = f"http://127.0.0.1:{port}"
        yield front
    finally:
        server.should_exit = True
        thread.join()
