"""Ray Serve for tests: the application as it is shipped, shrunk to this machine."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
import yaml

from app.settings import Settings
from tests.clusters import RayCluster, wait_until

FOLDER = Path(__file__).parents[3] / "deploy" / "ray"
TIMES = ("timings_ms", "request_id")
"""What of an answer differs each time."""

HEADERS = ("content-type", "x-pose-people", "x-pose-provider", "x-pose-estimator", "x-pose-detector")


@contextmanager
def serving(cluster: RayCluster, settings: Settings, folder: Path, replicas: int) -> Iterator[str]:
    """The application of `serve.yaml` with so many replicas; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    config, log = folder / "serve.yaml", folder / "log"
    config.write_text(
        yaml.safe_dump(shrink(yaml.safe_load((FOLDER / "serve.yaml").read_text()), settings, port, replicas))
    )
    command: list[str | Path] = [sys.executable, "-m", "ray.serve.scripts", "run", "--non-blocking"]
    command += ["--address", cluster.address, config]
    with log.open("w") as said:
        started = subprocess.run(command, env=cluster.environment, stdout=said, stderr=said, check=False, timeout=120)
    assert started.returncode == 0, log.read_text()
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: is_ready(url))
    yield url


def shrink(config: dict[str, Any], settings: Settings, port: int, replicas: int) -> dict[str, Any]:
    """The shipped configuration, but for CPUs and tiny networks, and with one port on this machine."""
    (application,) = config["applications"]
    (deployment,) = application["deployments"]
    networks = {"SKELMAP_ESTIMATOR": settings.estimator, "SKELMAP_DETECTOR": settings.detector}
    application["runtime_env"]["env_vars"] |= {"SKELMAP_DEVICE": "cpu", **networks}
    deployment["ray_actor_options"] = {"num_cpus": 1, "num_gpus": 0}
    deployment["autoscaling_config"] |= {"min_replicas": replicas, "max_replicas": replicas}
    config["http_options"] |= {"host": "127.0.0.1", "port": port}
    return {**config, "proxy_location": "HeadOnly"}


def is_ready(url: str) -> bool:
    """Whether somebody answers that he is ready."""
    try:
        return requests.get(f"{url}/readyz", timeout=5).status_code == 200
    except requests.RequestException:
        return False


def post(url: str, photo: bytes, **parameters: str) -> requests.Response:
    """POST /pose."""
    headers = {"Content-Type": "image/png"}
    return requests.post(f"{url}/pose", data=photo, params=parameters, headers=headers, timeout=30)


def what_counts(response: requests.Response) -> tuple[object, ...]:
    """Status, headers and body of an answer without what differs each time."""
    headers = [response.headers.get(name) for name in HEADERS]
    body: object = response.content
    if "json" in response.headers["content-type"]:
        body = {name: value for name, value in response.json().items() if name not in TIMES}
    return response.status_code, headers, body


def assert_answers_like(plain: str, url: str, photo: bytes) -> None:
    """Photos, mistakes and other routes are answered as by the plain server."""
    for parameters in ({}, {"format": "png"}, {"format": "openpose"}, {"format": "npz"}, {"style": "none"}):
        here, there = post(plain, photo, **parameters), post(url, photo, **parameters)
        assert what_counts(here) == what_counts(there), parameters
        assert here.status_code == (422 if "style" in parameters else 200)
    for broken in (b"", b"no photo", photo[:100]):
        assert what_counts(post(plain, broken)) == what_counts(post(url, broken))
    for route in ("healthz", "version", "models", "controlnet/version"):
        assert what_counts(requests.get(f"{plain}/{route}", timeout=30)) == what_counts(
            requests.get(f"{url}/{route}", timeout=30)
        )
    named = requests.get(f"{url}/healthz", headers={"X-Request-ID": "mine"}, timeout=30)
    assert named.headers["X-Request-ID"] == "mine", "and not twice"
