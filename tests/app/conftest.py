"""A server with the tiny networks of `scenery`, and ways to ask it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr
from starlette.middleware import Middleware

from app.generation.job import Generation
from app.generation.limits import GenerationLimits
from app.jobs.settings import JobSettings
from app.main import create_app
from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import Networks, write_networks, write_png
from tests.app.tiny_generator import KeyNames, TinyGenerator
from tests.app.waiting import loaded


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """The tiny networks."""
    return write_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="session", autouse=True)
def _own_environment(networks: Networks) -> Iterator[None]:
    """Neither the settings nor the weights of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("SKELMAP_", "HF_")):
                patch.delenv(name)
        patch.setenv("SKELMAP_HOME", str(networks.home))
        patch.setenv("HF_HOME", str(networks.home))
        yield


@pytest.fixture(scope="session")
def settings(networks: Networks) -> Settings:
    """Settings of a server whose default models are the tiny ones."""
    return Settings(estimator=str(networks.estimator), detector=str(networks.detector))


@pytest.fixture(scope="session")
def client(settings: Settings) -> Iterator[TestClient]:
    """A running server, ready."""
    with TestClient(create_app(settings)) as running:
        loaded(running)
        yield running


@pytest.fixture(scope="session")
def png(photo: Image) -> bytes:
    """The drawn photo as a file."""
    return write_png(photo)


class Ask(Protocol):
    """Sends a photo."""

    def __call__(self, data: bytes | None = None, /, *, accept: str = "*/*", **parameters: Any) -> Response:
        """The answer to a photo, the drawn one unless told otherwise, with query parameters."""


@pytest.fixture(scope="session")
def ask(client: TestClient, png: bytes) -> Ask:
    """POST /pose with the photo as the body."""

    def post(data: bytes | None = None, /, *, accept: str = "*/*", **parameters: Any) -> Response:
        headers = {"Content-Type": "image/png", "Accept": accept}
        return client.post("/pose", content=png if data is None else data, params=parameters, headers=headers)

    return post


@pytest.fixture
def empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which no model is installed."""
    monkeypatch.setenv("SKELMAP_HOME", str(tmp_path / "nothing"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "nothing"))
    return tmp_path / "nothing"


@pytest.fixture
def tiny() -> Iterator[TinyGenerator]:
    """The picture maker of the server; nothing is held after the test."""
    tiny = TinyGenerator()
    yield tiny
    tiny.release.set()
    tiny.resume.set()


@pytest.fixture
def generating_app(settings: Settings, tiny: TinyGenerator, tmp_path: Path) -> FastAPI:
    """A server that makes tiny pictures, and has room for two requests that wait."""
    jobs = JobSettings(
        url=SecretStr(f"sqlite:///{tmp_path}/jobs.db"), max_waiting=2, poll_s=0.01, preview_s=0, grace_s=0
    )
    app = create_app(settings, Generation(tiny, GenerationLimits(max_steps=50, max_images=3), jobs))
    app.user_middleware.append(Middleware(KeyNames))  # innermost: what the gate of these settings says comes before
    return app
