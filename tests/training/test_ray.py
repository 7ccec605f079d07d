"""Training in processes of a Ray cluster: one is lost, and the run ends as if it had not been."""

import logging
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pose_core.errors import InvalidInput
from tests.clusters import ROOT, RayCluster, ray_cluster, started, wait_until
from training.checkpoints import list_checkpoints
from training.cluster import in_folder, last_line, train_on_ray
from training.log import read_log

logger = logging.getLogger(__name__)

EPOCHS, STEPS = 8, 32
STOP = 20
"""Where the first command stops, for another one to go on."""
RUN = ("run", "folder-t", "--debug", "--device", "cpu", "--epochs", str(EPOCHS))


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    """Two nodes of one CPU each."""
    with ray_cluster(2) as running:
        yield running


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """What a run ended with."""
    newest = list_checkpoints(folder)[-1]
    assert newest.name == f"step-{STEPS:08d}"
    return load_file(newest / "networks.safetensors")


@pytest.mark.ray
@pytest.mark.slow
def test_a_run_that_loses_a_process_ends_like_one_that_does_not(cluster: RayCluster, tmp_path: Path) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    on_ray = ("--ray", cluster.address, "--ray-workers", "2")
    training = (sys.executable, "-m", "training")
    command = [*training, *RUN, "--output", str(broken), "--steps", str(STOP), *on_ray]
    with started(command, cluster.environment) as driver:
        wait_until(lambda: len(list_checkpoints(broken)) >= 1 or driver.poll() is not None)
        victims = cluster.processes("ray::RayTrainWorker")
        assert len(victims) == 2
        os.kill(victims[1], signal.SIGKILL)
        reached = int(list_checkpoints(broken)[-1].name.removeprefix("step-"))
        said = driver.communicate()[0]
    assert driver.returncode == 0
    assert f"{broken}: {STOP} steps" in said
    assert reached < STOP, "it was killed before the end"
    logger.info("a process was killed after step %d of %d", reached, STEPS)
    resume = [*training, "resume", str(broken), "--device", "cpu", *on_ray]
    with started(resume, cluster.environment) as driver:
        said = driver.communicate()[0]
    assert f"{broken}: {STEPS} steps" in said
    losses = [loss for record in read_log(broken / "log.jsonl") for loss in record.get("losses", {}).values()]
    assert [record["step"] for record in read_log(broken / "log.jsonl") if "losses" in record] == [*range(1, STEPS + 1)]
    assert all(map(math.isfinite, losses))
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    command = [*torchrun, "-m", "training", *RUN, "--output", str(whole)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True)
    expected = weights(whole)
    for name, tensor in weights(broken).items():
        assert torch.equal(tensor, expected[name]), name


def test_a_cluster_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^ray: no cluster at '127.0.0.1:1': "):
        train_on_ray("127.0.0.1:1", 2, "cpu", tmp_path, print)


def test_ray_is_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidInput, match=r"^ray: needs Ray: install skelmap\[ray\]"):
        train_on_ray("auto", 2, "cpu", tmp_path, print)


def test_work_is_done_where_the_command_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    seen: list[Path] = []
    in_folder(tmp_path, lambda: seen.append(Path.cwd()))()
    assert seen == [tmp_path]


def test_a_failure_is_said_in_a_line() -> None:
    assert last_line(RuntimeError("Traceback:\n  File x\nValueError: no data\n\n")) == "ValueError: no data"
    assert last_line(RuntimeError()) == "RuntimeError"
