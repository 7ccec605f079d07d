"""The server on Ray Serve: the answers of the plain server, from several nodes, of which one goes away."""

import logging
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import requests

from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import write_png
from tests.clusters import RayCluster, ray_cluster, wait_until
from tests.deploy.ray.serving import FOLDER, assert_answers_like, post, serving
from tests.live_server import LiveServer

logger = logging.getLogger(__name__)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CLIENTS = 4
REPLICA = "ray::ServeReplica"


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Three nodes of one CPU each."""
    with ray_cluster(3, FOLDER) as running:
        yield running


@pytest.fixture(scope="module")
def url(cluster: RayCluster, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The application with three replicas, one on each node."""
    with serving(cluster, settings, tmp_path_factory.mktemp("serve"), replicas=3) as address:
        wait_until(lambda: len(cluster.processes(REPLICA)) == 3)
        yield address


def test_it_answers_like_the_plain_server(server: LiveServer, url: str, photo: Image) -> None:
    assert_answers_like(server.url, url, write_png(photo))


def test_answers_keep_coming_when_a_node_is_lost(
    cluster: RayCluster, url: str, server: LiveServer, photo: Image
) -> None:
    png = write_png(photo)
    expected = post(server.url, png, format="png").content
    outcomes: Counter[str] = Counter(answered=0, lost=0)
    enough = Event()

    def client() -> None:
        while not enough.is_set():
            outcomes[ask_until_answered(url, png, expected, outcomes)] += 1

    with ThreadPoolExecutor(CLIENTS) as clients:
        try:
            running = [clients.submit(client) for _ in range(CLIENTS)]
            wait_until(lambda: outcomes["answered"] >= 20)
            before = outcomes["answered"]
            cluster.remove_node()
            lost = time.monotonic()
            wait_until(lambda: len(cluster.processes(REPLICA)) == 2)
            wait_until(lambda: outcomes["answered"] >= before + 200)
            cluster.add_node()
            wait_until(lambda: len(cluster.processes(REPLICA)) == 3)
            back = time.monotonic() - lost
            after = outcomes["answered"]
            wait_until(lambda: outcomes["answered"] >= after + 20)
        finally:
            enough.set()
    for future in running:
        future.result()
    logger.info("%s; three replicas again %.1f s after the node was lost", dict(outcomes), back)
    assert outcomes["answered"] >= 240
    assert outcomes["lost"] <= 0.1 * outcomes["answered"], "those on their way to the lost replica"


def ask_until_answered(url: str, png: bytes, expected: bytes, outcomes: Counter[str]) -> str:
    """Ask again where an answer was lost, as clients may: equal requests have equal answers."""
    for _attempt in range(20):
        try:
            response = post(url, png, format="png")
        except requests.RequestException:
            outcomes["lost"] += 1
            continue
        if response.status_code == 200:
            assert response.content == expected
            return "answered"
        outcomes["lost" if response.status_code == 500 else f"status {response.status_code}"] += 1
        time.sleep(float(response.headers.get("Retry-After", 0.1)))
    return "never answered"


def test_more_than_can_wait_are_told_to_come_back(url: str, photo: Image) -> None:
    png = write_png(photo)
    with ThreadPoolExecutor(200) as clients:
        answers = list(clients.map(lambda _: post(url, png), range(400)))
    statuses = Counter(answer.status_code for answer in answers)
    logger.info("400 requests at once: %s", dict(statuses))
    assert set(statuses) == {200, 503}
    assert {answer.headers["Retry-After"] for answer in answers if answer.status_code == 503} == {"1"}
