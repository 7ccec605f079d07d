"""A real server on a free port of this machine, in a thread, for the programs of `deploy/` to talk to.

It computes with the tiny networks of `tests/app/scenery.py`, so the answers are known.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.types import ASGIApp

from app.engine import Engine
from app.main import create_app
from app.settings import Settings
from tests.app.scenery import write_networks


@dataclass(frozen=True)
class LiveServer:
    """A running server.

    Attributes:
        url: where it listens.
        loop: its event loop.
    """

    url: str
    loop: asyncio.AbstractEventLoop

    def wait_until_ready(self) -> None:
        """Wait until its networks are loaded."""
        deadline = time.monotonic() + 20
        while httpx2.get(f"{self.url}/readyz").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@contextmanager
def listening(app: ASGIApp) -> Iterator[LiveServer]:
    """Any ASGI app, listening."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, log_level="warning", ws="none"))
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_until_complete, args=(server.serve(),))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield LiveServer(f"http://127.0.0.1:{port}", loop)
    finally:
        server.should_exit = True
        thread.join(20)
        loop.close()


@contextmanager
def tiny_settings(folder: Path) -> Iterator[Settings]:
    """Settings of a server with tiny networks, free of the settings and weights of whoever runs the tests."""
    networks = write_networks(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("SKELMAP_", "HF_")):
                patch.delenv(name)
        patch.setenv("SKELMAP_HOME", str(networks.home))
        patch.setenv("HF_HOME", str(networks.home))
        yield Settings(estimator=str(networks.estimator), detector=str(networks.detector))


@dataclass(frozen=True)
class BusyServer:
    """A server whose only place is held until `release` is called; further requests are refused, or wait."""

    url: str
    release: Callable[[], None]


@contextmanager
def busy(settings: Settings, *, max_queue: int) -> Iterator[BusyServer]:
    """A server that is busy, with room for some waiting requests."""
    app = create_app(settings.model_copy(update={"workers": 1, "max_active": 1, "max_queue": max_queue}))
    released = Event()
    with listening(app) as server:
        engine: Engine = app.state.engine
        held: Any = asyncio.run_coroutine_threadsafe(engine.call(lambda: released.wait(20)), server.loop)
        try:
            yield BusyServer(server.url, released.set)
        finally:
            released.set()
            held.result(20)
