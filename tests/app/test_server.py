"""`skelmap serve` as a process: it listens, answers over real connections, and ends when it is told to."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.app.scenery import Networks
from tests.server_process import PROGRAM, Server, serving


def options(networks: Networks) -> tuple[str, ...]:
    """A server with the tiny networks."""
    return "--estimator", str(networks.estimator), "--detector", str(networks.detector)


@pytest.fixture(scope="module")
def server(networks: Networks) -> Iterator[Server]:
    """One server for the tests that leave it running."""
    with serving(*options(networks)) as running:
        running.wait_until_ready()
        yield running


def raw(server: Server, *sent: bytes) -> bytes:
    """What the server answers until it closes the connection or is silent for a while."""
    received = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=2) as connection:
        try:
            for part in sent:
                connection.sendall(part)
            while part := connection.recv(65536):
                received += part
        except (TimeoutError, ConnectionError):
            return received + b" and stayed open"
    return received


HEAD = b"POST /pose HTTP/1.1\r\nHost: here\r\nContent-Type: image/png\r\n"


def test_a_photo_over_a_real_connection(server: Server, png: bytes) -> None:
    with httpx2.Client(base_url=server.url) as client:
        for _ in range(2):
            answer = client.post("/pose", content=png, headers={"Content-Type": "image/png"})
            assert answer.status_code == 200
            assert len(answer.json()["people"]) == 3
            assert "Server" not in answer.headers
        drawn = client.post("/pose", files={"image": png}, data={"format": "png"})
        assert drawn.headers["Content-Type"] == "image/png"
        assert client.get("/readyz").json()["ready"] is True


def test_a_body_announced_too_large_is_not_waited_for(server: Server) -> None:
    answer = raw(server, HEAD + b"Content-Length: 100000000\r\n\r\nfirst bytes")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head.lower()
    assert body.endswith(b"}")


def test_a_body_growing_too_large_is_cut_off(server: Server) -> None:
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    answer = raw(server, HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 30)
    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("length", [b"-1", b"x", b"9" * 40])
def test_a_content_length_that_is_none(server: Server, length: bytes) -> None:
    assert raw(server, HEAD + b"Content-Length: " + length + b"\r\n\r\nabc").startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "line", [b"Host: [", b"Host: a b", b"Host: x\r\nX-Request-ID: \xe4", b"Host: x\r\nAccept: \xff"]
)
def test_strange_headers_are_no_crash(server: Server, line: bytes) -> None:
    request = b"GET /nothing HTTP/1.1\r\nConnection: close\r\n" + line + b"\r\n\r\n"
    assert raw(server, request).startswith(b"HTTP/1.1 404 ")


def test_a_caller_who_leaves_is_no_error(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\nabc")
    with httpx2.Client(base_url=server.url) as client:
        for _ in range(20):
            assert client.get("/healthz").status_code == 200
            time.sleep(0.02)
    assert "Traceback" not in server.said()


@pytest.fixture(scope="module")
def guarded(networks: Networks) -> Iterator[Server]:
    """A server that wants a key."""
    with serving(*options(networks), settings={"SKELMAP_API_KEYS": "alice:correct-horse"}) as running:
        yield running


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 100000\r\n\r\nfirst bytes",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst",
        b"Content-Length: 3\r\n\r\nmore than was announced",
        b"Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /models HTTP/1.1\r\n\r\n",
    ],
)
def test_a_stranger_is_answered_and_left_before_his_body_has_come(guarded: Server, body: bytes) -> None:
    answer = raw(guarded, HEAD + body)
    assert answer.startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 400 "))
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not answer.endswith(b"and stayed open")


def test_its_log_has_a_line_for_each_request_and_no_key(guarded: Server) -> None:
    with httpx2.Client(base_url=guarded.url) as client:
        client.get("/models?secret=query", headers={"X-API-Key": "correct-horse", "X-Request-ID": "mine"})
    line = json.loads(guarded.wait_for(r'\{.*"request_id": "mine".*\}')[0])
    assert (line["event"], line["route"], line["code"], line["key_name"]) == ("request", "/models", 200, "alice")
    assert "correct-horse" not in guarded.said()
    assert "secret" not in guarded.said()


def test_it_ends_when_it_is_told_to_and_finishes_its_work(networks: Networks, png: bytes) -> None:
    with serving(*options(networks)) as server, httpx2.Client(base_url=server.url) as client:
        assert client.post("/pose", content=png).status_code == 200
        assert server.end() == 0
        server.wait_for("Application shutdown complete")
        with pytest.raises(httpx2.ConnectError):
            client.get("/healthz")


def test_a_port_in_use_ends_the_command(server: Server, networks: Networks) -> None:
    arguments = ("--port", str(server.port), "--estimator", str(networks.estimator), "--detector", "whole-image")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "serve", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env=environment,
    )
    assert ended.returncode != 0
    assert "address already in use" in ended.stderr
