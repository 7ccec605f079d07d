"""How a process ends, and begins again: nothing lost, exit code 0, no trace left."""

import json
import signal
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore, Thread

import httpx2
import pytest

from app.exits import EXIT_MODEL, EXIT_NOW
from tests.server_process import PATIENCE_S, PROGRAM, Server, serving

LOADS_FOR_EVER = """
import time
import pose_core.session as session
opened = session._open_runtime
session._open_runtime = lambda path, *rest: opened(path, *rest) if path.stem == "probe" else time.sleep(600)
"""
"""Stands before `PROGRAM`: networks take for ever to load."""


LOSES_ITS_DEVICE = """
import pose_core.session as session
run = session.Session.run

def lost(self, tensor, stop=None):
    if stop:
        raise session.DeviceLost("CUDA failure 700: an illegal memory access was encountered")
    return run(self, tensor)

session.Session.run = lost
"""
"""Stands before `PROGRAM`: networks load, and fail for good with the first request."""


def hold(server: Server) -> socket.socket:
    """A request in work whose body never ends."""
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
    head = b"POST /pose HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n"
    connection.sendall(head + b"Expect: 100-continue\r\n\r\n")
    assert connection.recv(100).startswith(b"HTTP/1.1 100"), "the server waits for the body"
    return connection


def test_sigterm_while_networks_are_loaded(networks: Sequence[str]) -> None:
    with serving(*networks, program=LOADS_FOR_EVER + PROGRAM) as server:
        assert server.readiness()["reasons"] == ["the networks are being loaded"]
        assert httpx2.get(f"{server.url}/livez").status_code == 200
        assert server.end() == 0


def test_a_second_sigterm_ends_it_at_once(networks: Sequence[str]) -> None:
    with serving(*networks) as server, hold(server):
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(TimeoutError):
            wait(server, seconds=0.5)  # for the request
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_S) == EXIT_NOW


def wait(server: Server, seconds: float) -> None:
    """Until the process ends.

    Raises:
        TimeoutError: it goes on.
    """
    deadline = time.monotonic() + seconds
    while server.process.poll() is None:
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


def test_what_is_not_done_in_the_time_for_it_is_cut_off(networks: Sequence[str]) -> None:
    with serving(*networks, settings={"SKELMAP_SHUTDOWN_TIMEOUT_S": "1"}) as server, hold(server):
        assert server.end() == 0


def test_a_lost_device_ends_the_process(networks: Sequence[str], png: bytes) -> None:
    """So that whoever supervises it starts another."""
    with serving(*networks, program=LOSES_ITS_DEVICE + PROGRAM) as server:
        server.wait_until_ready()
        assert httpx2.post(f"{server.url}/pose", content=png).status_code == 503
        assert server.process.wait(PATIENCE_S) == EXIT_MODEL
        server.wait_for("error: CUDA failure 700")


@pytest.mark.parametrize("repetition", range(1))
def test_sigterm_under_load_loses_nothing(networks: Sequence[str], png: bytes, repetition: int) -> None:
    assert repetition >= 0
    drain(networks, png)


@pytest.mark.slow
@pytest.mark.parametrize("repetition", range(20))
def test_sigterm_under_load_loses_nothing_20_times(networks: Sequence[str], png: bytes, repetition: int) -> None:
    assert repetition >= 0
    drain(networks, png)


def drain(networks: Sequence[str], png: bytes) -> None:
    """Clients send as fast as they can until /readyz says 503, as a load balancer does; every answer is right."""
    with serving(*networks, settings={"SKELMAP_DRAIN_DELAY_S": "2"}) as server:
        server.wait_until_ready()
        unready, answered = Event(), Semaphore(0)
        watcher = Thread(target=watch, args=(server, unready))
        watcher.start()
        with ThreadPoolExecutor(8) as pool:
            clients = [pool.submit(send_until, server, png, unready, answered, left) for left in range(8)]
            for _ in range(24):
                assert answered.acquire(timeout=PATIENCE_S)
            assert server.end() == 0
            counts = [client.result(PATIENCE_S) for client in clients]
        watcher.join(PATIENCE_S)
        assert sum(counts) >= 24
        assert "Traceback" not in server.said()


def watch(server: Server, unready: Event) -> None:
    """What a load balancer does."""
    with httpx2.Client(timeout=PATIENCE_S) as client:
        while client.get(f"{server.url}/readyz").status_code == 200:
            time.sleep(0.02)
    unready.set()


def send_until(server: Server, png: bytes, unready: Event, answered: Semaphore, left: int) -> int:
    """How many requests were sent, each about a box of its own, and answered for that box."""
    sent = 0
    with httpx2.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        while not unready.is_set():
            box = [left + 8 * (sent % 5), 10, left + 80, 110]
            answer = client.post("/pose", content=png, params={"boxes": json.dumps([box])})
            assert answer.status_code == 200, answer.text
            assert [person["box"] for person in answer.json()["people"]] == [box]
            answered.release()
            sent += 1
    return sent


def test_sigkill_leaves_nothing_behind(networks: Sequence[str], png: bytes) -> None:
    """Another one serves at once, on the same port and with the same folder."""
    folder = Path(networks[1]).parent
    before = sorted(folder.rglob("*"))
    with serving(*networks) as first, hold(first):
        first.wait_until_ready()
        port = first.port
        first.process.kill()
        assert first.process.wait(PATIENCE_S) == -signal.SIGKILL
    with serving(*networks, port=port) as second:
        second.wait_until_ready()
        assert len(httpx2.post(f"{second.url}/pose", content=png).json()["people"]) == 3
        assert sorted(folder.rglob("*")) == before
        second.process.send_signal(signal.SIGINT)  # as Ctrl-C
        assert second.process.wait(PATIENCE_S) == 0
