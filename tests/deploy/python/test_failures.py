"""What the client makes of refusals, busy servers, silence and strangers."""

import asyncio
import socket
import time
from collections.abc import Callable
from threading import Thread, Timer
from typing import Any

import numpy as np
import pytest
from skelmap_client import (
    AsyncClient,
    Client,
    Finding,
    InvalidRequest,
    InvalidServer,
    KeyRefused,
    NotReachable,
    PhotoRefused,
    RequestFailed,
    Retries,
    ServerFailed,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
)
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from app.main import create_app
from app.settings import Settings
from tests.live_server import LiveServer, busy, listening

ONCE = Retries(most=0)


def answering(answers: list[Response], seen: list[Request] | None = None) -> Callable[..., Any]:
    """A server that says what it is told to, the last thing for ever, and remembers what it was asked."""
    left = list(answers)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return
        request = Request(scope, receive)
        await request.body()
        if seen is not None:
            seen.append(request)
        await (left.pop(0) if len(left) > 1 else left[0])(scope, receive, send)

    return app


# Refusals are typed


def test_a_parameter_that_cannot_be_used(client: Client, server: LiveServer, png: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        client.pose(png, style="oil", resolution=-1)
    failure = caught.value
    assert failure.status == 422
    assert failure.title == "Invalid parameters"
    assert failure.request_id
    style, resolution = sorted(failure.findings, key=lambda finding: finding.field, reverse=True)
    assert style == Finding("style", "unknown value", "oil", ("controlnet", "dwpose", "xinsir"))
    assert resolution.field == "resolution"
    assert str(failure).startswith(f"{server.url}/pose answered 422: Invalid parameters: ")
    assert "\n" not in str(failure)


def test_a_document_that_cannot_be_read(client: Client) -> None:
    with pytest.raises(InvalidRequest, match="/render answered 422"):
        client.render({"nobody": True})


def test_a_damaged_photo(client: Client, png: bytes) -> None:
    with pytest.raises(InvalidRequest, match="answered 422"):
        client.pose(png[:100])


def test_something_else_than_a_photo(client: Client) -> None:
    with pytest.raises(PhotoRefused, match="answered 415"):
        client.pose(b"GIF89a, or so it says")


def test_a_photo_that_is_too_large(settings: Settings, png: bytes) -> None:
    with (
        listening(create_app(settings.model_copy(update={"max_pixels": 100}))) as small,
        Client(small.url) as client,
        pytest.raises(PhotoRefused, match="answered 413"),
    ):
        client.pose(png)


def test_a_server_that_refuses_before_it_has_read_everything(settings: Settings) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8)
    with (
        listening(create_app(settings.model_copy(update={"max_bytes": 1024}))) as small,
        Client(small.url, retries=ONCE) as client,
        pytest.raises(PhotoRefused, match="answered 413"),
    ):
        client.pose(noise)


def test_a_model_that_is_not_installed_is_not_waited_for(settings: Settings, png: bytes) -> None:
    bare = create_app(settings.model_copy(update={"estimator": "dwpose-l-384"}))
    with listening(bare) as server, Client(server.url, retries=Retries(most=1, backoff_s=5)) as client:
        with pytest.raises(Unavailable, match="skelmap models pull dwpose-l-384") as caught:
            client.pose(png)
        assert caught.value.retry_after_s is None


@pytest.mark.parametrize(
    ("status", "kind"), [(401, KeyRefused), (403, KeyRefused), (404, RequestFailed), (500, ServerFailed)]
)
def test_other_statuses(status: int, kind: type[RequestFailed]) -> None:
    seen: list[Request] = []
    answer = PlainTextResponse("no problem document", status)
    with listening(answering([answer], seen)) as server, Client(server.url, api_key="secret") as client:
        with pytest.raises(kind, match=f"/models answered {status}: ") as caught:
            client.models()
        assert type(caught.value) is kind
    assert len(seen) == 1
    assert seen[0].headers["X-API-Key"] == "secret"


# A busy server is asked again when it says so


