"""Photos by web address: off unless switched on, and then never a way into other people's networks.

The web is a real server on this machine that answers what the test wrote down; only the name of its host and the
rule about addresses are made up, because this machine's own address is one that is refused.
"""

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.security.addresses import is_public
from app.security.fetch import Fetcher, parse_url
from app.settings import Settings
from pose_core.errors import ImageTooLarge, InvalidImage
from tests.app.test_bad_requests import refusal
from tests.app.test_pose_route import problem


@dataclass
class Web:
    """A server and what it was asked."""

    port: int = 0
    asked: list[bytes] = field(default_factory=list)


@asynccontextmanager
async def web(answers: Mapping[str, bytes], tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    """A server with an answer for each path; b"" for one that never comes."""
    seen, at_work = Web(), list[asyncio.Task[None] | None]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.append(asyncio.current_task())
        with suppress(OSError):  # whoever asked may have left
            head = await reader.readuntil(b"\r\n\r\n")
            seen.asked.append(head)
            if said := answers[head.split()[1].decode()].replace(b"{port}", b"%d" % seen.port):
                writer.write(said)
                await writer.drain()
            else:
                await reader.read()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    async with server:
        yield seen
        await asyncio.gather(*filter(None, at_work))


def said(body: bytes, kind: str = "image/png", status: str = "200 OK", **headers: str) -> bytes:
    """An answer of the web."""
    fields = {"Content_Type": kind, "Content_Length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def elsewhere(location: str, status: str = "302 Found") -> bytes:
    """A redirect."""
    return said(b"", status=status, Location=location)


async def here(_host: str, _port: int) -> list[str]:
    """Every host is this machine."""
    return ["127.0.0.1"]


def outcome(
    path: str,
    answers: Mapping[str, bytes],
    timeout_s: float = 5,
) -> bytes | InvalidImage:
    """What loading http://photos.example:port/path comes to; every address is allowed unless told otherwise."""

    async def story() -> bytes | InvalidImage:
        async with web(answers) as server:
            fetcher = Fetcher(100, timeout_s, resolve=here, is_allowed=lambda _: True, ports=[server.port])
            try:
                return await fetcher.load(f"http://photos.example:{server.port}{path}")
            except InvalidImage as error:
                return error

    return asyncio.run(story())


def refused(path: str, answers: Mapping[str, bytes], timeout_s: float = 5) -> str:
    """The reason why nothing was loaded."""
    error = outcome(path, answers, timeout_s)
    assert isinstance(error, InvalidImage), error
    assert error.field == "image"
    return error.reason


def test_a_photo_is_loaded_by_its_name_from_the_address_that_was_checked() -> None:
    async def story() -> tuple[bytes, list[bytes]]:
        asked: list[tuple[str, int]] = []

        async def resolve(host: str, port: int) -> list[str]:
            asked.append((host, port))
            return ["127.0.0.1"]

        async with web({"/a.png?b=c%20d": said(b"photo")}) as server:
            fetcher = Fetcher(100, 5, resolve=resolve, is_allowed="127.0.0.1".__eq__, ports=[server.port])
            photo = await fetcher.load(f"http://photos.example:{server.port}/a.png?b=c%20d#top")
        assert asked == [("photos.example", server.port)]
        assert f"\r\nHost: photos.example:{server.port}\r\n".lower().encode() in server.asked[0].lower()
        return photo, server.asked

    photo, asked = asyncio.run(story())
    assert photo == b"photo"
    assert len(asked) == 1
    assert asked[0].startswith(b"GET /a.png?b=c%20d HTTP/1.1\r\n")
    assert b"authorization" not in asked[0].lower()


@pytest.mark.parametrize(
    "body",
    [
        said(b"photo", Content_Length="", Connection="close"),
        said(b"5\r\nphoto\r\n0\r\n\r\n", Content_Length="", Transfer_Encoding="chunked"),
        said(b"photo", kind="application/octet-stream"),
        said(b"photo", kind="IMAGE/JPEG; charset=binary"),
        said(b"photo", status="200 All right", Content_Encoding="identity"),
    ],
)
def test_every_way_to_send_a_photo(body: bytes) -> None:
    assert outcome("/", {"/": body}) == b"photo"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (said(b"<html>", kind="text/html"), "not an image"),
        (said(b"photo", kind=""), "not an image"),
        (said(b"photo", status="404 Not Found"), "its server answers 404"),
        (said(b"photo", status="206 Partial Content"), "its server answers 206"),
        (elsewhere("", status="304 Not Modified"), "its server answers 304"),
        (said(b"packed", Content_Encoding="gzip"), "its server packs it"),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "speaks no proper HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "speaks no proper HTTP"),
        (said(b"photo", Content_Length="50"), "speaks no proper HTTP"),
        (said(b"photo", Content_Length="-1"), "speaks no proper HTTP"),
        (said(b"photo", Content_Length="9" * 5000), "speaks no proper HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000, "speaks no proper HTTP"),
    ],
)
def test_what_is_no_photo(answer: bytes, reason: str) -> None:
    assert reason in refused("/", {"/": answer})


def test_a_photo_over_the_limit_is_refused_before_or_while_it_comes() -> None:
    assert outcome("/", {"/": said(bytes(100))}) == bytes(100)
    announced = outcome("/", {"/": said(b"", Content_Length="101")})
    growing = outcome("/", {"/": said(bytes(101), Content_Length="")})
    for error in (announced, growing):
        assert isinstance(error, ImageTooLarge)
        assert "more than the 100 bytes allowed" in error.reason


def test_a_server_that_keeps_silent_is_left() -> None:
    assert "not within 1 s" in refused("/", {"/": b""}, timeout_s=1)


def test_nobody_listens() -> None:
    async def story() -> None:
        async with web({}) as server:
            port = server.port
        await Fetcher(100, 5, resolve=here, is_allowed=lambda _: True, ports=[port]).load(f"http://a.example:{port}/")

    with pytest.raises(InvalidImage, match="cannot be reached"):
        asyncio.run(story())


# Redirects


@pytest.mark.parametrize("status", ["301 a", "302 a", "303 a", "307 a", "308 a"])
@pytest.mark.parametrize(
    "location", ["/there", "there", "http://other.example:{port}/there", "//other.example:{port}/there"]
)
def test_redirects_are_followed(status: str, location: str) -> None:
    assert outcome("/", {"/": elsewhere(location, status), "/there": said(b"photo")}) == b"photo"


def test_but_not_for_ever() -> None:
    chain = {f"/{step}": elsewhere(f"/{step + 1}") for step in range(3)}
    assert outcome("/0", {**chain, "/3": said(b"photo")}) == b"photo"
    assert "redirected more than 3 times" in refused("/0", {**chain, "/3": elsewhere("/4")})


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://intranet.example:{port}/there", "its host has no public address"),
        ("file:///etc/passwd", "only http and https"),
        ("gopher://photos.example/", "only http and https"),
        ("http://photos.example:6379/", "only the usual ports"),
        ("http://user:password@photos.example/", "must not hold a user or a password"),
        ("http://[::1/", "cannot be read"),
    ],
)
def test_each_redirect_is_checked_like_the_first_address(location: str, reason: str) -> None:
    async def story() -> None:
        async def resolve(host: str, _port: int) -> list[str]:
            return ["192.168.0.1" if host == "intranet.example" else "127.0.0.1"]

        async with web({"/": elsewhere(location)}) as server:
            fetcher = Fetcher(100, 5, resolve=resolve, is_allowed="127.0.0.1".__eq__, ports=[server.port])
            await fetcher.load(f"http://photos.example:{server.port}/")

    with pytest.raises(InvalidImage, match=reason):
        asyncio.run(story())


