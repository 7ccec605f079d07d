"""The command line: from a recipe to a served file, and one line for whatever goes wrong."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from pose_core.codecs import SimCC
from pose_core.estimators import EstimatorSpec, load_estimator
from pose_core.estimators.metadata import SPEC_KEY, read_spec
from pose_core.timing import Timer
from pose_core.types import PersonBox, Size
from tests.training import tiny
from training import commands
from training.checkpoints import find_checkpoint, list_checkpoints, read_snapshot
from training.conditions import Conditions
from training.deployable import load_deployable
from training.recipes import RECIPES


def call(*arguments: object) -> Result:
    return CliRunner().invoke(commands.build(), [str(argument) for argument in arguments])


def output_of(*arguments: object) -> str:
    result = call(*arguments)
    assert result.exit_code == 0, result.output or result.exception
    return result.output


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a first stage at debug size, stopped in the middle and continued."""
    folder = tmp_path_factory.mktemp("runs") / "stage1"
    assert "3 of 8 steps" in output_of("run", "folder-s1-s-t", "--debug", "--output", folder, "--steps", 3)
    assert "8 of 8 steps" in output_of("resume", folder)
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path) -> tuple[Path, str]:
    """An ONNX file of that run, and what was said about it."""
    path = trained / "tiny.onnx"
    return path, output_of("export", trained, "--output", path, "--data", trained)


def test_every_command_helps() -> None:
    for name in ("list", "run", "resume", "eval", "export"):
        assert "Usage:" in output_of(name, "--help")


