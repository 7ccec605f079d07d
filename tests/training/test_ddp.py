"""Several processes: what torchrun says is understood, and all of them end with the same weights as one alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pose_core.errors import DeviceUnavailable
from tests.training import tiny
from training.distributed import World, average_over, choose_device, join_world, share_gradients, synchronise_norms
from training.log import read_log
from training.loop import train

ROOT = Path(__file__).parents[2]


def torchrun(method: str, folder: Path) -> list[dict[str, torch.Tensor]]:
    """The weights of two processes after a run."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    arguments = ["-m", "tests.training.worker", "together", method, str(folder)]
    done = subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [load_file(folder / f"rank-{rank}.safetensors") for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    one, other = torchrun("dwpose-stage2", tmp_path)
    alone = train(tiny.make_run(tmp_path / "alone"), tiny.build_method("dwpose-stage2")).method.state_dict()
    for name, tensor in alone.items():
        assert torch.equal(one[name], other[name]), name
        # its batch norms are frozen, so it makes no difference how a batch is divided
        torch.testing.assert_close(one[name], tensor, rtol=1e-4, atol=1e-5, msg=name)
    together, single = (read_log(folder / "log.jsonl") for folder in (tmp_path, tmp_path / "alone"))
    assert [record["losses"]["logit"] for record in together] == pytest.approx(
        [record["losses"]["logit"] for record in single], rel=1e-4
    )


@pytest.mark.slow
def test_two_processes_with_batch_norms_keep_equal_weights(tmp_path: Path) -> None:
    one, other = torchrun("dwpose-stage1", tmp_path)
    buffers = [name for name in one if "running" in name or "num_batches" in name]
    assert [name for name in one if name not in buffers and not torch.equal(one[name], other[name])] == []


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
    with pytest.raises(DeviceUnavailable, match="device=cuda: PyTorch .* finds no CUDA device"):
        choose_device("cuda")