# Addresses


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://photos.example/a.png", "only http and https"),
        ("http:photos.example", "only http and https"),
        ("http:///a.png", "only http and https"),
        ("http://me@photos.example/", "user or a password"),
        ("http://@photos.example/", "user or a password"),
        ("http://photos.example:99999/", "cannot be read"),
        ("http://photos.example:x/", "cannot be read"),
        ("http://[photos.example/", "cannot be read"),
        ("http://bücher.example/", "visible ASCII"),
        ("http://photos.example/a b", "visible ASCII"),
        ("http://photos.example/\x7f", "visible ASCII"),
    ],
)
def test_what_is_no_address_of_a_photo(url: str, reason: str) -> None:
    with pytest.raises(InvalidImage, match=reason):
        parse_url(url)


async def _no_address(_host: str, _port: int) -> list[str]:
    return []


async def _one_of_two_private(_host: str, _port: int) -> list[str]:
    return ["93.184.215.14", "10.0.0.1"]


@pytest.mark.parametrize("resolve", [here, _no_address, _one_of_two_private])
def test_a_host_is_called_only_where_all_its_addresses_are_public(
    resolve: Callable[[str, int], Awaitable[list[str]]],
) -> None:
    fetcher = Fetcher(100, 5, resolve=resolve)
    with pytest.raises(InvalidImage, match="its host has no public address") as caught:
        asyncio.run(fetcher.load("http://photos.example/"))
    assert "10.0.0.1" not in str(caught.value)
    assert fetcher.is_allowed is is_public


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "2130706433", "0x7f.1", "0", "169.254.169.254", "127.1"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_not_called_however_it_is_written(scheme: str, host: str) -> None:
    with pytest.raises(InvalidImage, match=r"no public address|cannot be reached"):
        asyncio.run(Fetcher(100, 5).load(f"{scheme}://{host}/"))


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "..", "-", "%00"])
def test_a_host_that_nobody_can_resolve(host: str) -> None:
    with pytest.raises(InvalidImage, match="is not loaded"):
        asyncio.run(Fetcher(100, 5).load(f"http://{host}/"))


