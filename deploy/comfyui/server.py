"""Speaking HTTP to the server: one answer or one error, and every error is one line with the URL.

Only Python's own library is used. Redirects are not followed, so that the key goes nowhere else.
"""

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from threading import Event
from typing import TypeVar
from urllib.parse import SplitResult, quote, urlencode, urlsplit

BUSY = (429, 502, 503, 504)
"""Statuses after which asking again may help."""

RETRIES = 3
FIRST_WAIT_S = 0.5
MAX_WAIT_S = 30.0
MAX_DETAIL = 300

Answer = TypeVar("Answer")

NO_ANSWER = (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError)
"""What reading a body raises that is not what was asked for; OSError is Pillow's, for what is no image."""


class ServerError(RuntimeError):
    """No answer that can be used: one line with method, URL and status or reason."""


class Cancelled(RuntimeError):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to send photos.

    Attributes:
        url: `http://host:port`, or https, or with a path in front of the routes.
        api_key: sent as a bearer token; empty for none. Never part of a message.
        timeout_s: how long the server may be silent.

    Raises:
        ValueError: no such URL, or a key that no header can carry.
    """

    url: str
    api_key: str = field(default="", repr=False)
    timeout_s: float = 120.0

    def __post_init__(self) -> None:
        parts = self.parts
        if "@" in parts.netloc:
            raise ValueError(
                "POSE_SERVER_URL: must not contain a name or password; POSE_API_KEY is the place for a key"
            )
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"POSE_SERVER_URL: expected a URL such as http://127.0.0.1:8000, got {self.url!r}")
        if not re.fullmatch(r"[!-~]*", self.api_key):
            raise ValueError("POSE_API_KEY: only visible ASCII characters can be sent")

    @property
    def parts(self) -> SplitResult:
        """The URL in pieces."""
        try:
            parts = urlsplit(self.url.rstrip("/"))
            parts.port  # noqa: B018 - is computed and can fail
        except ValueError as error:
            raise ValueError(f"POSE_SERVER_URL: {error}") from error
        return parts


def get(server: Server, path: str) -> bytes:
    """The body of the answer to a GET, asked once.

    Raises:
        ServerError: any status but 200, or no answer.
    """
    status, _, detail, body = _exchange(server, "GET", path, b"", {})
    if status != 200:
        raise ServerError(f"GET {_url(server, path)}: {detail}")
    return body


def post(
    server: Server,
    path: str,
    parameters: Mapping[str, object],
    body: bytes,
    *,
    content_type: str,
    read: Callable[[bytes], Answer],
    stop: Event,
) -> Answer:
    """What `read` makes of the answer to a POST; parameters that are None are left out.

    A busy server is asked again a few times, when it says or ever later; `stop` ends the waiting.

    Raises:
        ServerError: any other status but 200, no answer, busy all the time, or an answer that cannot be read.
        Cancelled: `stop` was set.
    """
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    for attempt in range(RETRIES + 1):
        if stop.is_set():
            break
        target = f"{path}?{query}" if query else path
        status, retry_after, detail, answer = _exchange(server, "POST", target, body, {"Content-Type": content_type})
        if status == 200:
            return _read(f"POST {_url(server, path)}", read, answer)
        wait_s = FIRST_WAIT_S * 2**attempt if retry_after is None else retry_after
        if status not in BUSY or attempt == RETRIES or wait_s > MAX_WAIT_S:
            raise ServerError(f"POST {_url(server, path)}: {detail}")
        stop.wait(wait_s)
    raise Cancelled


def _read(request: str, read: Callable[[bytes], Answer], answer: bytes) -> Answer:
    try:
        return read(answer)
    except NO_ANSWER as error:
        raise ServerError(f"{request}: 200, but not what a pose server answers: {_one_line(str(error))}") from error


def _url(server: Server, path: str) -> str:
    return server.url.rstrip("/") + path


def _exchange(
    server: Server, method: str, target: str, body: bytes, headers: Mapping[str, str]
) -> tuple[int, float | None, str, bytes]:
    """Status, seconds of Retry-After, status and reason in words, body."""
    parts = server.parts
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=server.timeout_s)
    given = {**headers, "Accept": "*/*"} | ({"Authorization": f"Bearer {server.api_key}"} if server.api_key else {})
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before the whole body was sent: read why
            connection.request(method, quote(parts.path, safe="/%") + target, body or None, given)
        response = connection.getresponse()
        answer = response.read()
    except TimeoutError as error:
        where = _url(server, target.partition("?")[0])
        raise ServerError(f"{method} {where}: no answer within {server.timeout_s:g} s") from error
    except (OSError, HTTPException, UnicodeError) as error:  # UnicodeError: a host that no name server could know
        where = _url(server, target.partition("?")[0])
        raise ServerError(
            f"{method} {where}: not reachable: {_one_line(str(error)) or type(error).__name__}"
        ) from error
    finally:
        connection.close()
    detail = f"{response.status} {response.reason}: {_reason(answer)}".removesuffix(": ")
    return response.status, _retry_after(response.getheader("Retry-After")), detail, answer


def _retry_after(value: str | None) -> float | None:
    """Seconds, whether the header names them or a date; None where it is absent or neither."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", value.strip()):
        return float(value)
    try:
        then = parsedate_to_datetime(value)
    except (OverflowError, TypeError, ValueError):
        return None
    there = then if then.tzinfo else then.replace(tzinfo=timezone.utc)
    return max(0.0, (there - datetime.now(timezone.utc)).total_seconds())


def _reason(body: bytes) -> str:
    """What the server says about the error: the `detail` of a problem document, else the text as it is."""
    text = body.decode("utf-8", "replace")
    try:
        problem = json.loads(text)
    except (RecursionError, ValueError):
        return _one_line(text)
    return _one_line(str(problem["detail"] if isinstance(problem, dict) and "detail" in problem else text))


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_DETAIL else line[: MAX_DETAIL - 3] + "..."
