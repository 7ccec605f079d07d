"""Checkpoints: everything comes back, nothing half-written is ever found, nothing is unpickled."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pose_core.errors import InvalidInput
from tests.training import tiny
from training import checkpoints, deployable
from training.checkpoints import (
    TrainingState,
    find_checkpoint,
    list_checkpoints,
    optimiser_tensors,
    read_snapshot,
    remove_leftovers,
    restore,
    save_checkpoint,
)
from training.conditions import Conditions
from training.contracts import Progress
from training.deployable import Description, UnwritableError, read_description, save_deployable, save_tensors
from training.ema import Average
from training.folders import PARTIAL, replacing_folder
from training.optim import build_optimiser
from training.upstream import UnreadableCheckpointError, load_upstream

RECIPE = tiny.make_recipe()


def build_state(method: str = "dwpose-stage1") -> TrainingState:
    built = tiny.build_method(method).train()
    built.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stubs know no such call
    optimisation = RECIPE.optimisation
    return TrainingState(built, build_optimiser(built, optimisation), Average(built, optimisation))


@pytest.fixture
def trained() -> TrainingState:
    """A state after two steps."""
    state = build_state()
    for step in range(2):
        batch = tiny.make_batch(seed=step).labelled().normalised((120.0,) * 3, (60.0,) * 3)
        state.optimiser.zero_grad()
        torch.autograd.backward(list(state.method(batch, Progress(0, 3, step)).losses.values()))
        state.optimiser.step()
        state.average.update(1000 * step)
    state.step, state.best = 2, 0.25
    return state


def assert_equal(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name
        assert found[name].stride() == tensor.stride(), name


def test_everything_comes_back(trained: TrainingState, tmp_path: Path) -> None:
    torch.manual_seed(5)
    folder = save_checkpoint(tmp_path, trained, RECIPE, 7, keep=1)
    wanted = torch.rand(3)
    fresh = build_state()
    snapshot = restore(folder, fresh)
    assert torch.equal(torch.rand(3), wanted), "random numbers go on where they were"
    assert (fresh.step, fresh.best, snapshot.steps_per_epoch) == (2, 0.25, 7)
    assert snapshot.recipe == RECIPE
    assert_equal(fresh.method.state_dict(), trained.method.state_dict())
    assert_equal(fresh.average.tensors, trained.average.tensors)
    assert len(optimiser_tensors(trained)) == 3 * len(list(trained.optimiser.param_groups[0]["params"])) + 3 * len(
        list(trained.optimiser.param_groups[1]["params"])
    )
    assert_equal(optimiser_tensors(fresh), optimiser_tensors(trained))


def test_a_checkpoint_before_the_first_step_is_one_too(tmp_path: Path) -> None:
    state = build_state("supervised")
    fresh = build_state("supervised")
    restore(save_checkpoint(tmp_path, state, RECIPE, 7, keep=1), fresh)
    assert optimiser_tensors(fresh) == {}


def test_deployable_holds_the_average_under_official_names(trained: TrainingState, tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, trained, RECIPE, 7, keep=1) / "deployable.safetensors"
    student = tiny.build_student(seed=9)
    load_upstream(student, path)
    averaged = trained.average.tensors["student.head.cls_x.weight"]
    assert torch.equal(student.head.cls_x.weight, averaged)
    assert not torch.equal(trained.method.state_dict()["student.head.cls_x.weight"], averaged)
    assert read_description(path) == Description.of(RECIPE, step=2)


def test_a_frozen_teacher_is_kept_so_that_no_other_file_is_needed(trained: TrainingState, tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, trained, RECIPE, 7, keep=1)
    assert "teacher.head.cls_x.weight" in load_file(folder / "networks.safetensors")
    assert "teacher.head.cls_x.weight" not in load_file(folder / "average.safetensors")


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    state = build_state("supervised")
    for step in (1, 2, 10):
        state.step = step
        save_checkpoint(tmp_path, state, RECIPE, 7, keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000002", "step-00000010"]
    assert find_checkpoint(tmp_path).name == "step-00000010"
    assert find_checkpoint(list_checkpoints(tmp_path)[0]).name == "step-00000002"


def test_a_failure_leaves_the_previous_one(
    trained: TrainingState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_checkpoint(tmp_path, trained, RECIPE, 7, keep=1)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fill_disk(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoints, "save_average", fill_disk)
    with pytest.raises(OSError, match="no space"):
        save_checkpoint(tmp_path, trained, RECIPE, 7, keep=1)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == content
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_a_killed_writer_left_is_no_checkpoint(tmp_path: Path) -> None:
    folder = tmp_path / checkpoints.FOLDER / "step-00000003"
    writing = replacing_folder(folder)
    (writing.__enter__() / "state.json").write_text("{")
    assert list_checkpoints(tmp_path) == []
    with replacing_folder(folder) as partial:
        assert list(partial.iterdir()) == []
    assert list_checkpoints(tmp_path) == [folder]


def test_what_a_killed_deletion_left_blocks_no_other(tmp_path: Path) -> None:
    state = build_state("supervised")
    save_checkpoint(tmp_path, state, RECIPE, 7, keep=1)
    old = tmp_path / checkpoints.FOLDER / f"{PARTIAL}step-00000000-old"
    old.mkdir()
    (old / "state.json").touch()
    save_checkpoint(tmp_path, state, RECIPE, 7, keep=1)
    assert [path.name for path in old.parent.iterdir()] == ["step-00000000"]


def test_leftovers_are_cleared_away(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, build_state("supervised"), RECIPE, 7, keep=1)
    (folder.parent / f"{PARTIAL}step-00000007" / "deep").mkdir(parents=True)
    (tmp_path / f"{PARTIAL}best.safetensors").touch()
    (tmp_path / "best.safetensors").touch()
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.safetensors", checkpoints.FOLDER]
    assert list(folder.parent.iterdir()) == [folder]
    remove_leftovers(tmp_path / "nowhere")


def test_conditions_come_back_and_older_checkpoints_have_none(tmp_path: Path) -> None:
    conditions = Conditions(precision="bfloat16", processes=2, data="/data")
    folder = save_checkpoint(tmp_path, build_state("supervised"), RECIPE, 7, keep=1, conditions=conditions)
    assert read_snapshot(folder).conditions == conditions
    content = json.loads((folder / "state.json").read_text())
    del content["conditions"]
    (folder / "state.json").write_text(json.dumps(content))
    older = read_snapshot(folder)
    assert older.conditions == Conditions()
    assert older.conditions.differences(conditions) == []
    assert conditions.differences(Conditions(precision="float32", processes=2, data="/other")) == [
        "precision: bfloat16 before, float32 now",
        "data: /data before, /other now",
    ]


@pytest.mark.parametrize("name", ["networks", "average", "optimiser"])
def test_a_damaged_file_is_named(name: str, tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, build_state("supervised"), RECIPE, 7, keep=1)
    path = folder / f"{name}.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UnreadableCheckpointError, match=rf"{name}\.safetensors cannot be read"):
        restore(folder, build_state("supervised"))


def test_tensors_of_another_recipe_are_refused_in_a_line(tmp_path: Path) -> None:
    folder = save_checkpoint(tmp_path, build_state("supervised"), RECIPE, 7, keep=1)
    with pytest.raises(InvalidInput, match="is not of this recipe, or damaged") as refused:
        restore(folder, build_state("dwpose-stage1"))
    assert "\n" not in str(refused.value)


def test_what_the_disk_does_not_take_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnwritableError, match=r"nowhere/w\.safetensors cannot be written"):
        save_tensors({"a": torch.zeros(1)}, tmp_path / "nowhere" / "w.safetensors")


def test_a_deployable_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, about = tmp_path / "w.safetensors", Description.of(RECIPE, step=2)
    save_deployable({"a": torch.zeros(1)}, about, path)
    before = path.read_bytes()

    def fill_disk(_content: object, where: Path, *_: object) -> None:
        where.write_bytes(b"half")
        raise SafetensorError("no space left on device")

    monkeypatch.setattr(deployable, "save_file", fill_disk)
    with pytest.raises(UnwritableError, match="no space left"):
        save_deployable({"a": torch.ones(1)}, about, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_without_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is no checkpoint and no run that has one"):
        find_checkpoint(tmp_path)


def test_damaged_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"step": 1}')
    with pytest.raises(InvalidInput, match=r"state\.json is damaged or of another version"):
        read_snapshot(tmp_path)
