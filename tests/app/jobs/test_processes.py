"""Several processes on one store, and processes that are killed."""

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import SecretStr

from app.jobs.job import STOPPED, Job
from app.jobs.jobs import Jobs
from app.jobs.settings import JobSettings
from app.jobs.store import JobStore
from tests.app.jobs.tiny_work import PATIENCE_S, shout

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("process.py")


@contextmanager
def process(url: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that does the jobs of a store."""
    command = [sys.executable, str(PROGRAM), url, str(log)]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            assert running.stdout
            assert running.stdout.readline() == "ready\n"
            yield running
        finally:
            running.kill()


def submit(store: JobStore, kind: str, text: str) -> Job:
    """A job for another process."""
    return Jobs(store, {}, JobSettings()).submit(kind, "", {"text": text}, {"photo": b"abc"})


def until(done: Callable[[], bool]) -> None:
    """Wait for it."""
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_processes_share_the_jobs_of_a_store(any_url: str, any_store: JobStore, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(process(any_url, log))
        jobs = [submit(any_store, "noted", str(i)) for i in range(12)]
        until(lambda: len(any_store.in_states("done")) == len(jobs))
    lines = [line.split() for line in log.read_text().splitlines()]
    assert Counter(text for text, _ in lines) == Counter(str(i) for i in range(12))  # each once


def test_a_killed_process_leaves_its_jobs_in_a_true_state(any_url: str, any_store: JobStore, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with process(any_url, log) as server:
        running = submit(any_store, "stuck", "running")
        waiting = submit(any_store, "noted", "waiting")
        until(lambda: log.exists() and "running" in log.read_text())
        server.kill()
        server.wait()
    assert states(any_store, running, waiting) == ["running", "queued"]

    settings = JobSettings(url=SecretStr(any_url), lease_s=0.3)
    jobs = Jobs.open({"noted": shout, "stuck": shout}, settings)
    until(lambda: states(any_store, running, waiting) == ["failed", "done"])
    jobs.close()
    failed = any_store.get(running.id)
    assert failed is not None
    assert (failed.reason, failed.files) == (STOPPED, {})


def states(store: JobStore, *jobs: Job) -> list[str]:
    """How the jobs stand."""
    found = [store.get(job.id) for job in jobs]
    return [job.state for job in found if job is not None]


def test_a_process_that_ends_in_good_order_leaves_what_waits(url: str, store: JobStore, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with process(url, log) as server:
        done = submit(store, "noted", "done")
        until(lambda: states(store, done) == ["done"])
        assert server.stdin
        server.stdin.close()
        assert server.wait(PATIENCE_S) == 0
    job = submit(store, "noted", "later")
    assert states(store, done, job) == ["done", "queued"]


def test_what_was_submitted_while_nobody_ran_is_run_at_the_next_start(any_url: str, any_store: JobStore) -> None:
    job = submit(any_store, "noted", "early")
    jobs = Jobs.open({"noted": shout}, JobSettings(url=SecretStr(any_url)))
    until(lambda: states(any_store, job) == ["done"])
    jobs.close()
