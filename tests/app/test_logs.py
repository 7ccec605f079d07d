"""The log: one line for each request, with what an operator needs and nothing that a stranger or his photo said."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.logs import LogFormat, configure_logs
from app.main import create_app
from app.settings import Settings
from tests.app.scenery import write_fragile_estimator

KEY = "correct-horse-battery-staple"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def log() -> io.StringIO:
    """Where this process now logs to."""
    stream = io.StringIO()
    configure_logs("json", "info", stream)
    return stream


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    """The lines of a log in JSON."""
    return [json.loads(line) for line in log.getvalue().splitlines()]


def accesses(log: io.StringIO) -> list[dict[str, Any]]:
    """The lines about requests."""
    return [line for line in lines(log) if line["logger"] == "skelmap.access"]


def test_a_request_is_one_line(client: TestClient, png: bytes, log: io.StringIO) -> None:
    answer = client.post("/pose?format=png", content=png, headers={"X-Request-ID": "abc-1"})
    (line,) = accesses(log)
    assert (line["event"], line["level"], line["request_id"], line["key_name"]) == ("request", "info", "abc-1", "")
    assert (line["method"], line["route"], line["code"]) == ("POST", "/pose", 200)
    assert (line["request_bytes"], line["response_bytes"]) == (len(png), len(answer.content))
    assert set(line["phases"]) == {"read", "queue", "decode", "detect", "pose", "render", "encode"}
    assert 0 < sum(line["phases"].values()) <= line["seconds"]
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("request_line", "code", "route"),
    [
        ("GET /pose", 405, "/pose"),
        ("GET /controlnet/version", 200, "/controlnet/version"),
        ("GET /no/such/path", 404, "unknown"),
        ("GET /docs", 200, "unknown"),
        ("MADEUP /models", 405, "/models"),
        ("POST /pose", 422, "/pose"),
        ("POST /render", 400, "/render"),
    ],
)
def test_every_answer_is_written_down(
    client: TestClient, log: io.StringIO, request_line: str, code: int, route: str
) -> None:
    method, path = request_line.split()
    client.request(method, path)
    (line,) = accesses(log)
    assert (line["code"], line["route"]) == (code, route)
    assert line["method"] == (method if method != "MADEUP" else "OTHER")


def test_who_was_turned_away_is_written_down_with_the_route(settings: Settings, png: bytes, log: io.StringIO) -> None:
    guarded = settings.model_copy(update={"api_keys": SecretStr(f"alice:{KEY}")})
    with TestClient(create_app(guarded)) as client:
        client.post("/pose", content=png)
        client.get("/version", headers={"X-API-Key": KEY})
    refused, served = accesses(log)
    assert (refused["code"], refused["route"], refused["key_name"]) == (401, "/pose", "")
    assert refused["request_bytes"] == 0
    assert (served["code"], served["route"], served["key_name"]) == (200, "/version", "alice")


def test_a_failure_of_ours_is_written_down(settings: Settings, png: bytes, log: io.StringIO) -> None:
    app = create_app(settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        app.state.models = None
        answer = client.post("/pose", content=png)
    (line,) = accesses(log)
    assert line["code"] == answer.status_code == 500
    (error,) = [line for line in lines(log) if line["level"] == "error"]
    assert error["event"] == f"POST /pose, request_id {line['request_id']}, failed"
    assert "Traceback" in error["exception"]


def test_nothing_of_a_stranger_gets_into_the_log(
    settings: Settings, png: bytes, tmp_path: Path, log: io.StringIO
) -> None:
    fragile = write_fragile_estimator(tmp_path / "fragile.onnx")
    update = {"estimator": str(fragile), "api_keys": SecretStr(f"alice:{KEY}")}
    app = create_app(settings.model_copy(update=update))
    with TestClient(app, raise_server_exceptions=False) as client:
        for key in (KEY, "secret-of-another"):
            headers = {"X-API-Key": key, "Authorization": f"Bearer {key}", "User-Agent": "secret-agent"}
            client.post("/pose", files={"image": ("secret-name.png", png)}, headers=headers)
            client.post("/secret-path?secret-query=1", headers=headers)
            client.post("/pose?estimator=secret-name", content=png, headers=headers)
            client.post("/pose", json={"image": "secret"}, headers=headers)
    assert len(accesses(log)) == 8
    said = [line for line in log.getvalue().splitlines() if '"logger": "httpx2"' not in line]  # the client's own
    assert len(said) > 8
    assert not [line for line in said if "secret" in line or KEY in line]


def test_people_at_a_terminal_read_text() -> None:
    formats: tuple[LogFormat, ...] = ("auto", "json", "text")
    written = {}
    for kind in formats:
        for stream in (io.StringIO(), Terminal()):
            configure_logs(kind, "info", stream)
            logging.getLogger("skelmap").info("hello %s", "there")
            assert "hello there" in stream.getvalue()
            written[kind, stream.isatty()] = stream.getvalue().startswith("{")
    assert [kind for kind, is_json in written.items() if is_json] == [("auto", False), ("json", False), ("json", True)]


def test_a_level_keeps_what_is_less_out() -> None:
    stream = io.StringIO()
    configure_logs("json", "warning", stream)
    logging.getLogger("skelmap.access").info("request")
    logging.getLogger("skelmap").warning("not ready")
    assert [line["event"] for line in lines(stream)] == ["not ready"]


def test_lines_of_the_server_program_are_written_alike(log: io.StringIO) -> None:
    logging.getLogger("uvicorn.error").warning("up on %d", 80, extra={"color_message": "in colours"})
    (line,) = lines(log)
    assert (line["event"], line["logger"]) == ("up on 80", "uvicorn.error")
    assert "color_message" not in line
