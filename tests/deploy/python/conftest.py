"""A real server, and clients that ask it."""

from collections.abc import Iterator

import pytest
from skelmap_client import Client, Retries

from app.main import create_app
from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import write_png
from tests.live_server import LiveServer, listening, tiny_settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a server with tiny networks."""
    with tiny_settings(tmp_path_factory.mktemp("networks")) as made:
        yield made


@pytest.fixture(scope="session")
def server(settings: Settings) -> Iterator[LiveServer]:
    """A server that sees the same three people in every photo."""
    with listening(create_app(settings)) as running:
        yield running


@pytest.fixture
def client(server: LiveServer) -> Iterator[Client]:
    """A client that does not try twice."""
    with Client(server.url, retries=Retries(most=0)) as made:
        yield made


@pytest.fixture(scope="session")
def png(photo: Image) -> bytes:
    """The drawn photo as a file."""
    return write_png(photo)