def test_a_busy_server_is_asked_again_after_the_second_it_asks_for(settings: Settings, png: bytes) -> None:
    with busy(settings, max_queue=0) as server, Client(server.url, retries=Retries(backoff_s=0.01)) as client:
        with pytest.raises(Unavailable) as caught:
            Client(server.url, retries=ONCE).pose(png)
        assert caught.value.retry_after_s == 1
        Timer(0.3, server.release).start()
        start = time.monotonic()
        assert len(client.pose(png).people) == 3
        assert time.monotonic() - start >= 1


def test_the_same_from_asyncio(settings: Settings, png: bytes) -> None:
    async def ask(url: str) -> int:
        async with AsyncClient(url) as client:
            return len((await client.pose(png)).people)

    with busy(settings, max_queue=0) as server:
        Timer(0.3, server.release).start()
        assert asyncio.run(ask(server.url)) == 3


def test_waiting_for_a_busy_server_holds_up_nobody_else() -> None:
    """While one task waits to ask again, others go on."""
    answers = [PlainTextResponse("busy", 429, {"Retry-After": "1"}), Response("{}")]
    done: list[str] = []

    async def ask(client: AsyncClient) -> None:
        await client.models()
        done.append("models")

    async def both(url: str) -> None:
        async with AsyncClient(url) as client:
            asking = asyncio.create_task(ask(client))
            while not seen:  # noqa: ASYNC110 - the server is in another thread
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            done.append("something else")
            await asking

    seen: list[Request] = []
    with listening(answering(answers, seen)) as server:
        asyncio.run(both(server.url))
    assert done == ["something else", "models"]


def test_a_server_that_stays_busy_is_given_up() -> None:
    seen: list[Request] = []
    answer = PlainTextResponse("busy", 429, {"Retry-After": "0"})
    with listening(answering([answer], seen)) as server, pytest.raises(Unavailable, match="answered 429"):
        Client(server.url, retries=Retries(most=2, backoff_s=0.01)).models()
    assert len(seen) == 3


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_proxy_that_does_not_say_when_is_asked_again(status: int) -> None:
    answers = [PlainTextResponse("busy", status), Response('{"detectors": []}')]
    with listening(answering(answers)) as server, Client(server.url, retries=Retries(backoff_s=0.01)) as client:
        assert client.models() == {"detectors": []}


def test_a_wait_that_is_too_long_is_not_waited_for() -> None:
    answer = PlainTextResponse("closed for today", 503, {"Retry-After": "3600"})
    with listening(answering([answer])) as server, pytest.raises(Unavailable) as caught:
        Client(server.url).models()
    assert caught.value.retry_after_s == 3600


# Silence


def answer_once(port: int, delay_s: float) -> None:
    """Listen after a while, and answer one request."""
    time.sleep(delay_s)
    with socket.create_server(("127.0.0.1", port)) as listener, listener.accept()[0] as connection:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{"detectors": []}')


def test_a_server_that_is_too_slow_is_not_asked_again(settings: Settings, png: bytes) -> None:
    with busy(settings, max_queue=8) as server, Client(server.url, timeout_s=0.2) as client:
        start = time.monotonic()
        with pytest.raises(TimedOut, match=r"/pose did not answer within 0.2 s"):
            client.pose(png)
        assert time.monotonic() - start < 5


def test_a_task_can_be_cancelled_while_it_waits(settings: Settings, png: bytes) -> None:
    async def ask(url: str) -> None:
        async with AsyncClient(url) as client:
            await asyncio.wait_for(client.pose(png), 0.2)

    with busy(settings, max_queue=8) as server, pytest.raises(asyncio.TimeoutError):
        asyncio.run(ask(server.url))


def test_nobody_there() -> None:
    with listening(answering([Response()])) as server:
        url = server.url
    with pytest.raises(NotReachable) as caught:
        Client(url, retries=ONCE).models()
    assert str(caught.value) == f"{url}/models cannot be reached: [Errno 111] Connection refused"