# TLS


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's side of TLS with a certificate of its own for a name; `certificate.pem` is what clients trust."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("needs the program openssl to make a certificate")
    names = ("-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2", "-nodes")
    files = ("-keyout", folder / "key.pem", "-out", folder / "certificate.pem")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    subprocess.run([openssl, "req", "-x509", *curve, *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    return context


@pytest.mark.parametrize(("host", "is_right"), [("photos.example", True), ("other.example", False)])
def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(
    tmp_path: Path,
    host: str,
    is_right: bool,  # noqa: FBT001 - a column of the table
) -> None:
    async def story() -> bytes:
        server_side = certificate(tmp_path, "photos.example")
        trust = ssl.create_default_context(cafile=str(tmp_path / "certificate.pem"))
        async with web({"/": said(b"photo")}, server_side) as server:
            fetcher = Fetcher(100, 5, resolve=here, is_allowed=lambda _: True, ports=[server.port], tls=trust)
            return await fetcher.load(f"https://{host}:{server.port}/")

    if is_right:
        assert asyncio.run(story()) == b"photo"
    else:
        with pytest.raises(InvalidImage, match="cannot be reached"):
            asyncio.run(story())


# Through the server


def test_addresses_are_not_loaded_unless_switched_on(client: TestClient) -> None:
    body = refusal(client.post("/pose", json={"image": "http://93.184.215.14/a.png"}), 422)
    assert "a URL, which is not loaded" in body["detail"]


def test_switched_on_a_photo_has_an_address(settings: Settings, png: bytes) -> None:
    app = create_app(settings.model_copy(update={"allow_urls": True}))

    async def loaded(answer: bytes) -> tuple[int, dict[str, object]]:
        async with web({"/a.png": answer}) as server:
            allowed = {"resolve": here, "is_allowed": lambda _: True, "ports": [server.port]}
            app.state.fetcher = replace(app.state.fetcher, **allowed)
            asked = {"image": f"HTTP://photos.example:{server.port}/a.png", "max_people": 1}
            answered = await asyncio.to_thread(client.post, "/pose", json=asked)
            return answered.status_code, answered.json()

    with TestClient(app) as client:
        finding = problem(client.post("/pose", json={"image": "http://127.0.0.1/a.png"}))
        assert finding["message"] == "the address is not loaded: its host has no public address"
        status, body = asyncio.run(loaded(said(png)))
        assert (status, len(body["people"])) == (200, 1)  # type: ignore[arg-type]
        assert asyncio.run(loaded(said(b"", Content_Length="999999999")))[0] == 413
