"""A detector from its recipe to a served file, and a published file as a teacher."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from benchmarks.detectors import detectors_of, judge, plot, table
from pose_core.detectors import load_detector
from pose_core.errors import InvalidInput
from pose_core.timing import Timer
from pose_core.types import Image, Size
from tests.training import tiny
from tests.training.data_folder import gradient, image_record, jpeg, write_document
from tests.training.test_cli import call, output_of
from training.assemble import build_method
from training.checkpoints import find_checkpoint
from training.data import load_scenes
from training.deployable import Description, load_deployable, load_network, save_deployable
from training.evals.detectors import torch_detector
from training.export import export_onnx
from training.measure import build_evaluate, load_candidate
from training.models.yolox import YoloX, build_yolox
from training.publish import publish, real_crops, weights_row
from training.recipe import Network, Source
from training.recipes import RECIPES, find_recipe
from training.recipes.debug import debug_of
from training.recipes.skelmap_det import FOLDS, LABELLED, held_photos
from training.tasks import TASKS
from training.upstream import CheckpointMismatchError, UnreadableCheckpointError
from training.yolox_onnx import load_yolox_onnx

SIZE = Size(64, 64)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a detector at debug size, stopped in the middle and continued."""
    folder = tmp_path_factory.mktemp("runs") / "detector"
    assert "3 of 8 steps" in output_of("run", "skelmap-det", "--debug", "--output", folder, "--steps", 3)
    assert "8 of 8 steps" in output_of("resume", folder)
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path) -> tuple[Path, str]:
    """An ONNX file of that run, and what was said about it."""
    path = trained / "tiny.onnx"
    return path, output_of("export", trained, "--output", path, "--data", trained)


@pytest.fixture
def sure(tmp_path: Path, randomise: object) -> Path:
    """Weights of a detector that sees people everywhere."""
    network = tiny.build_detector()
    assert callable(randomise)
    randomise(network)
    for predictions in (network.head.obj_preds, network.head.cls_preds):
        for layer in predictions:
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, 1.0)
            layer.weight.data *= 1e-2  # scores that differ, so that it does not depend on rounding who comes first
    for layer in network.head.reg_preds:
        assert isinstance(layer, nn.Conv2d)
        layer.weight.data *= 1e-3
    about = Description.of(find_recipe("skelmap-det-debug"), 1)
    save_deployable(network.state_dict(), about, tmp_path / "sure.safetensors")
    return tmp_path / "sure.safetensors"


def test_the_run_says_what_it_can_do(trained: Path) -> None:
    records = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    evaluations = [record["evaluation"] for record in records if "evaluation" in record]
    assert next(iter(evaluations[0])) == "detection/all/AP50"
    assert {"box", "objectness", "person", "teacher_score", "teacher_box"} <= set(records[0]["losses"])


def test_the_file_says_how_it_is_served(exported: tuple[Path, str]) -> None:
    path, text = exported
    assert f"SKELMAP_DETECTOR={path}" in text
    assert 'role="detector"' in text
    assert 'architecture="yolox"' in text
    assert "8 pictures of real crops" in text
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert metadata == {"skelmap.architecture": "yolox", "skelmap.recipe": "skelmap-det-debug"}


@pytest.mark.parametrize("kind", ["run", "safetensors", "onnx"])
def test_eval_measures_whatever_there_is(kind: str, trained: Path, exported: tuple[Path, str], tmp_path: Path) -> None:
    network = {"run": trained, "safetensors": trained / "best.safetensors", "onnx": exported[0]}[kind]
    text = output_of("eval", network, "--output", tmp_path / "numbers.json")
    assert "AP50" in text
    numbers = json.loads((tmp_path / "numbers.json").read_text())
    assert numbers["counts"]["photos"] == 8
    assert set(numbers["results"]["detection"]["parts"]) == {"all", "large", "small"}


def test_what_cannot_be_measured_is_found_before_the_first_step(tmp_path: Path) -> None:
    recipe = find_recipe("skelmap-det-debug")
    with pytest.raises(InvalidInput, match="headline: detection/all/AR could not be measured"):
        build_evaluate(replace(recipe, headline="detection/all/AR"), tmp_path, tmp_path, progress=False)
    write_document(tmp_path / "val.json", [image_record()], [])
    (tmp_path / "1.jpg").write_bytes(jpeg(gradient()))
    nobody = Source(dataset="coco_boxes", annotations="val.json")
    empty = replace(recipe, data=replace(recipe.data, val=nobody))
    with pytest.raises(InvalidInput, match=r"validation data: nobody to look for in val\.json"):
        build_evaluate(empty, tmp_path, tmp_path, progress=False)


def test_a_recipe_of_another_task_is_refused(trained: Path, exported: tuple[Path, str]) -> None:
    for network in (trained, exported[0]):
        error = call("eval", network, "--recipe", "folder-t-debug").exception
        assert isinstance(error, InvalidInput)
        assert "folder-t-debug is no recipe for a person detector" in str(error)
    with pytest.raises(InvalidInput, match="is no RTMPose but a yolox-nano-person"):
        load_deployable(find_checkpoint(trained) / "deployable.safetensors")
    wrong = replace(find_recipe("skelmap-det-debug"), student=Network(model="rtmpose-t"))
    with pytest.raises(InvalidInput, match="rtmpose-t is no person detector"):
        build_method(wrong, trained)


