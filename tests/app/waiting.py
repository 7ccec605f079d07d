"""Waiting for what a server does by itself."""

import time
from collections.abc import Callable

from fastapi.testclient import TestClient
from httpx2 import Response

PATIENCE_S = 20.0
"""How long something may take that has to happen; long only where a test fails."""


def wait_until(happened: Callable[[], bool]) -> None:
    """Return as soon as it has happened."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def loaded(client: TestClient) -> Response:
    """The answer of /readyz once the networks have been loaded, or cannot be."""

    def over() -> bool:
        return "being loaded" not in client.get("/readyz").text

    wait_until(over)
    return client.get("/readyz")
