"""Several processes: what torchrun says is understood, and all of them end with the same weights as one alone."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pose_core.errors import DeviceUnavailable, UnknownChoice
from tests.training import tiny, worker
from training.distributed import World, average_over, choose_device, join_world, share_gradients, synchronise_norms
from training.log import read_log
from training.loop import train

ROOT = Path(__file__).parents[2]
TRAINED = ("dwpose-stage1", "dwpose-stage2")


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of two methods in this process and another one, which find each other as torchrun lets them."""
    folder = tmp_path_factory.mktemp("together")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.training.worker", "together", ",".join(TRAINED), str(folder)]
    variables = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, "RANK": "0", "LOCAL_RANK": "0"}.items():
            patch.setenv(name, value)
        with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "RANK": "1", "LOCAL_RANK": "1"}) as other:
            worker.together(TRAINED, folder)
            assert other.wait(timeout=60) == 0
    return folder


def weights_of(folder: Path) -> list[dict[str, torch.Tensor]]:
    """What both processes ended with."""
    return [load_file(folder / f"rank-{rank}.safetensors") for rank in (0, 1)]


def test_two_processes_learn_what_one_does(together: Path, tmp_path: Path) -> None:
    folder = together / "dwpose-stage2"
    one, other = weights_of(folder)
    student = tiny.build_teacher(seed=2, scale=tiny.SCALE)
    method = train(tiny.make_run(tmp_path), tiny.build_method("dwpose-stage2", student=student)).method
    for name, tensor in method.state_dict().items():
        assert torch.equal(one[name], other[name]), name
        # its batch norms are frozen, so it makes no difference how a batch is divided
        torch.testing.assert_close(one[name], tensor, rtol=1e-4, atol=2e-5, msg=name)
    shared_log, lone_log = (read_log(path / "log.jsonl") for path in (folder, tmp_path))
    losses = [record["losses"]["logit"] for record in lone_log]
    assert [record["losses"]["logit"] for record in shared_log] == pytest.approx(losses, rel=1e-4)


def test_two_processes_with_batch_norms_keep_equal_weights(together: Path) -> None:
    one, other = weights_of(together / "dwpose-stage1")
    weights = [name for name in one if "running" not in name]
    assert [name for name in weights if not torch.equal(one[name], other[name])] == []


def test_one_process_is_a_world_of_its_own() -> None:
    with join_world("cpu", {}) as world:
        assert (world.rank, world.size, world.is_first, world.device.type) == (0, 1, True, "cpu")
        method = tiny.build_method("supervised")
        assert share_gradients(method, world) is method
        assert synchronise_norms(method, world) is method
        assert torch.equal(average_over(world, torch.ones(2)), torch.ones(2))


def test_others_than_the_first_write_nothing(tmp_path: Path) -> None:
    world = World(1, 1, torch.device("cpu"))
    state = train(tiny.make_run(tmp_path, world=world, batches=tiny.TinySource()), tiny.build_method("supervised"))
    assert state.step == 15
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    assert choose_device("auto").type == "cpu"
    for name in ("gpu", "", "mps", "cuda:x"):
        with pytest.raises(UnknownChoice, match=f"device: unknown value '{name}'; valid: auto, cpu, cuda, cuda:N"):
            choose_device(name)
    with pytest.raises(DeviceUnavailable, match=r"device=cuda: PyTorch .* finds no CUDA device"):
        choose_device("cuda")
