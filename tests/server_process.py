"""`skelmap serve` as a process of its own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2

PROGRAM = "from app.commands import main; main()"

PATIENCE_S = 30.0
"""How long something may take that has to happen; long only where a test fails."""


@dataclass
class Server:
    """A running server and what it has said so far."""

    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def said(self) -> str:
        """Everything on stderr."""
        return "".join(self.log)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until it has said something."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if match := re.search(pattern, self.said()):
                return match
            time.sleep(0.02)
        raise AssertionError(f"no {pattern!r} in {self.said()!r}")

    def readiness(self) -> dict[str, Any]:
        """What /readyz says."""
        answer: dict[str, Any] = httpx2.get(f"{self.url}/readyz").json()
        return answer

    def wait_until_ready(self) -> None:
        """Wait until /readyz says so."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with suppress(httpx2.HTTPError):
                if self.readiness()["ready"]:
                    return
            time.sleep(0.02)
        raise AssertionError(self.said())

    def end(self) -> int:
        """Tell it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE_S)


@contextmanager
def serving(
    *options: str, program: str = PROGRAM, settings: Mapping[str, str] | None = None, port: int = 0
) -> Iterator[Server]:
    """A server, on a free port unless told otherwise; it ends without delay."""
    command = (sys.executable, "-c", program, "serve", "--port", str(port), *options)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[1]),
        "SKELMAP_DRAIN_DELAY_S": "0",
        **(settings or {}),
    }
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        server = Server(process)
        assert process.stderr
        reader = Thread(target=server.log.extend, args=(process.stderr,))
        reader.start()
        try:
            server.port = int(server.wait_for(r"running on http://127\.0\.0\.1:(\d+)")[1])
            yield server
        finally:
            process.kill()
            reader.join()
