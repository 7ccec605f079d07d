"""The loop: it learns, says what it does, stops at trouble, and goes on to the same numbers wherever it was killed."""

import signal
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
from training.checkpoints import TrainingState, find_checkpoint, list_checkpoints, optimiser_tensors
from training.contracts import Batch, PoseBatch
from training.distributed import World
from training.ema import newest_weight
from training.folders import PARTIAL
from training.log import read_log
from training.loop import DataMismatchError, train
from training.methods import METHODS
from training.models.rtmpose import RtmPose
from training.optim import learning_rate
from training.recipe import Optimisation
from training.step import NonFiniteError, Numbers, require_finite

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
    batches = tiny.source_of(name)
    whole = train(tiny.make_run(tmp_path / "whole", batches=batches), tiny.build_method(name))
    checkpoint = None
    for stop in (1, 7, 15):
        run = tiny.make_run(tmp_path / "parts", batches=batches, stop_after=stop)
        state = train(run, tiny.build_method(name), checkpoint)
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

    def epoch(self, epoch: int, start: int = 0) -> Iterator[PoseBatch]:
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


def test_of_several_processes_each_names_its_own_samples() -> None:
    numbers = Numbers({"logit": float("inf")}, {}, 1.0)
    with pytest.raises(NonFiniteError, match=r"step 4 of epoch 1: logit = inf; samples of process 1 of 2 0, 1$"):
        require_finite(numbers, tiny.make_batch(2), 1, 4, World(1, 2, torch.device("cpu")))


def test_data_that_end_early_are_an_error(tmp_path: Path) -> None:
    class ShortSource(tiny.TinySource):
        def epoch(self, epoch: int, start: int = 0) -> Iterator[PoseBatch]:
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


class InterruptedSource(tiny.TinySource):
    """Somebody presses Ctrl-C, once or twice, while the third batch is on its way."""

    times = 1

    def epoch(self, epoch: int, start: int = 0) -> Iterator[PoseBatch]:
        """The batches of `TinySource`."""
        for step, batch in enumerate(super().epoch(epoch, start), start):
            for _ in range(self.times if (epoch, step) == (0, 2) else 0):
                signal.raise_signal(signal.SIGINT)
            yield batch


def test_ctrl_c_finishes_the_step_and_saves_it(tmp_path: Path) -> None:
    whole = train(tiny.make_run(tmp_path / "whole"), tiny.build_method("supervised"))
    run = tiny.make_run(tmp_path / "stopped", batches=InterruptedSource())
    with pytest.raises(KeyboardInterrupt):
        train(run, tiny.build_method("supervised"))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    checkpoint = find_checkpoint(run.folder)
    assert checkpoint.name == "step-00000003"
    assert_same(train(tiny.make_run(run.folder), tiny.build_method("supervised"), checkpoint), whole)


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    batches = InterruptedSource()
    batches.times = 2
    with pytest.raises(KeyboardInterrupt):
        train(tiny.make_run(tmp_path, batches=batches), tiny.build_method("supervised"))
    assert list_checkpoints(tmp_path) == []


def test_going_on_from_an_older_checkpoint_drops_the_newer_ones(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tiny.make_run(tmp_path, stop_after=4, save_every=1), tiny.build_method("supervised"))
    (tmp_path / "checkpoints" / f"{PARTIAL}step-00000001-old").mkdir()
    older = list_checkpoints(tmp_path)[1]
    train(tiny.make_run(tmp_path, stop_after=3), tiny.build_method("supervised"), older)
    assert [path.name[-1] for path in sorted((tmp_path / "checkpoints").iterdir())] == ["1", "2", "3"]
    assert "going on from step 2; deleting step-00000003, step-00000004" in caplog.text


def test_other_conditions_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(tiny.make_run(tmp_path, stop_after=1, data="/here"), tiny.build_method("supervised"))
    other = tiny.make_run(tmp_path, stop_after=2, precision="bfloat16", data="/here")
    train(other, tiny.build_method("supervised"), find_checkpoint(tmp_path))
    assert [message.partition("; ")[2] for message in caplog.messages] == ["precision: float32 before, bfloat16 now"]


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


LEARNT = {
    "dwpose-stage2": "logit",
    "regression": "coordinate",
    "distilpose": "coordinate",
    "yolox": "objectness",
    "mimic": "stride32",
    "blockwise": "neck",
}
"""Method -> its loss that is looked at, where that is not `ground_truth`."""


@pytest.mark.parametrize("name", METHODS)
def test_one_batch_is_learnt(name: str, tmp_path: Path) -> None:
    class SameSource:
        steps_per_epoch = 20

        def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
            del epoch
            yield from (tiny.one_batch(name) for _ in range(start, self.steps_per_epoch))

    recipe = tiny.make_recipe(optimisation=Optimisation(learning_rate=2e-3, warm_up_steps=5))
    run = tiny.make_run(tmp_path, recipe=recipe, batches=SameSource(), save_every=100)
    train(run, tiny.build_method(name))
    records = read_log(tmp_path / "log.jsonl")
    loss = LEARNT.get(name, "ground_truth")
    first, last = (record["losses"][loss] for record in (records[0], records[-1]))
    assert last < 0.7 * first
