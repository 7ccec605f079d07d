"""What browsers are told: security headers on every answer, and other origins only where the owner says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.main import create_app
from app.security.headers import STRICT
from app.settings import Settings
from tests.app.scenery import write_fragile_estimator

ORIGIN = "https://studio.example"


@pytest.fixture(scope="module")
def shared_with(settings: Settings) -> Iterator[TestClient]:
    """A server that lets the pages of one other origin call it, with a key."""
    update = {"cors_origins": (ORIGIN,), "api_keys": SecretStr("alice:a")}
    with TestClient(create_app(settings.model_copy(update=update))) as client:
        yield client


@pytest.mark.parametrize("path", ["/healthz", "/version", "/openapi.json", "/nothing", "/controlnet/version", "/pose"])
def test_every_answer_is_strict(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert {name: headers.get(name) for name in STRICT} == dict(STRICT)


def test_so_is_a_failure_of_our_own(settings: Settings, tmp_path: Path, png: bytes) -> None:
    fragile = write_fragile_estimator(tmp_path / "fragile.onnx")
    app = create_app(settings.model_copy(update={"estimator": str(fragile)}))
    with TestClient(app, raise_server_exceptions=False) as client:
        app.state.models = None
        answer = client.post("/pose", content=png)
    assert answer.status_code == 500
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_documentation_pages_may_load_what_they_need_and_stay_out_of_frames(client: TestClient, path: str) -> None:
    answer = client.get(path)
    policy = {rule.split()[0]: rule.split()[1:] for rule in answer.headers["Content-Security-Policy"].split(";")}
    assert policy["frame-ancestors"] == policy["default-src"] == ["'none'"]
    for tag, rule in (("script", "script-src"), ("link", "style-src")):
        for source in (part.split('"')[0] for part in answer.text.split(f"<{tag} ")[1:] for part in part.split('="')):
            if source.startswith("https://") and not source.endswith(".png"):
                assert any(source.startswith(allowed) for allowed in policy[rule]), (source, policy[rule])


def test_other_origins_are_not_served_by_default(client: TestClient) -> None:
    answer = client.get("/version", headers={"Origin": ORIGIN})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert (
        client.options("/pose", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}).status_code == 405
    )


def test_a_named_origin_may_ask_without_a_key_and_call_with_one(shared_with: TestClient) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    leave = shared_with.options("/pose", headers=asked)
    assert leave.status_code == 200
    assert leave.headers["Access-Control-Allow-Origin"] == ORIGIN
    answer = shared_with.get("/version", headers={"Origin": ORIGIN, "X-API-Key": "a"})
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers


def test_a_page_of_a_named_origin_can_read_that_it_needs_a_key(shared_with: TestClient) -> None:
    answer = shared_with.get("/version", headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize("origin", ["https://evil.example", "https://studio.example.evil.example", "null"])
def test_no_other_origin_gets_leave(shared_with: TestClient, origin: str) -> None:
    answer = shared_with.get("/version", headers={"Origin": origin, "X-API-Key": "a"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    assert shared_with.options("/pose", headers=asked).status_code == 400


def test_all_origins_never_with_credentials(settings: Settings) -> None:
    with TestClient(create_app(settings.model_copy(update={"cors_origins": ("*",)}))) as client:
        answer = client.get("/version", headers={"Origin": ORIGIN, "Cookie": "a=b"})
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
