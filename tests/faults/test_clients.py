"""Clients that leave, dribble or come all at once, over real connections."""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from http.client import HTTPResponse

import httpx2
import pytest

from tests.server_process import PATIENCE_S, Server, serving


@pytest.fixture(scope="module")
def small(networks: Sequence[str]) -> Iterator[Server]:
    """A server with room for eight requests."""
    with serving(*networks, settings={"SKELMAP_MAX_ACTIVE": "2", "SKELMAP_MAX_QUEUE": "6"}) as made:
        made.wait_until_ready()
        yield made


def head(length: int) -> bytes:
    return f"POST /pose HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: {length}\r\n\r\n".encode()


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)


def still_serves(server: Server, png: bytes) -> None:
    """Three people, ready, and nothing unexpected in the log."""
    assert len(httpx2.post(f"{server.url}/pose", content=png, timeout=PATIENCE_S).json()["people"]) == 3
    assert server.readiness()["ready"]
    assert "Traceback" not in server.said()
    assert server.process.poll() is None


def leave_before_the_body(connection: socket.socket, png: bytes) -> None:
    connection.sendall(head(len(png)))


def leave_within_the_body(connection: socket.socket, png: bytes) -> None:
    connection.sendall(head(len(png)) + png[: len(png) // 2])


def leave_at_once_after_the_body(connection: socket.socket, png: bytes) -> None:
    connection.sendall(head(len(png)) + png)


def leave_while_it_works(connection: socket.socket, png: bytes) -> None:
    connection.sendall(head(len(png)) + png)
    time.sleep(0.005)


def leave_within_the_answer(connection: socket.socket, png: bytes) -> None:
    connection.sendall(head(len(png)) + png)
    assert connection.recv(10)


def break_off_hard(connection: socket.socket, png: bytes) -> None:
    """With a reset instead of an end."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.sendall(head(len(png)) + png)


@pytest.mark.parametrize(
    "leave",
    [
        leave_before_the_body,
        leave_within_the_body,
        leave_at_once_after_the_body,
        leave_while_it_works,
        leave_within_the_answer,
        break_off_hard,
    ],
)
def test_clients_that_leave(small: Server, png: bytes, leave: Callable[[socket.socket, bytes], None]) -> None:
    """More of them than there is room for, so that every place has to become free again."""
    for _ in range(20):
        with connect(small) as connection:
            leave(connection, png)
    still_serves(small, png)


def test_a_client_that_dribbles_holds_up_nobody(small: Server, png: bytes) -> None:
    request = head(len(png)) + png
    with ExitStack() as stack:
        dribbling = [stack.enter_context(connect(small)) for _ in range(20)]
        for position in range(0, 60, 3):
            for connection in dribbling:
                connection.sendall(request[position : position + 3])
            if position % 15 == 0:
                still_serves(small, png)
        dribbling[0].sendall(request[60:])
        assert dribbling[0].recv(15).startswith(b"HTTP/1.1 200")


def test_200_at_once_where_eight_fit(small: Server, png: bytes) -> None:
    """Each gets an answer or is told when to come again; nobody is left without."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(small)) for _ in range(200)]
        for connection in connections:
            connection.sendall(head(len(png)) + png)
        answers = [HTTPResponse(connection) for connection in connections]
        for answer in answers:
            answer.begin()
        outcomes = Counter((answer.status, int(answer.getheader("Retry-After", "0")) >= 1) for answer in answers)
    assert set(outcomes) <= {(200, False), (503, True)}
    assert outcomes[200, False] >= 8
    still_serves(small, png)
