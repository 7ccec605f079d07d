"""An empty database of each kind, and a store in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs.store import JobStore
from app.jobs.stores import open_store
from tests.app.jobs.databases import DATABASES, FreshUrl, sqlite


@pytest.fixture(scope="session", params=DATABASES)
def database(request: pytest.FixtureRequest) -> Iterator[FreshUrl]:
    """A server of each kind."""
    with DATABASES[request.param]() as fresh:
        yield fresh


@pytest.fixture
def any_url(database: FreshUrl, tmp_path: Path) -> str:
    """An empty database of each kind."""
    return database(tmp_path)


@pytest.fixture
def any_store(any_url: str) -> Iterator[JobStore]:
    """An empty store of each kind."""
    store = open_store(any_url)
    yield store
    store.close()


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """An empty database that needs no server."""
    with sqlite() as fresh:
        yield fresh(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[JobStore]:
    """An empty store that needs no server."""
    opened = open_store(url)
    yield opened
    opened.close()
