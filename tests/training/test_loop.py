"""The loop: it learns, says what it does, stops at trouble, and goes on to the same numbers wherever it was killed."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tests.training import tiny
from training.checkpoints import TrainingState, find_checkpoint, optimiser_tensors
from training.contracts import Batch
from training.ema import newest_weight
from training.log import read_log
from training.loop import DataMismatchError, train
from training.methods import METHODS
from training.models.rtmpose import RtmPose
from training.optim import learning_rate
from training.recipe import Optimisation
from training.step import NonFiniteError

ROOT = Path(__file__).parents[2]


def everything(state: TrainingState) -> dict[str, Tensor]:
    averages = {f"average {name}": tensor for name, tensor in state.average.tensors.items()}
    return {**state.method.state_dict(), **averages, **optimiser_tensors(state)}


def assert_same(one: TrainingState, other: TrainingState) -> None:
    first, second = everything(one), everything(other)
    assert first.keys() == second.keys()
    assert [name for name, tensor in first.items() if not torch.equal(tensor, second[name])] == []


def test_a_killed_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = train(tiny.make_run(tmp_path / "whole"), tiny.build_method("dwpose-stage1"))
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "tests.training.worker", "kill", "dwpose-stage1", str(killed), "9"]
    assert subprocess.run(command, cwd=ROOT, check=False, timeout=120).returncode == 9
    checkpoint = find_checkpoint(killed)
    assert checkpoint.name == "step-00000007", "in the middle of the second epoch, two steps before the end"
    resumed = train(tiny.make_run(killed, save_every=7), tiny.build_method("dwpose-stage1"), checkpoint)
    assert_same(resumed, whole)
    wanted, found = (
        [{**record, "samples_per_s": 0} for record in read_log(folder / "log.jsonl")]
        for folder in (tmp_path / "whole", killed)
    )
    assert found == wanted


@pytest.mark.parametrize("name", METHODS)
def test_stopping_and_continuing_anywhere_changes_nothing(name: str, tmp_path: Path) -> None:
    whole = train(tiny.make_run(tmp_path / "whole"), tiny.build_method(name))
    checkpoint = None
    for stop in (1, 7, 15):
        state = train(tiny.make_run(tmp_path / "parts", stop_after=stop), tiny.build_method(name), checkpoint)
        checkpoint = find_checkpoint(tmp_path / "parts")
        assert state.step == stop
    assert_same(state, whole)


def test_equal_seeds_give_equal_weights(tmp_path: Path) -> None:
    one, other = (train(tiny.make_run(tmp_path / name), tiny.build_method("supervised")) for name in "ab")
    assert_same(one, other)


def test_rates_and_averages_follow_the_recipe(tmp_path: Path) -> None:
    run = tiny.make_run(tmp_path, stop_after=7)
    state = train(run, tiny.build_method("supervised"))
    rates = [record["learning_rate"] for record in read_log(tmp_path / "log.jsonl")]
    assert rates == pytest.approx([learning_rate(run.recipe.optimisation, step, 5) for step in range(7)])
    assert newest_weight(run.recipe.optimisation, 6) < 1
    name = "student.head.cls_x.weight"
    assert not torch.equal(state.average.tensors[name], state.method.state_dict()[name])


def test_evaluation_sees_the_averaged_network_and_the_best_is_kept(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    def evaluate(network: nn.Module) -> dict[str, float]:
        assert isinstance(network, RtmPose)
        assert not any(part.training for part in network.modules())
        seen.append(network.head.cls_x.weight.detach().clone())
        return {"score": float(-len(seen)), "other": 1.0}

    state = train(tiny.make_run(tmp_path, evaluate=evaluate), tiny.build_method("supervised"))
    assert len(seen) == 2, "after epoch 2, and after the last"
    assert state.best == -1.0
    assert torch.equal(seen[-1], state.average.tensors["student.head.cls_x.weight"])
    assert all(part.training for part in state.method.modules())
    best = load_file(tmp_path / "best.safetensors")
    assert torch.equal(best["head.cls_x.weight"], seen[0])
    evaluations = [record for record in read_log(tmp_path / "log.jsonl") if "evaluation" in record]
    assert [(record["step"], record["epoch"]) for record in evaluations] == [(10, 1), (15, 2)]


def test_every_loss_is_logged_and_drawn(tmp_path: Path) -> None:
    train(tiny.make_run(tmp_path, stop_after=2, draw=True), tiny.build_method("dwpose-stage1"))
    records = read_log(tmp_path / "log.jsonl")
    assert set(records[-1]["losses"]) == {"ground_truth", "feature", "logit"}
    assert set(records[-1]["metrics"]) == {"accuracy", "decay"}
    assert records[-1]["gradient_norm"] > 0
    assert (tmp_path / "losses.png").is_file()


def test_log_lines_are_thinned_out(tmp_path: Path) -> None:
    train(tiny.make_run(tmp_path, stop_after=5, log_every=3), tiny.build_method("supervised"))
    assert [record["step"] for record in read_log(tmp_path / "log.jsonl")] == [3, 5]


class BrokenSource(tiny.TinySource):
    """Its third batch has labels that are no numbers."""

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Four samples with ids from 100 times the step on."""
        for step, batch in enumerate(super().epoch(epoch, start), start):
            weight_BK = batch.weight_BK.clone()
            weight_BK[0] = torch.nan if step == 2 else 1.0
            yield replace(batch, weight_BK=weight_BK)


