"""Databases for tests: SQLite in a file, and real PostgreSQL and Redis servers on free ports, where they are installed.

Each server is started once per test process, in a folder of its own, and gets every test an empty database.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

FreshUrl = Callable[[Path], str]
"""The URL of an empty database; SQLite puts it into the folder."""

READY_S = 30


def _program(name: str) -> str:
    """A server's program, also where Debian hides PostgreSQL's."""
    hidden = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(hidden[-1]) if hidden else "")
    if not found:
        pytest.skip(f"needs {name}, which is not installed (apt-get install postgresql redis-server)")
    return found


def _other_user() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, log.read_text()
        time.sleep(0.02)
    raise AssertionError(log.read_text())


@contextmanager
def _server(*command: str, port: int, folder: Path, user: str | None) -> Iterator[None]:
    log = folder / "log.txt"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, user=user) as process,
    ):
        try:
            _wait_for(port, process, log)
            yield
        finally:
            process.send_signal(signal.SIGINT)  # to PostgreSQL: end although there are connections
            try:
                process.wait(READY_S)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def sqlite() -> Iterator[FreshUrl]:
    """Files."""
    numbers = count()
    yield lambda folder: f"sqlite:///{folder}/jobs-{next(numbers)}.db"


@contextmanager
def postgresql() -> Iterator[FreshUrl]:
    """A PostgreSQL server; it refuses to be root, so another user runs it where we are."""
    psycopg = pytest.importorskip("psycopg", reason="needs psycopg: pip install 'skelmap[postgresql]'")
    initdb, postgres = _program("initdb"), _program("postgres")
    user = _other_user() if os.getuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="skelmap-postgresql-") as name:
        folder, port = Path(name), free_port()
        if user:
            shutil.chown(folder, user)
        options = ("-D", "data", "-U", "skelmap", "-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8")
        subprocess.run([initdb, *options], cwd=folder, check=True, user=user, stdout=subprocess.DEVNULL)
        address = ("-p", str(port), "-k", name, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
        with _server(postgres, "-D", "data", *address, port=port, folder=folder, user=user):
            base, numbers = f"postgresql://skelmap@127.0.0.1:{port}", count()

            def fresh(_folder: Path) -> str:
                database = f"test{next(numbers)}"
                with psycopg.connect(f"{base}/postgres", autocommit=True) as connection:
                    connection.execute(f"CREATE DATABASE {database}")
                return f"{base}/{database}"

            _until_it_answers(lambda: psycopg.connect(f"{base}/postgres").close(), psycopg.OperationalError)
            yield fresh


@contextmanager
def redis() -> Iterator[FreshUrl]:
    """A Redis server that keeps nothing on disk."""
    client = pytest.importorskip("redis", reason="needs redis: pip install 'skelmap[redis]'")
    program = _program("redis-server")
    with tempfile.TemporaryDirectory(prefix="skelmap-redis-") as name:
        folder, port = Path(name), free_port()
        options = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", name)
        with _server(program, *options, port=port, folder=folder, user=None):
            url = f"redis://127.0.0.1:{port}/0"

            def fresh(_folder: Path) -> str:
                with client.Redis.from_url(url) as connection:
                    connection.flushall()
                return url

            yield fresh


def _until_it_answers(ask: Callable[[], None], refusal: type[Exception]) -> None:
    """A server may listen before it is ready."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            return ask()
        except refusal:
            time.sleep(0.02)
    return ask()


DATABASES = {"sqlite": sqlite, "postgresql": postgresql, "redis": redis}
