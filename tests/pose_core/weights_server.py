"""A small web server that serves files well or badly, as told, and remembers what it was asked."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Asked:
    """One request, and how many bytes of a file went out in reply."""

    path: str
    range: str | None
    if_range: str | None
    sent: int


@dataclass
class WeightsServer:
    """What to serve, how to misbehave, and what has been asked so far.

    Attributes:
        url: address without a slash at the end.
        files: content by path.
        headers: validators and the like, sent with every file.
        statuses: paths that get an error status instead.
        redirects: paths that lead elsewhere.
        cuts: for the next requests, one by one: how many bytes go out before the connection ends.
        supports_range: False replies to every request with the whole file.
        obeys_if_range: False replies with a part whatever version the client has.
        lies: headers of partial replies that are wrong on purpose.
        pause_s: how long the server thinks before it replies.
        stall_s: how long a connection stays silent before a cut ends it.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: {"ETag": '"v1"'})
    statuses: dict[str, int] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    supports_range: bool = True
    obeys_if_range: bool = True
    lies: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    stall_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)

    def reply(self, path: str, range_header: str | None, if_range: str | None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one request."""
        if path in self.redirects:
            return 302, {"Location": self.redirects[path]}, b""
        status = self.statuses.get(path, 200 if path in self.files else 404)
        if status != 200:
            return status, {}, b""
        content, validators = self.files[path], set(self.headers.values())
        current = if_range is None or if_range in validators or not self.obeys_if_range
        if range_header is None or not self.supports_range or not current:
            return 200, self.headers, content
        match = re.fullmatch(r"bytes=(\d+)-", range_header)
        assert match is not None
        start = int(match[1])
        if start >= len(content):
            return 416, {"Content-Range": f"bytes */{len(content)}"}, b""
        stated = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
        return 206, {**self.headers, **stated, **self.lies}, content[start:]


def _handler_of(server: WeightsServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(server.pause_s)
            range_header, if_range = self.headers.get("Range"), self.headers.get("If-Range")
            status, headers, body = server.reply(self.path, range_header, if_range)
            cut = server.cuts.pop(0) if server.cuts else len(body)
            server.asked.append(Asked(self.path, range_header, if_range, sent=len(body[:cut])))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body[:cut])
            if cut < len(body):
                time.sleep(server.stall_s)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep stderr for the progress bar."""

        def handle(self) -> None:
            """A client that gave up early is no news."""
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

    return Handler


@contextmanager
def serving() -> Iterator[WeightsServer]:
    """A running server on a free port of the loopback interface."""
    server = WeightsServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(server)) as http:
        server.url = f"http://127.0.0.1:{http.server_port}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