def test_trouble_stops_the_run_with_step_and_samples(tmp_path: Path) -> None:
    method = tiny.build_method("supervised")
    run = tiny.make_run(tmp_path, batches=BrokenSource(), save_every=2)
    with pytest.raises(NonFiniteError, match=r"step 2 of epoch 0: ground_truth = nan.*; samples 300, 301, 302, 303"):
        train(run, method)
    assert all(tensor.isfinite().all() for tensor in method.state_dict().values()), "the step was not taken"
    assert find_checkpoint(tmp_path).name == "step-00000002"


def test_data_that_end_early_are_an_error(tmp_path: Path) -> None:
    class ShortSource(tiny.TinySource):
        def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
            yield next(super().epoch(epoch, start))

    with pytest.raises(DataMismatchError, match="epoch 0 ended after step 1, 4 batches early"):
        train(tiny.make_run(tmp_path, batches=ShortSource()), tiny.build_method("supervised"))
    with pytest.raises(DataMismatchError, match="nothing to train on"):
        train(tiny.make_run(tmp_path, batches=tiny.TinySource(steps=0)), tiny.build_method("supervised"))


def test_other_data_cannot_continue_a_run(tmp_path: Path) -> None:
    train(tiny.make_run(tmp_path, stop_after=1), tiny.build_method("supervised"))
    with pytest.raises(DataMismatchError, match=r"had 5 steps .* and has 4 now"):
        train(
            tiny.make_run(tmp_path, batches=tiny.TinySource(steps=4)),
            tiny.build_method("supervised"),
            find_checkpoint(tmp_path),
        )


def test_an_epoch_can_be_cut_short(tmp_path: Path) -> None:
    run = tiny.make_run(tmp_path, recipe=tiny.make_recipe(steps_per_epoch=2))
    state = train(run, tiny.build_method("supervised"))
    assert state.step == 6
    assert [record["epoch"] for record in read_log(tmp_path / "log.jsonl")] == [0, 0, 1, 1, 2, 2]


def test_half_precision_and_plain_memory_train_too(tmp_path: Path) -> None:
    exact, half, plain = (
        train(tiny.make_run(tmp_path / name, stop_after=2, **changes), tiny.build_method("supervised"))
        for name, changes in (
            ("exact", {}),
            ("half", {"precision": "bfloat16"}),
            ("plain", {"channels_last": False}),
        )
    )
    assert all(parameter.dtype == torch.float32 for parameter in half.method.parameters())
    losses = [
        read_log(tmp_path / name / "log.jsonl")[0]["losses"]["ground_truth"] for name in ("exact", "half", "plain")
    ]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-2)
    assert exact.step == half.step == plain.step


@pytest.mark.parametrize("name", METHODS)
def test_one_batch_is_learnt(name: str, tmp_path: Path) -> None:
    class SameSource(tiny.TinySource):
        def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
            del epoch
            yield from (tiny.make_batch() for _ in range(start, self.steps_per_epoch))

    recipe = tiny.make_recipe(optimisation=Optimisation(learning_rate=2e-3, warm_up_steps=5))
    run = tiny.make_run(tmp_path, recipe=recipe, batches=SameSource(steps=20), save_every=100)
    train(run, tiny.build_method(name))
    records = read_log(tmp_path / "log.jsonl")
    loss = "logit" if name == "dwpose-stage2" else "ground_truth"
    first, last = (record["losses"][loss] for record in (records[0], records[-1]))
    assert last < 0.7 * first
