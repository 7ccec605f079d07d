"""Refusals before the body is read."""

import asyncio
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.types import Message

from app.main import create_app
from app.settings import Settings
from tests.app.test_bad_requests import refusal


@pytest.fixture(scope="module")
def full(settings: Settings) -> Iterator[TestClient]:
    """A server that lets nobody in."""
    app = create_app(settings)
    with TestClient(app) as client:
        app.state.engine.admission.draining = True
        yield client


@pytest.mark.parametrize("path", ["/pose", "/render", "/convert"])
def test_work_is_refused_with_the_time_to_come_back(full: TestClient, path: str) -> None:
    answer = full.post(path, content=b"whatever")
    assert refusal(answer, 503)["detail"] == "the server is shutting down"
    assert answer.headers["Retry-After"] == "1"
    assert "Connection" not in answer.headers


@pytest.mark.parametrize("path", ["/controlnet/detect", "/sdapi/v1/preprocess"])
def test_other_programs_clients_read_it_in_their_shape(full: TestClient, path: str) -> None:
    answer = full.post(path, json={})
    assert answer.status_code == 503
    assert answer.json()["detail"] == "the server is shutting down"


def test_what_is_no_work_is_answered(full: TestClient) -> None:
    assert full.get("/models").status_code == 200
    assert full.get("/livez").status_code == 200


def test_no_byte_of_the_body_is_asked_for(full: TestClient) -> None:
    async def receive() -> Message:
        pytest.fail("the body was read")

    async def story(app: FastAPI) -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/pose", "query_string": b"", "headers": [], "state": {}}
        await app(scope, receive, send)
        return sent

    assert isinstance(full.app, FastAPI)
    start, *_ = asyncio.run(story(full.app))
    assert start["status"] == 503
