"""`skelmap batch --ray`: the same work by actors of a cluster, of which some are lost."""

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.albums import assert_complete, command, rows_of, run_batch, write_album
from tests.clusters import RayCluster, ray_cluster, started, wait_until

logger = logging.getLogger(__name__)

PHOTOS, SHARDS = 800, 8
BAD = ("bad.jpg", "trip/bad.png")


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Three nodes of one CPU each."""
    with ray_cluster(3) as running:
        yield running


@pytest.mark.ray
@pytest.mark.slow
def test_an_actor_a_node_and_the_driver_are_lost_and_no_photo_is(cluster: RayCluster, tmp_path: Path) -> None:
    names = [f"{number:04d}.jpg" for number in range(PHOTOS)]
    source, dest = write_album(tmp_path / "in", [*names, "trip/0.jpg"], BAD), tmp_path / "out"
    options = ("--shard-size", -(-(PHOTOS + 3) // SHARDS), "--resolution", 768, "--ray", cluster.address)
    said = tmp_path / "said"
    with said.open("w") as log, started(command(source, dest, *options), cluster.environment, log) as driver:
        wait_until(lambda: len(cluster.processes("ray::Worker.work")) == 3)
        os.kill(cluster.processes("ray::Worker.work")[0], signal.SIGKILL)
        cluster.remove_node()  # the newest; the actor that was killed was on the first
        wait_until(lambda: said.read_text().count("tried again: its actor is lost") == 2)
        wait_until(lambda: len(rows_of(dest)) >= 2)
        driver.kill()
    before = {row["shard"]: row for row in rows_of(dest)}
    logger.info("an actor, a node and the driver were killed with %d of %d shards finished", len(before), SHARDS)
    assert 2 <= len(before) < SHARDS, "some of it is left to do"
    result = run_batch(source, dest, *options, environment=cluster.environment)
    assert result.returncode == 0, result.stderr
    assert f"{PHOTOS + 1} of {PHOTOS + 3} photos done, in {SHARDS} of {SHARDS} shards" in result.stderr
    assert_complete(dest, [*(name[:4] for name in names), "trip/0"], BAD)
    assert {row["shard"]: row for row in rows_of(dest) if row["shard"] in before} == before
