"""The gate: who has no key gets nothing read and nothing computed, in the words of the protocol he speaks."""

import asyncio
from collections.abc import Iterator
from typing import Any

import PIL.Image
import pytest
import requests
from fastapi.testclient import TestClient
from pydantic import SecretStr
from skelmap_client import Client, KeyRefused
from starlette.types import Message, Receive, Scope, Send

from app.main import create_app
from app.middleware.key_gate import KeyGate
from app.protocols import PROTOCOLS
from app.security.keys import parse_keys
from app.settings import Settings
from pose_core.types import Image
from tests.app.test_bad_requests import refusal
from tests.app.waiting import loaded
from tests.live_server import listening

KEY = {"X-API-Key": "correct-horse"}


@pytest.fixture(scope="module")
def guarded(settings: Settings) -> Iterator[TestClient]:
    """A server that wants a key."""
    keys = SecretStr("alice:correct-horse,bob:tr0ub4dor:3")
    with TestClient(create_app(settings.model_copy(update={"api_keys": keys}))) as client:
        loaded(client)
        yield client


async def untouched() -> Message:
    pytest.fail("the body was read")


async def reached(scope: Scope, _receive: Receive, send: Send) -> None:
    """An application that tells whom it serves."""
    await send({"type": "reached", "key_name": scope["state"]["key_name"]})


def passed(path: str, *headers: tuple[bytes, bytes], kind: str = "http", keys: str = "alice:a") -> list[Message]:
    """What the gate alone does with a request whose body never comes."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    gate = KeyGate(reached, parse_keys(keys) if keys else (), open_paths={"/healthz"}, shapes={})
    scope = {"type": kind, "method": "POST", "path": path, "headers": [*headers], "query_string": b""}
    asyncio.run(gate(scope, untouched, send))
    return sent


def test_a_stranger_is_refused_and_his_body_is_not_read() -> None:
    start = passed("/pose", (b"content-length", b"1000"))[0]
    assert start["status"] == 401
    assert (b"connection", b"close") in start["headers"]
    start = passed("/pose", (b"transfer-encoding", b"chunked"))[0]
    assert (b"connection", b"close") in start["headers"]


def test_a_refusal_without_a_body_keeps_the_connection() -> None:
    assert "connection" not in dict(passed("/models")[0]["headers"])
    assert b"connection" not in dict(passed("/models", (b"content-length", b"0"))[0]["headers"])


def test_whose_key_it_is_is_told_to_the_application() -> None:
    assert passed("/pose", (b"x-api-key", b"a")) == [{"type": "reached", "key_name": "alice"}]
    assert passed("/healthz", (b"x-api-key", b"a")) == [{"type": "reached", "key_name": "alice"}]
    assert passed("/healthz") == [{"type": "reached", "key_name": ""}]
    assert passed("/pose", (b"x-api-key", b"a"), keys="") == [{"type": "reached", "key_name": ""}]


@pytest.mark.parametrize("path", ["/healthz/", "//healthz", "/healthz/../pose", "/HEALTHZ", "/healthz%00", ""])
def test_a_path_that_looks_open_is_not(path: str) -> None:
    assert passed(path)[0]["status"] == 401


def test_a_websocket_needs_a_key_too() -> None:
    assert passed("/anything", kind="websocket") == [{"type": "websocket.close", "code": 1008}]
    assert passed("/anything", (b"x-api-key", b"a"), kind="websocket")[0]["type"] == "reached"


@pytest.mark.parametrize(
    "given",
    [
        KEY,
        {"Authorization": "Bearer correct-horse"},
        {"Authorization": "Basic dXNlcjpjb3JyZWN0LWhvcnNl"},  # user:correct-horse, as webuiapi's set_auth sends it
    ],
)
def test_with_a_key_everything_is_as_without_one(guarded: TestClient, png: bytes, given: dict[str, str]) -> None:
    answer = guarded.post("/pose", content=png, headers=given)
    assert answer.status_code == 200
    assert len(answer.json()["people"]) == 3


@pytest.mark.parametrize("given", [{}, {"X-API-Key": "wrong"}, {"X-API-Key": "schlüssel".encode()}, {"X-API-Key": ""}])
def test_without_one_a_problem_says_where_it_belongs(guarded: TestClient, png: bytes, given: dict[str, Any]) -> None:
    answer = guarded.post("/pose", content=png, headers=given)
    body = refusal(answer, 401)
    assert body["title"] == "Key needed"
    assert "as X-API-Key, as bearer token, or as the password of Basic" in body["detail"]
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="skelmap", charset="UTF-8", Bearer realm="skelmap"'
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/controlnet/detect", {"error", "detail", "body", "errors"}),
        ("/sdapi/v1/preprocess", {"error", "code", "detail", "body", "errors"}),
    ],
)
def test_clients_of_other_programs_read_it_in_their_words(guarded: TestClient, path: str, keys: set[str]) -> None:
    answer = guarded.post(path, json={})
    assert answer.status_code == 401
    assert set(answer.json()) == keys
    assert "API key" in answer.json()["detail"]


def paths(*, are_open: bool) -> list[str]:
    """Every path of protocols that need no key, or of all others."""
    return sorted(path for row in PROTOCOLS.values() if row.is_open is are_open for path in row.paths)


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/redoc", "/nothing", *paths(are_open=False)])
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "DELETE", "MADEUP"])
def test_no_path_is_forgotten(guarded: TestClient, path: str, method: str) -> None:
    assert guarded.request(method, path).status_code == 401


@pytest.mark.parametrize("path", paths(are_open=True))
def test_probes_need_no_key(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_health_is_open() -> None:
    assert {"/healthz", "/readyz"} <= set(paths(are_open=True))


# Real clients


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    """Where a server listens that wants a key."""
    with listening(create_app(settings.model_copy(update={"api_keys": SecretStr("alice:correct-horse")}))) as server:
        yield server.url


def test_our_client_for_python_sends_the_key(address: str, png: bytes) -> None:
    with Client(address, api_key="correct-horse") as client:
        assert len(client.pose(png).people) == 3
    with Client(address, api_key="wrong") as client, pytest.raises(KeyRefused):
        client.pose(png)


def test_a_client_of_a1111_sends_it_as_its_password(address: str, photo: Image) -> None:
    webuiapi = pytest.importorskip("webuiapi", reason="needs the client webuiapi of the extra `test`")
    api = webuiapi.WebUIApi(baseurl=address)
    api.set_auth("anybody", "correct-horse")
    answer = api.controlnet_detect([PIL.Image.fromarray(photo)], module="dw_openpose")
    assert len(answer.json["poses"][0]["people"]) == 3
    api.session.close()


def test_a_large_upload_without_a_key_learns_why(address: str) -> None:
    answer = requests.post(f"{address}/pose", data=bytes(5 * 2**20), timeout=20)
    assert answer.status_code == 401
