"""So many requests a minute: who asks for more waits, nobody else does."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.main import create_app
from app.middleware.rate_limit import caller_of
from app.settings import Settings
from tests.app.test_bad_requests import refusal


@contextmanager
def limited(settings: Settings, *, keys: str | None = None, most: int = 3) -> Iterator[TestClient]:
    """A server that allows three requests a minute."""
    update = {"max_requests_per_minute": most, "api_keys": SecretStr(keys) if keys else None}
    with TestClient(create_app(settings.model_copy(update=update))) as client:
        yield client


def test_one_more_than_allowed_is_told_when_to_come_back(settings: Settings) -> None:
    with limited(settings) as client:
        answers = [client.get("/version") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    body = refusal(answers[3], 429)
    assert body["title"] == "Too many requests"
    assert body["detail"] == "more than the 3 requests a minute that are allowed"
    assert 1 <= int(answers[3].headers["Retry-After"]) <= 60


def test_every_answer_says_how_much_is_left(settings: Settings) -> None:
    with limited(settings) as client:
        answers = [client.get("/version") for _ in range(4)]
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=3;w=60'}
    left = [answer.headers["RateLimit"].partition(";t=")[0] for answer in answers]
    assert left == ['"default";r=2', '"default";r=1', '"default";r=0', '"default";r=0']
    assert answers[3].headers["RateLimit"].endswith(f";t={answers[3].headers['Retry-After']}")


def test_each_key_has_its_own_share(settings: Settings) -> None:
    with limited(settings, keys="alice:a,bob:b", most=1) as client:
        codes = [client.get("/version", headers={"X-API-Key": key}).status_code for key in "aabb"]
    assert codes == [200, 429, 200, 429]


def test_a_body_over_the_rate_is_not_waited_for(settings: Settings, png: bytes) -> None:
    with limited(settings, most=1) as client:
        assert client.post("/pose", content=png).status_code == 200
        answer = client.post("/pose", content=png)
    assert answer.status_code == 429
    assert answer.headers["Connection"] == "close"


def test_strangers_do_not_use_up_what_belongs_to_a_key(settings: Settings) -> None:
    with limited(settings, keys="alice:a", most=1) as client:
        assert [client.get("/version").status_code for _ in range(3)] == [401] * 3
        assert client.get("/version", headers={"X-API-Key": "a"}).status_code == 200


def test_probes_are_not_counted(settings: Settings) -> None:
    with limited(settings, most=1) as client:
        answers = [client.get("/healthz") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert "RateLimit" not in answers[0].headers


def test_without_a_limit_nothing_is_said_of_one(client: TestClient) -> None:
    assert "RateLimit" not in client.get("/version").headers


@pytest.mark.parametrize(
    ("scope", "caller"),
    [
        ({"client": ("192.0.2.7", 80), "state": {"key_name": "alice"}}, "key alice"),
        ({"client": ("192.0.2.7", 80), "state": {"key_name": ""}}, "client 192.0.2.7/32"),
        ({"client": ("2001:db8:1:2:3:4:5:6", 80)}, "client 2001:db8:1:2::/64"),
        ({"client": ("testclient", 80)}, "client testclient"),
        ({"client": None}, "client "),
        ({}, "client "),
    ],
)
def test_who_is_counted(scope: dict[str, object], caller: str) -> None:
    assert caller_of(scope) == caller
