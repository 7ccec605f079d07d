"""The machine around the process: threads, files, memory, ports, clocks."""

import ast
import resource
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import httpx2
import numpy as np
import pytest

from app import service
from app.settings import Settings
from tests.app.scenery import write_png
from tests.app.test_bad_requests import refusal
from tests.faults.conftest import Running, running
from tests.server_process import Server, serving

ROOT = Path(__file__).resolve().parents[2]


# ---- threads


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, RecursionError, MemoryError])
def test_a_step_that_would_end_its_thread_ends_a_request(
    settings: Settings, png: bytes, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def ends(*_: object) -> None:
        raise error

    with running(settings, png) as server:
        server.client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
        with monkeypatch.context() as patch:
            patch.setattr(service, "decode_image", ends)
            body = refusal(server.ask(), 503 if error is MemoryError else 500)
        assert "errors" not in body
        server.still_serves()


def test_threads_that_are_gone_while_a_request_waits(server: Running) -> None:
    server.app.state.engine._workers.shutdown()
    assert refusal(server.ask(), 503)["detail"] == "the server is shutting down"
    assert server.client.get("/livez").status_code == 200


# ---- disk


def test_uploads_need_no_disk(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", full)
    noise = write_png(np.random.default_rng(0).integers(0, 255, (900, 1200, 3), dtype=np.uint8))
    assert len(noise) > 2 * 2**20
    assert server.client.post("/pose", files={"image": noise}).status_code == 200
    server.still_serves()


# ---- limits of the process


@pytest.fixture
def process(networks: Sequence[str]) -> Iterator[Server]:
    """A server whose limits a test may change."""
    with serving(*networks) as made:
        made.wait_until_ready()
        yield made


def test_more_connections_than_files_and_more_photo_than_memory(process: Server, png: bytes) -> None:
    """One after the other, to start one process less."""
    pid, files = process.process.pid, resource.RLIMIT_NOFILE
    before = resource.prlimit(pid, files)
    resource.prlimit(pid, files, (64, before[1]))
    with ExitStack() as connections:
        for _ in range(100):
            connections.enter_context(socket.create_connection(("127.0.0.1", process.port)))
        assert process.process.poll() is None
    process.wait_until_ready()
    assert httpx2.post(f"{process.url}/pose", content=png).status_code == 200
    resource.prlimit(pid, files, before)

    status = Path(f"/proc/{pid}/status").read_text()
    in_use = int(status.split("VmSize:")[1].split()[0]) * 1024
    resource.prlimit(pid, resource.RLIMIT_AS, (in_use + 50 * 2**20, -1))
    large = write_png(np.zeros((6000, 8000, 3), np.uint8))
    answer = httpx2.post(f"{process.url}/pose", content=large, timeout=30)
    assert refusal(answer, 503)["detail"] == "the server has no memory for this now"
    assert answer.headers["Retry-After"] == "1"
    assert httpx2.post(f"{process.url}/pose", content=png).status_code == 200
    assert process.readiness()["ready"]
    assert process.end() == 0


# ---- clocks


def test_a_clock_that_is_set_changes_nothing() -> None:
    """Whatever waits or measures goes by the monotonic clock.

    But for the minutes in which requests of a key count, and for what a job has written down: times for people to read,
    and its expiry, which has to outlast the process.
    """
    by_the_wall = {ROOT / "app" / "middleware" / "rate_limit.py", *(ROOT / "app" / "jobs").glob("*.py")}
    wall_clocks = {("time", "time"), ("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
    found = [
        f"{path}:{node.lineno}"
        for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "pose_core").rglob("*.py")]
        if path not in by_the_wall
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in wall_clocks
    ]
    assert found == []


# ---- without asserts


@pytest.mark.slow
def test_nothing_a_user_does_is_left_to_asserts(networks: Sequence[str], png: bytes, tmp_path: Path) -> None:
    """`python -O` leaves them out; the code has to be compiled again for it."""
    optimised = {"PYTHONOPTIMIZE": "1", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    with serving(*networks, settings=optimised) as server, httpx2.Client(base_url=server.url, timeout=60) as client:
        server.wait_until_ready()
        assert len(client.post("/pose", content=png).json()["people"]) == 3
        assert client.post("/pose", content=png[:100]).status_code == 422
        assert client.post("/pose", content=b"no photo").status_code == 415
        assert client.post("/pose?style=none", content=png).status_code == 422
        assert client.post("/pose?boxes=[[1]]", content=png).status_code == 422
        assert client.post("/pose", content=png, headers={"X-Request-Timeout": "soon"}).status_code == 422
        assert client.post("/render", json={"people": 1}).status_code == 422
        assert client.post("/render", content=b"{").status_code == 400
        assert client.post("/controlnet/detect", json={"controlnet_module": "none"}).status_code == 422
        assert client.post("/nothing").status_code == 404
        assert "Traceback" not in server.said()
        assert server.end() == 0
