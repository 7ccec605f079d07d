"""A server that is told to end, one that is killed, and one that finds what they left."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from app.jobs.job import STOPPED
from tests.app.test_job_events import ask, read_events
from tests.app.tiny_generator import PATIENCE_S, picture

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def serving(url: str, *options: str) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """A server process on a store, and a client of it."""
    command = [sys.executable, str(ROOT / "tests/app/serve_tiny.py"), url, *options]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr
            said = next(found for line in process.stderr if (found := re.search(r"running on (http://[\d.:]+)", line)))
            with httpx2.Client(base_url=said[1], timeout=PATIENCE_S) as client:
                yield process, client
        finally:
            process.kill()


def reached(client: httpx2.Client, job_id: str, *states: str) -> dict[str, Any]:
    """The job once it is in one of these states."""
    deadline = time.monotonic() + PATIENCE_S
    while (job := client.get(f"/jobs/{job_id}").json())["state"] not in states:
        assert time.monotonic() < deadline, job
        time.sleep(0.02)
    found: dict[str, Any] = job
    return found


def test_ended_in_good_order_then_killed_then_started_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    with serving(url) as (process, client):
        done = ask(client, "a dancer", seed=3, wait=True)
        held, waiting = ask(client, "hold"), ask(client, "second")
        reached(client, held, "running")
        with client.stream("GET", f"/jobs/{held}/events") as answer:
            next(read_events(answer.iter_lines()))
            process.send_signal(signal.SIGTERM)  # neither who follows nor a step that goes on holds it up
            assert process.wait(PATIENCE_S) in {0, -signal.SIGTERM}

    with serving(url) as (process, client):
        assert reached(client, held, "running")["progress"]["done"] == 0  # again, from its first step
        assert reached(client, waiting, "queued")["position"] == 1
        process.kill()
        process.wait()

    with serving(url, "free") as (_, client):
        failed = reached(client, held, "failed")
        assert (failed["reason"], failed["fault"], failed["results"]) == (STOPPED, "server", [])
        assert reached(client, waiting, "done")["result"]["seed"] == 7
        for job_id, seed in ((done, 3), (waiting, 7)):
            assert client.get(f"/jobs/{job_id}/results/image-1.png").content == picture(seed, 4)