def test_a_server_that_comes_up_is_found() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    late = Thread(target=answer_once, args=(port, 0.2))
    late.start()
    with Client(f"http://127.0.0.1:{port}", retries=Retries(most=5, backoff_s=0.05)) as client:
        assert client.models() == {"detectors": []}
    late.join()


# Addresses, keys and time-outs are looked at before anything is sent


@pytest.mark.parametrize("kind", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"url": "127.0.0.1:8000"}, "url: expected one such as http://127.0.0.1:8000, got '127.0.0.1:8000'"),
        ({"url": ""}, "url: expected one"),
        ({"url": "ftp://here"}, "url: expected one"),
        ({"url": "http://"}, "url: expected one"),
        ({"url": "http://here?a=b"}, "url: expected one"),
        ({"url": "http://["}, "url: Invalid IPv6 URL"),
        ({"url": "http://here:port"}, "url: Port could not be cast"),
        ({"url": "http://me:s3cret@here"}, "url: must not contain a name or password"),
        ({"api_key": "s3cret\r\nX-Other: 1"}, "api_key: only visible ASCII characters can be sent"),
        ({"api_key": "s3cret\u2603"}, "api_key: only visible ASCII"),
        ({"timeout_s": 0}, "timeout_s: expected seconds above 0, got 0"),
        ({"timeout_s": float("nan")}, "timeout_s: expected seconds above 0"),
    ],
)
def test_what_no_client_can_be_made_of(kind: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidServer, match=message) as caught:
        kind(**given)
    assert "s3cret" not in str(caught.value)


def test_a_key_from_a_file_with_its_last_newline() -> None:
    seen: list[Request] = []
    with listening(answering([Response("{}")], seen)) as server:
        Client(f" {server.url}/ ", api_key=" s3cret\n").models()
    assert seen[0].headers["X-API-Key"] == "s3cret"


def test_nothing_is_remembered_between_requests() -> None:
    seen: list[Request] = []
    answer = Response("{}", headers={"Set-Cookie": "session=1"})
    with listening(answering([answer], seen)) as server, Client(server.url) as client:
        client.models()
        client.models()
    assert "cookie" not in seen[1].headers


# Strangers


NOBODY = (
    '{"width": 1, "height": 1, "canvas_width": 1, "canvas_height": 1, "people": [], "dialect": "", "estimator": "",'
    ' "detector": "", "provider": "", "warnings": [], "timings_ms": {}, "map": null}'
)


@pytest.mark.parametrize(
    "body", ["<html>It works!</html>", '{"people": []}', "[]", '{"people": [{}]}', NOBODY, "[" * 100_000]
)
def test_somebody_elses_server(png: bytes, body: str) -> None:
    with listening(answering([Response(body)])) as server, Client(server.url) as client:
        with pytest.raises(UnexpectedAnswer, match=f"{server.url}/pose does not answer as a Skelmap server does"):
            client.pose(png)
        with pytest.raises(UnexpectedAnswer):
            client.skeleton_map(png)


def test_a_redirection_is_not_followed(server: LiveServer) -> None:
    away = Response(status_code=307, headers={"Location": f"{server.url}/models"})
    with (
        listening(answering([away])) as elsewhere,
        Client(elsewhere.url, api_key="secret") as client,
        pytest.raises(RequestFailed, match="answered 307"),
    ):
        client.models()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[1]", "Unprocessable"),
        ('{"detail": "one\\ntwo", "errors": null}', "answered 422: one two$"),
        ('{"detail": "x", "errors": ["text", {"choices": 3}]}', "answered 422: x$"),
        ('{"title": "' + "long " * 1000 + '"}', "answered 422: long long .*[.][.][.]$"),
    ],
)
def test_a_problem_document_that_is_none(body: str, message: str) -> None:
    odd = Response(body, 422, media_type="application/problem+json")
    with listening(answering([odd])) as server, pytest.raises(InvalidRequest, match=message) as caught:
        Client(server.url).models()
    assert len(str(caught.value)) < 400
