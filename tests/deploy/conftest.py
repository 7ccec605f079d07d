"""A real server for the programs that run elsewhere."""

from collections.abc import Iterator

import pytest

from app.main import create_app
from app.settings import Settings
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
        running.wait_until_ready()
        yield running
