"""A short look at Ray in every run of the tests, on a cluster of one node; `make test-ray` takes the long one."""

from pathlib import Path

import pytest

from app.main import create_app
from pose_core.types import Image
from tests.app.albums import assert_complete, run_batch, write_album
from tests.app.scenery import write_png
from tests.clusters import ray_cluster
from tests.deploy.ray.serving import FOLDER, assert_answers_like, serving
from tests.live_server import listening, tiny_settings


@pytest.mark.ray
def test_a_cluster_does_a_batch_and_serves(tmp_path: Path, photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"{number:02d}.jpg" for number in range(20)]
    write_album(tmp_path / "in", names, ["bad.jpg"])
    with (
        tiny_settings(tmp_path) as settings,
        listening(create_app(settings)) as plain,
        ray_cluster(1, FOLDER) as cluster,
    ):
        monkeypatch.chdir(tmp_path)  # where workers are not
        options = ("--shard-size", 7, "--ray", cluster.address)
        result = run_batch("in", Path("out"), *options, environment=cluster.environment)
        assert result.returncode == 0, result.stderr
        assert_complete(tmp_path / "out", [name[:2] for name in names], ["bad.jpg"])
        with serving(cluster, settings, tmp_path, replicas=1) as url:
            assert_answers_like(plain.url, url, write_png(photo))
