"""Ray clusters of several nodes on this machine, each in processes of their own that end with the test.

The cluster runs in another process than the tests, as elsewhere; tests and the commands under test reach it by its
address. Its home is a temporary folder with a token of its own, as a cluster should have one.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parents[1]
OBJECT_STORE_BYTES = 80 * 2**20
PATIENCE_S = 600


@dataclass
class RayCluster:
    """A running cluster.

    Attributes:
        address: `host:port`, for `--ray` and `ray.init`.
        environment: for programs that talk to it.
        process: who holds it.
    """

    address: str
    environment: Mapping[str, str]
    process: subprocess.Popen[str]

    def ask(self, what: str) -> str:
        """Have the process that holds the cluster do something; its answer."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return answer_of(self.process)

    def add_node(self) -> None:
        """One more node with one CPU."""
        self.ask("add")

    def remove_node(self) -> None:
        """Take the newest node away with everything that runs on it, without a warning."""
        self.ask("remove")

    def processes(self, title: str) -> list[int]:
        """The workers of the cluster whose title begins like this, such as `ray::Worker`."""
        return [
            process
            for process in descendants(self.process.pid)
            if read_quietly(Path(f"/proc/{process}/cmdline")).startswith(title)
        ]


@contextmanager
def ray_cluster(nodes: int = 1, python_path: Path = ROOT) -> Iterator[RayCluster]:
    """A cluster whose nodes have one CPU each, and find modules in one more folder."""
    home = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    token = home / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text(secrets.token_hex())
    environment = {
        **os.environ,
        "HOME": str(home),
        "RAY_AUTH_MODE": "token",
        "RAY_TMPDIR": str(home),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(map(str, (ROOT, python_path))),
    }
    command = [sys.executable, "-m", "tests.clusters", str(nodes)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield RayCluster(answer_of(process), environment, process)
            assert process.stdin is not None
            process.stdin.close()  # tells it to end
            process.wait(PATIENCE_S)
        finally:
            for child in descendants(process.pid):
                end(child)
            process.kill()
            shutil.rmtree(home, ignore_errors=True)


def answer_of(process: subprocess.Popen[str]) -> str:
    """What the process that holds a cluster says next; Ray itself may say something in between."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("answer: "):
            return line.removeprefix("answer: ").strip()
    raise AssertionError("the cluster has ended")


def descendants(process: int) -> list[int]:
    """Processes that a process has started, and those that they have."""
    children = read_quietly(Path(f"/proc/{process}/task/{process}/children")).split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def read_quietly(path: Path) -> str:
    """The text of a file of a process; empty if it has ended."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def end(process: int) -> None:
    """Kill a process that may have ended."""
    try:
        os.kill(process, 9)
    except ProcessLookupError:
        return


@contextmanager
def started(
    arguments: Sequence[str], environment: Mapping[str, str] | None = None, log: TextIO | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive its test; what it says goes to `log`, or waits to be read."""
    to = log or subprocess.PIPE
    listens = ("env", "--default-signal=INT", *arguments)  # also where the tests run in the background of a shell
    with subprocess.Popen(listens, env=environment, stdout=to, stderr=to, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until(true: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def hold(nodes: int) -> None:
    """Hold a cluster until stdin ends."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - the tests themselves do not need it

    size = {"num_cpus": 1, "object_store_memory": OBJECT_STORE_BYTES, "include_log_monitor": False}
    head = {**size, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=True)
    others = [cluster.add_node(**size) for _ in range(nodes - 1)]
    print(f"answer: {cluster.address}", flush=True)  # noqa: T201 - to the tests
    for line in sys.stdin:
        if line.strip() == "add":
            others.append(cluster.add_node(**size))
        else:
            cluster.remove_node(others.pop(), allow_graceful=False)
        print("answer: done", flush=True)  # noqa: T201
    cluster.shutdown()


if __name__ == "__main__":
    hold(int(sys.argv[1]))