def test_overrides_are_a_short_list_and_each_is_explained() -> None:
    text = CliRunner().invoke(commands.build(), ["run", "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).output
    options = set(re.findall(r"--[a-z-]+", text))
    assert options == {
        *("--data", "--output", "--debug", "--steps", "--epochs", "--batch-size", "--seed", "--workers", "--device"),
        *("--teacher-weights", "--student-weights", "--precision", "--save-every", "--fastest"),
        *("--help", "--nproc-per-node", "--ray", "--ray-workers"),
    }


def test_list_shows_every_recipe_or_all_of_one() -> None:
    assert {line.split()[0] for line in output_of("list").splitlines()} == set(RECIPES)
    text = output_of("list", "dwpose-s1-x-l-384")
    assert "66.5 AP" in text
    assert '"feature_weight"' not in text
    assert '"batch_size": 256' in text


def test_a_run_leaves_log_picture_checkpoints_and_the_best(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} >= {"log.jsonl", "losses.png", "checkpoints", "best.safetensors"}
    assert [path.name for path in list_checkpoints(trained)] == ["step-00000004", "step-00000008"]
    assert read_snapshot(find_checkpoint(trained)).recipe.name == "folder-s1-s-t-debug"


def test_a_gpu_chooses_its_algorithms_by_speed_only_if_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cudnn = torch.backends.cudnn
    for name in ("benchmark", "deterministic"):
        monkeypatch.setattr(cudnn, name, getattr(cudnn, name))  # put back in the end
    short = ("--debug", "--output", tmp_path, "--steps", 1)
    output_of("run", "folder-t", *short, "--fastest")
    assert (cudnn.benchmark, cudnn.deterministic) == (True, False)
    output_of("resume", tmp_path, "--steps", 2)
    assert (cudnn.benchmark, cudnn.deterministic) == (False, True)
    output_of("resume", tmp_path, "--steps", 3, "--fastest")
    assert (cudnn.benchmark, cudnn.deterministic) == (True, False)


def test_a_second_stage_starts_from_the_first_one_s_folder(trained: Path, tmp_path: Path) -> None:
    output_of("run", "folder-s2-t", "--debug", "--output", tmp_path, "--teacher-weights", trained, "--epochs", 1)
    before, _ = load_deployable(find_checkpoint(trained) / "deployable.safetensors")
    after, about = load_deployable(find_checkpoint(tmp_path) / "deployable.safetensors")
    assert (about.recipe, about.step) == ("folder-s2-t-debug", 4)
    for name, tensor in before.backbone.state_dict().items():
        assert torch.equal(after.backbone.state_dict()[name], tensor), name
    assert not torch.equal(after.head.cls_x.weight, before.head.cls_x.weight)


def test_export_says_what_to_do_with_the_file(exported: tuple[Path, str]) -> None:
    path, text = exported
    assert "8 pictures of real crops" in text
    assert f"SKELMAP_ESTIMATOR={path}" in text
    assert '"tiny": Weights(' in text
    assert f"size_bytes={path.stat().st_size:_}" in text
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert read_spec(metadata[SPEC_KEY]) == EstimatorSpec(input_size=Size(96, 96), codec=SimCC(sigma=(4.9, 5.66)))
    assert metadata["skelmap.recipe"] == "folder-s1-s-t-debug"


def test_the_file_is_an_estimator(exported: tuple[Path, str]) -> None:
    estimator = load_estimator(str(exported[0]), "cpu")
    people = estimator.estimate(np.zeros((80, 60, 3), np.uint8), [PersonBox(0.0, 0.0, 60.0, 80.0)], Timer())
    assert people.shape == (1, 133, 3)


def test_half_of_it_is_half_as_large(exported: tuple[Path, str], trained: Path, tmp_path: Path) -> None:
    text = output_of(
        "export", trained / "best.safetensors", "--output", tmp_path / "half.onnx", "--precision", "float16"
    )
    assert "noise (--data gives real crops)" in text
    assert (tmp_path / "half.onnx").stat().st_size < 0.55 * exported[0].stat().st_size


@pytest.mark.parametrize("kind", ["run", "safetensors", "onnx"])
def test_eval_measures_whatever_there_is(kind: str, trained: Path, exported: tuple[Path, str], tmp_path: Path) -> None:
    network = {"run": trained, "safetensors": trained / "best.safetensors", "onnx": exported[0]}[kind]
    text = output_of("eval", network, "--output", tmp_path / "numbers.json", "--no-flip")
    assert "PCK@0.05" in text
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["counts"]["people"] == 8


def test_eval_agrees_on_checkpoint_and_file(trained: Path, exported: tuple[Path, str], tmp_path: Path) -> None:
    numbers = []
    for network in (trained, exported[0]):
        output_of("eval", network, "--output", tmp_path / "numbers.json")
        numbers.append(json.loads((tmp_path / "numbers.json").read_text())["results"]["pck"]["parts"])
    for part, scores in numbers[0].items():
        assert scores == pytest.approx(numbers[1][part], abs=0.02), "but for ties of bins"


def test_a_run_goes_on_as_it_was_carried_out_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    how = ("--debug", "--steps", 1, "--precision", "bfloat16", "--data", "elsewhere")
    output_of("run", "folder-t", "--output", "here", *how)
    before = read_snapshot(find_checkpoint(Path("here")))
    assert before.conditions == Conditions(precision="bfloat16", processes=1, data=str(tmp_path / "elsewhere"))
    output_of("resume", "here", "--steps", 2, "--workers", 1)
    after = read_snapshot(find_checkpoint(Path("here")))
    assert (after.step, after.conditions) == (2, before.conditions)
    assert (before.recipe.data.workers, after.recipe.data.workers) == (0, 1)
    output_of("resume", "here", "--steps", 3, "--precision", "float32", "--data", "there", "--workers", 0)
    changed = read_snapshot(find_checkpoint(Path("here"))).conditions
    assert changed == Conditions(precision="float32", processes=1, data=str(tmp_path / "there"))


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        (tmp_path / "run" / "checkpoints" / "step-00000007").mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "train", stop)
    result = call("run", "folder-t", "--debug", "--output", tmp_path / "run")
    assert result.exit_code == 130
    assert f"stopped at step-00000007; go on with: python -m training resume {tmp_path / 'run'}" in result.output


def test_places_that_do_not_exist_are_made_before_anything_is_computed(trained: Path, tmp_path: Path) -> None:
    plot = tmp_path / "new" / "curves.png"
    output_of("eval", trained, "--output", tmp_path / "new" / "numbers.json", "--plot", plot, "--no-flip")
    assert plot.is_file()
    assert (tmp_path / "new" / "numbers.json").is_file()


def test_a_published_checkpoint_is_measured_and_exported(trained: Path, tmp_path: Path) -> None:
    network, about = load_deployable(trained / "best.safetensors")
    path = tmp_path / "official.pth"
    torch.save({"meta": {}, "state_dict": network.state_dict()}, path)
    what = ("--model", "rtmpose-t", "--size", f"{about.input_size.width}x{about.input_size.height}")
    assert "PCK@0.05" in output_of("eval", path, *what, "--recipe", "folder-t-debug", "--no-flip")
    target, crops = tmp_path / "o.onnx", ("--data", trained, "--recipe", "folder-t-debug")
    text = output_of("export", path, *what, "--output", target, *crops)
    assert "8 pictures of real crops" in text
    metadata = {entry.key: entry.value for entry in onnx.load(target).metadata_props}
    assert read_spec(metadata[SPEC_KEY]).input_size == about.input_size


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "folder-t", "--debug", "--device", "gpu"), "device: unknown value 'gpu'; valid: auto, cpu, cuda"),
        (("run", "folder-t", "--debug", "--output", "file"), "output: file is no folder"),
        (("run", "folder-t", "--debug", "--output", "file/run"), "output: file cannot be made: File exists"),
        (("run", "folder-t", "--data", "file"), "file/train.json cannot be read: Not a directory"),
        (("eval", "a.onnx", "--output", "."), "output: . is a folder"),
        (("export", "a.safetensors", "--output", "."), "output: . is a folder"),
        (("export", "file"), "model: file does not say which network it belongs to"),
        (("eval", "file", "--model", "rtmpose-t"), "file is no checkpoint; .*failed download"),
        (("run", "nothing"), "recipe: unknown value 'nothing'; valid: rtmpose-t-256"),
        (("run", "folder-t", "--data", "nowhere"), "nowhere/train.json cannot be read"),
        (("run", "rtmpose-t-256", "--data", "nowhere"), "cspnext-tiny_udp.*: no such file or run, .* docs/training.md"),
        (("run", "folder-t", "--teacher-weights", "x"), "teacher_weights: folder-t has no teacher"),
        (("run", "folder-t", "--debug", "--device", "cuda:0"), "device=cuda:0: PyTorch .* finds no CUDA device"),
        (("resume", "nowhere"), "nowhere is no checkpoint and no run"),
        (("eval", "nowhere"), "nowhere: no such file or run"),
        (("export", "nowhere"), "nowhere: no such file or run"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("<html>")
    monkeypatch.setattr(sys, "argv", ["training", *arguments])
    with pytest.raises(SystemExit) as stopped:
        commands.main()
    assert stopped.value.code in {2, 3}
    said = capsys.readouterr().err.splitlines()
    assert re.search(f"^error: .*{message}", said[-1])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "runs/x/log.jsonl"), "runs/x/log.jsonl: No space left on device"),
        (OSError("strange"), "strange"),
    ],
)
def test_trouble_with_files_is_said_in_a_line(
    error: OSError, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(commands, "build", lambda: fail)
    with pytest.raises(SystemExit) as stopped:
        commands.main()
    assert stopped.value.code == 3
    assert capsys.readouterr().err.endswith(f"{message}\n")


def test_a_run_is_not_overwritten(trained: Path) -> None:
    result = call("run", "folder-s1-s-t", "--debug", "--output", trained)
    assert "holds a run; `resume` it" in str(result.exception)


def test_a_file_without_description_is_refused(tmp_path: Path) -> None:
    save_file(tiny.build_student().state_dict(), tmp_path / "bare.safetensors")
    assert "does not say which network" in str(call("eval", tmp_path / "bare.safetensors").exception)
