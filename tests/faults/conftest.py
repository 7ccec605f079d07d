"""A server with tiny networks, an onnxruntime that a test can make fail, and what has to hold afterwards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import write_png
from tests.app.waiting import loaded, wait_until
from tests.live_server import tiny_settings

Compute = Callable[[], list[np.ndarray]]
Fault = Callable[[Compute, np.ndarray, Any], list[np.ndarray]]
"""What happens instead of a run: gets the real run, its rows and its run options."""


class FaultyRuntime(onnxruntime.InferenceSession):  # type: ignore[misc] # it is not typed
    """The real one, but for the faults that a test puts into it.

    Attributes:
        fault: what happens instead of runs of estimators; None for nothing but the run.
        rows: how many rows each run of an estimator had.
    """

    fault: Fault | None = None
    rows: list[int] = []  # noqa: RUF012 - one for all sessions on purpose

    def run(self, output_names: Any, input_feed: Any, run_options: Any = None) -> Any:  # noqa: D102
        (rows,) = input_feed.values()
        fault = type(self).fault
        is_estimator = rows.shape[-2:] == (256, 192)
        if is_estimator:
            type(self).rows.append(len(rows))

        def compute() -> Any:
            return super(FaultyRuntime, self).run(output_names, input_feed, run_options)

        return fault(compute, rows, run_options) if fault and is_estimator else compute()


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> type[FaultyRuntime]:
    """The onnxruntime of everything that is loaded in this test."""
    monkeypatch.setattr(onnxruntime, "InferenceSession", FaultyRuntime)
    monkeypatch.setattr(FaultyRuntime, "fault", None)
    monkeypatch.setattr(FaultyRuntime, "rows", [])
    return FaultyRuntime


@pytest.fixture(scope="package")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a server with tiny networks; their folder is the environment's for these tests only."""
    with tiny_settings(tmp_path_factory.mktemp("networks")) as made:
        yield made


@pytest.fixture(scope="package")
def networks(settings: Settings) -> Sequence[str]:
    """The tiny networks as options of `skelmap serve`."""
    return "--estimator", settings.estimator, "--detector", settings.detector


@pytest.fixture(scope="session")
def png(photo: Image) -> bytes:
    """A photo in which the networks see three people."""
    return write_png(photo)


@dataclass
class Running:
    """A server in this process."""

    app: FastAPI
    client: TestClient
    png: bytes

    def ask(self, *, timeout_s: float = 30) -> Any:
        """POST /pose."""
        return self.client.post("/pose", content=self.png, headers={"X-Request-Timeout": str(timeout_s)})

    def still_serves(self) -> None:
        """What has to hold after every fault."""
        assert len(self.ask().json()["people"]) == 3
        wait_until(lambda: self.client.get("/readyz").status_code == 200)
        engine = self.app.state.engine
        wait_until(lambda: engine.admission.requests == 0)
        assert engine.readiness.fatal is None


@contextmanager
def running(settings: Settings, png: bytes, **changes: object) -> Iterator[Running]:
    """A server with changed settings, its networks loaded."""
    app = create_app(settings.model_copy(update=changes))
    with TestClient(app) as client:
        loaded(client)
        yield Running(app, client, png)


@pytest.fixture
def server(settings: Settings, runtime: type[FaultyRuntime], png: bytes) -> Iterator[Running]:
    """A server whose onnxruntime can be made to fail."""
    assert runtime.fault is None
    with running(settings, png) as made:
        yield made
