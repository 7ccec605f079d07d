"""Which server a client asks: what is wrong with its address, key or time-out is said before anything is sent."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from skelmap_client.errors import InvalidServer


@dataclass(frozen=True)
class Server:
    """An address, the key that is sent there, and how long it may be silent.

    Attributes:
        url: http or https, host, port and a path in front of the routes where there is one; no slash at the end.
        api_key: sent as `X-API-Key`, empty for none. Part of no message.
        timeout_s: seconds to wait for a connection, and for an answer after that.
    """

    url: str
    api_key: str = field(repr=False)
    timeout_s: float


def read_server(url: str, api_key: str | None, timeout_s: float) -> Server:
    """A server from what a caller gives; blanks around address and key, such as a file's last newline, are dropped.

    Raises:
        InvalidServer: one of them cannot be used. Neither a key nor a password is repeated.
    """
    key = (api_key or "").strip()
    if not re.fullmatch("[!-~]*", key):
        raise InvalidServer("api_key: only visible ASCII characters can be sent")
    if not 0 < timeout_s < math.inf:
        raise InvalidServer(f"timeout_s: expected seconds above 0, got {timeout_s!r}")
    return Server(_checked(url.strip().rstrip("/")), key, timeout_s)


def _checked(url: str) -> str:
    if "@" in url:
        raise InvalidServer("url: must not contain a name or password; api_key is the place for a key")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - is computed and can fail
    except ValueError as error:
        raise InvalidServer(f"url: {error}, got {url!r}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise InvalidServer(f"url: expected one such as http://127.0.0.1:8000, got {url!r}")
    return url
