"""Loading a photo from an address that a stranger names, without becoming his tool.

A name is resolved once and the connection goes to the address that was checked, so that no second answer of the
resolver can lead elsewhere. Redirects are followed by hand, each checked like the first address.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Container
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin, urlsplit

import h11

from app.security.addresses import is_public
from pose_core.errors import ImageTooLarge, InvalidImage

PORTS = {"http": 80, "https": 443}
AT_ONCE = 8
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK_BYTES = 65_536

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Host and port to addresses, as text."""


async def resolve(host: str, port: int) -> list[str]:
    """All addresses of a host, in the resolver's order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Loads photos from the web within limits.

    Attributes:
        max_bytes: of the photo.
        timeout_s: for everything together, redirects included.
        max_redirects: how many are followed.
        ports: which may be called: no scanning of other services through us.
        resolve: host and port to addresses.
        is_allowed: which addresses may be called.
        tls: what certificates are checked against: by default what the system trusts.
        turns: how many are loaded at the same time.
    """

    max_bytes: int
    timeout_s: float
    max_redirects: int = 3
    ports: Container[int] = (80, 443)
    resolve: Resolve = resolve
    is_allowed: Callable[[str], bool] = is_public
    tls: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def load(self, url: str) -> bytes:
        """The bytes of the photo at an address.

        Raises:
            InvalidImage: an address that is not allowed, or that does not lead to a photo in time. What the names of
                its hosts resolve to is not told.
            ImageTooLarge: more bytes than allowed.
        """
        try:
            async with asyncio.timeout(self.timeout_s), self.turns:
                target = parse_url(url)
                for _ in range(self.max_redirects + 1):
                    answer = await self._get(target)
                    if isinstance(answer, bytes):
                        return answer
                    target = parse_url(answer.location, target.geturl())
        except TimeoutError:
            raise _refused(f"not within {self.timeout_s:g} s") from None
        except (OSError, UnicodeError, h11.ProtocolError):
            raise _refused("its server cannot be reached, or speaks no proper HTTP") from None
        raise _refused(f"redirected more than {self.max_redirects} times")

    async def _get(self, url: SplitResult) -> "bytes | Redirect":
        host, port = url.hostname or "", PORTS[url.scheme] if url.port is None else url.port
        if port not in self.ports:
            raise _refused("only the usual ports of http and https are called")
        addresses = await self.resolve(host, port)
        if not addresses or not all(map(self.is_allowed, addresses)):
            raise _refused("its host has no public address")
        tls, name = (self.tls, host) if url.scheme == "https" else (None, None)
        reader, writer = await asyncio.open_connection(
            addresses[0], port, ssl=tls, server_hostname=name, limit=_CHUNK_BYTES
        )
        try:
            connection = h11.Connection(h11.CLIENT)
            writer.write(connection.send(_request(url)) or b"")
            writer.write(connection.send(h11.EndOfMessage()) or b"")
            await writer.drain()
            return await self._read(connection, reader)
        finally:
            writer.transport.abort()  # closing politely would wait for the other side

    async def _read(self, connection: h11.Connection, reader: asyncio.StreamReader) -> "bytes | Redirect":
        body = bytearray()
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await reader.read(_CHUNK_BYTES))
            elif isinstance(event, h11.Response):
                headers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                if event.status_code in REDIRECTS and "location" in headers:
                    return Redirect(headers["location"])
                self._check(event.status_code, headers)
            elif isinstance(event, h11.Data):
                body += event.data
                self._check_size(len(body))
            elif isinstance(event, h11.EndOfMessage):
                return bytes(body)

    def _check(self, status: int, headers: dict[str, str]) -> None:
        if status != 200:
            raise _refused(f"its server answers {status}")
        kind = headers.get("content-type", "").split(";")[0].strip().lower()
        if not kind.startswith("image/") and kind != "application/octet-stream":
            raise _refused("not an image: its server calls it something else")
        if headers.get("content-encoding", "identity") != "identity":
            raise _refused("its server packs it although it was asked not to")
        self._check_size(int(headers.get("content-length", "0")))  # digits: h11 has looked

    def _check_size(self, size: int) -> None:
        if size > self.max_bytes:
            raise ImageTooLarge(f"the address holds more than the {self.max_bytes:,} bytes allowed", field="image")


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a server sends those who ask."""

    location: str


def parse_url(text: str, base: str = "") -> SplitResult:
    """The parts of a web address, which may be relative to another one.

    Raises:
        InvalidImage: not http or https, no host, a user or password in it, or characters that have no place there.
    """
    try:
        url = urlsplit(urljoin(base, text))
        _ = url.port  # raises where it is none
    except ValueError:
        raise _refused("cannot be read") from None
    if url.scheme not in PORTS or not url.hostname:
        raise _refused("only http and https are loaded")
    if url.username is not None or url.password is not None:
        raise _refused("must not hold a user or a password")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise _refused("must be written in visible ASCII characters")
    return url


def _request(url: SplitResult) -> h11.Request:
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = [
        ("Host", url.netloc),
        ("Accept", "image/*"),
        ("Accept-Encoding", "identity"),
        ("User-Agent", "skelmap"),
        ("Connection", "close"),
    ]
    return h11.Request(method="GET", target=target, headers=headers)


def _refused(reason: str) -> InvalidImage:
    return InvalidImage(f"the address is not loaded: {reason}", field="image")
