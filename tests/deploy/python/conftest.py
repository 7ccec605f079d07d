"""A real server, and clients that ask it."""

from collections.abc import Iterator

import pytest
from skelmap_client import Client, Retries

from pose_core.types import Image
from tests.app.scenery import write_png
from tests.live_server import LiveServer


@pytest.fixture
def client(server: LiveServer) -> Iterator[Client]:
    """A client that does not try twice."""
    with Client(server.url, retries=Retries(most=0)) as made:
        yield made


@pytest.fixture(scope="session")
def png(photo: Image) -> bytes:
    """The drawn photo as a file."""
    return write_png(photo)