def test_torch_and_the_served_file_find_the_same_people(sure: Path, photo: Image) -> None:
    recipe = find_recipe("skelmap-det-debug")
    published = publish(sure, sure.with_name("people.onnx"), real_crops(recipe, sure.parent), precision="float32")
    assert published.crops == 8
    assert published.sure > 0
    assert published.near == 1
    network, description = load_network(sure)
    detectors = (
        torch_detector(network, description.input_size, "torch"),
        load_detector(str(published.export.path), "cpu"),
    )
    wanted, found = (
        np.array([tuple(getattr(one, name) for name in ("left", "top", "right", "bottom", "score")) for one in people])
        for people in (detector.detect(photo, 0.3, Timer()) for detector in detectors)
    )
    assert len(wanted) > 0
    np.testing.assert_allclose(found, wanted, atol=0.05)
    assert detectors[1].name == "people"
    assert '"people": Weights(\n        name="people",\n        role="detector"' in weights_row(published, description)


def test_a_half_of_it_is_served_too(sure: Path, photo: Image) -> None:
    published = publish(sure, sure.with_name("half.onnx"), None, precision="float16")
    assert load_detector(str(published.export.path), "cpu").detect(photo, 0.3, Timer())


def test_candidates_know_their_task(exported: tuple[Path, str], tmp_path: Path) -> None:
    assert load_candidate(str(exported[0]), tmp_path, "cpu").task == "detection"
    assert {task: about.role for task, about in TASKS.items()} == {"pose": "estimator", "detection": "detector"}


# ---- recipes


def test_folds_hold_out_what_they_are_judged_by() -> None:
    names = {f"skelmap-det-fold{fold}": fold for fold in range(FOLDS)}
    for name, fold in names.items():
        recipe = RECIPES[name]()
        assert recipe.data.val == held_photos(fold, FOLDS)
        assert recipe.student.weights == "runs/skelmap-det-long"
    for name in (*names, "skelmap-det-blocks", "skelmap-det-base", "skelmap-det-restart", "skelmap-det-long"):
        wanted = (LABELLED, names.get(name, 0), FOLDS if name in names else 1)
        for options in (dict(source.options) for source in RECIPES[name]().data.train):
            below = str(options.get("below", ""))
            if LABELLED.startswith(below):
                assert (options["folded"], options["fold"], options.get("folds", 1)) == wanted
    assert any(dict(source.options).get("fold") == -1 for source in RECIPES["skelmap-det"]().data.train)


@pytest.mark.shared
def test_folds_of_the_people_pack_are_a_division(shared: Path) -> None:
    folder = shared / "data" / "people"
    held = [load_scenes(folder, [held_photos(fold, FOLDS)]).scenes for fold in range(FOLDS)]
    files = [{scene.picture.file for scene in scenes} for scenes in held]
    assert sum(map(len, files)) == len(set().union(*files)) == 417
    assert {scene.picture.file for scene in load_scenes(folder, [held_photos(-1, FOLDS)]).scenes} == set().union(*files)
    assert sum(len(scene.box_M4) for scenes in held for scene in scenes) == 863


# ---- a published file as a teacher


def test_a_file_teaches_as_the_network_it_came_from(tmp_path: Path, randomise: object) -> None:
    assert callable(randomise)
    network = build_yolox("nano", classes=2, input_size=SIZE)
    randomise(network)
    export_onnx(network, tmp_path / "teacher.onnx")
    copy = build_yolox("nano", classes=2, input_size=SIZE).train()
    load_yolox_onnx(copy, tmp_path / "teacher.onnx")
    assert copy.training
    image = 255 * torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(copy.eval()(image), network.eval()(image), rtol=1e-3, atol=0.05)


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    export_onnx(build_yolox("nano", classes=2, input_size=SIZE), tmp_path / "teacher.onnx")
    with pytest.raises(CheckpointMismatchError, match="convolutions are of other shapes"):
        load_yolox_onnx(build_yolox("nano", classes=3, input_size=SIZE), tmp_path / "teacher.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(UnreadableCheckpointError, match=r"text\.onnx cannot be read"):
        load_yolox_onnx(build_yolox("nano", input_size=SIZE), tmp_path / "text.onnx")


def test_a_recipe_s_teacher_may_be_a_file(tmp_path: Path) -> None:
    export_onnx(build_yolox("nano", input_size=SIZE), tmp_path / "teacher.onnx")
    recipe = debug_of(RECIPES["skelmap-det"]())
    assert recipe.teacher is not None
    teacher = Network(model="yolox-nano", weights="teacher.onnx")
    method = build_method(replace(recipe, teacher=teacher), tmp_path)
    assert isinstance(method.teacher, YoloX)


# ---- the comparison of several


def test_detectors_are_compared_on_the_same_photos(exported: tuple[Path, str], trained: Path) -> None:
    figures = load_scenes(trained, [find_recipe("skelmap-det-debug").data.val])
    results = {}
    for argument in (str(exported[0]), f"ours={trained}", f"folds={trained},{trained},{exported[0]}"):
        name, detectors = detectors_of(argument, 3)
        results[name] = judge(detectors, [figures] * 3)
    assert list(results) == ["tiny", "ours", "folds"]
    lines = table(results).splitlines()
    assert len(lines) == 2 + 3 * 3
    assert len({line.split("|", 2)[2] for line in lines[2::3]}) == 1, "a checkpoint and its file are equally good"
    assert len(plot(results).axes) == 3
    with pytest.raises(InvalidInput, match=r"network: a=.*: 2 networks for 3 folds"):
        detectors_of(f"a={trained},{trained}", 3)
