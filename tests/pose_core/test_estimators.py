"""Estimators by name and by path, and the guess at what a file expects."""

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from pose_core.codecs import SimCC
from pose_core.errors import ModelError, UnknownChoice, WeightsMissing
from pose_core.estimators import ESTIMATORS, EstimatorSpec, guess, load_estimator
from pose_core.schemes import SCHEMES
from pose_core.session import CPU, open_session
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size
from pose_core.weights import WEIGHTS
from tests import tiny_onnx

BOX = PersonBox(0.0, 0.0, 192 / 1.25, 256 / 1.25)
"""Its padded region is as large as a crop of 192 x 256."""

CORNER = np.array([-19.2, -25.6])
"""Of that region."""


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def everybody(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Crop pixels on the diagonal and scores that rise."""
    return np.repeat(np.arange(count), 2).reshape(count, 2) + 10, np.linspace(0.25, 1, count)


# ---- names


def test_every_estimator_of_the_table_has_a_spec_of_its_size() -> None:
    rows = {name: row for name, row in WEIGHTS.items() if row.role == "estimator"}
    assert set(ESTIMATORS) == set(rows)
    for name, spec in ESTIMATORS.items():
        assert (spec.input_size.width, spec.input_size.height) == rows[name].input_size
        assert spec.threshold == rows[name].default_threshold
        assert isinstance(spec.codec, SimCC)
        assert spec.codec.sigma == {192: (4.9, 5.66), 288: (6.0, 6.93)}[spec.input_size.width]


def test_a_name_whose_file_was_never_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SKELMAP_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(WeightsMissing, match="skelmap models pull dwpose-t"):
        load_estimator("dwpose-t", "cpu")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownChoice, match="unknown value 'dwpose-xxl'") as caught:
        load_estimator("dwpose-xxl", "cpu")
    assert set(caught.value.choices) >= set(ESTIMATORS)


def test_an_unknown_name_offers_no_detectors() -> None:
    with pytest.raises(UnknownChoice) as caught:
        load_estimator("dwpose-xxl", "cpu")
    assert list(caught.value.choices) == list(ESTIMATORS)


def test_a_missing_path_says_so(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(WeightsMissing, match="no such file"):
            load_estimator(str(path), "cpu")


# ---- files


@pytest.mark.parametrize("batch", ["batch", 1])
def test_simcc_of_133_points(tmp_path: Path, photo: Image, batch: int | str) -> None:
    points, scores = everybody(133)
    path = tiny_onnx.simcc(tmp_path / "mine.onnx", points, scores, batch=batch)
    estimator = load_estimator(str(path), "cpu")
    people = estimator.estimate(photo, [BOX, BOX], Timer())
    for person in people:
        np.testing.assert_allclose(person[:, :2], points + CORNER, atol=1e-4)
        np.testing.assert_allclose(person[:, 2], scores, rtol=1e-6)
    assert (estimator.name, estimator.threshold, estimator.provider) == ("mine", 0.3, CPU)
    assert len(estimator.sha256) == 64


def test_simcc_of_17_points(tmp_path: Path, photo: Image) -> None:
    points, scores = everybody(17)
    path = tiny_onnx.simcc(tmp_path / "tiny.onnx", points, scores)
    (person,) = load_estimator(str(path), "cpu").estimate(photo, [BOX], Timer())
    np.testing.assert_allclose(person[:17, :2], points + CORNER, atol=1e-4)
    assert not person[17:].any()


@pytest.mark.parametrize("count", [17, 133])
@pytest.mark.parametrize("batch", ["batch", 1])
def test_heatmaps_peak_on_their_cells(tmp_path: Path, photo: Image, count: int, batch: int | str) -> None:
    cells = np.stack([np.arange(count) % 48, np.arange(count) % 64], axis=-1)
    path = tiny_onnx.heatmaps(tmp_path / "tiny.onnx", cells, np.full(count, 0.5), batch=batch)
    (person,) = load_estimator(str(path), "cpu").estimate(photo, [BOX], Timer())
    np.testing.assert_allclose(person[:count, :2], cells * 4 + CORNER, atol=1e-4)
    assert person[:, 2].tolist() == [0.5] * count + [0] * (133 - count)


def test_the_graphs_own_size_wins(tmp_path: Path, photo: Image) -> None:
    points, scores = everybody(17)
    path = tiny_onnx.simcc(tmp_path / "tiny.onnx", points, scores, size=(96, 128))
    (person,) = load_estimator(str(path), "cpu").estimate(photo, [BOX], Timer())
    np.testing.assert_allclose(person[:17, :2], points * 2 + CORNER, atol=1e-4)


def test_three_bins_per_pixel(tmp_path: Path, photo: Image) -> None:
    answers = {"simcc_x": zeros(17, 144), "simcc_y": zeros(17, 192)}
    answers["simcc_x"][:, 30] = answers["simcc_y"][:, 60] = 1
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", answers, ("batch", 3, 64, 48))
    box = PersonBox(0.0, 0.0, 48 / 1.25, 64 / 1.25)
    (person,) = load_estimator(str(path), "cpu").estimate(photo, [box], Timer())
    np.testing.assert_allclose(person[0], [10 - 4.8, 20 - 6.4, 1], atol=1e-4)


def test_an_open_size_is_192_by_256(tmp_path: Path, photo: Image) -> None:
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", {"x": zeros(17, 384), "y": zeros(17, 512)})
    session = open_session(path, "cpu")
    assert guess(session, Size(192, 256)) == EstimatorSpec(codec=SimCC(split=2.0), scheme="coco")
    assert load_estimator(str(path), "cpu").estimate(photo, [BOX], Timer()).shape == (1, 133, 3)


def test_a_file_called_like_an_official_one_is_taken_for_it(tmp_path: Path, photo: Image) -> None:
    """Here with its size left open: 288 x 384 crops, whose region is that of 192 x 256 ones."""
    answers = {"simcc_x": zeros(133, 576), "simcc_y": zeros(133, 768)}
    answers["simcc_x"][:, 60] = answers["simcc_y"][:, 120] = 1
    path = tiny_onnx.answering(tmp_path / WEIGHTS["dwpose-l-384"].file_name, answers)
    (person,) = load_estimator(str(path), "cpu").estimate(photo, [BOX], Timer())
    np.testing.assert_allclose(person[0, :2], np.array([30, 60]) / 1.5 + CORNER, atol=1e-4)


# ---- files that are no estimators


@pytest.mark.parametrize(
    "answers",
    [
        {"output": zeros(8400, 85)},
        {"logits": zeros(1000)},
        {"score": zeros()},
        {"simcc_x": zeros(133, 384)},
        {"simcc_x": zeros(26, 384), "simcc_y": zeros(26, 512)},
        {"simcc_x": zeros(133, 384), "simcc_y": zeros(17, 512)},
        {"heatmaps": zeros(16, 64, 48)},
        {"heatmaps": zeros(17, 64, 48), "tags": zeros(17, 64, 48)},
        {"dets": zeros(133, 5), "labels": zeros(133)},
    ],
    ids=["yolox", "classifier", "scalar", "x only", "26 points", "133 and 17", "16 maps", "bottom-up", "detector"],
)
def test_outputs_of_no_estimator(tmp_path: Path, answers: dict[str, np.ndarray]) -> None:
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", answers, ("batch", 3, 256, 192))
    with pytest.raises(ModelError, match=r"tiny\.onnx answers .*expected simcc_x and simcc_y .* with 133 or 17 points"):
        load_estimator(str(path), "cpu")


def test_y_before_x(tmp_path: Path) -> None:
    """Bins per pixel have to be the same on both axes."""
    answers = {"simcc_y": zeros(133, 512), "simcc_x": zeros(133, 384)}
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", answers, ("batch", 3, 256, 192))
    with pytest.raises(ModelError, match="expected simcc_x and simcc_y"):
        load_estimator(str(path), "cpu")


def test_an_open_number_of_bins(tmp_path: Path) -> None:
    """Here two bins per pixel of an input of any size."""
    nodes = [
        helper.make_node("Shape", ["input"], ["sides"]),
        helper.make_node("Add", ["sides", "sides"], ["bins"]),
        helper.make_node("Gather", ["bins", "three"], ["across"]),
        helper.make_node("Gather", ["bins", "two"], ["down"]),
        helper.make_node("Gather", ["sides", "nought"], ["people"]),
    ]
    for name, side in (("simcc_x", "across"), ("simcc_y", "down")):
        nodes.append(helper.make_node("Concat", ["people", "points", side], [f"{name}_shape"], axis=0))
        nodes.append(helper.make_node("Expand", ["zero", f"{name}_shape"], [name]))
    constants = {"nought": np.array([0]), "two": np.array([2]), "three": np.array([3]), "points": np.array([133])}
    outputs: dict[str, tuple[np.dtype, tiny_onnx.Shape]] = {
        name: (np.dtype(np.float32), ["batch", 133, f"{name}_bins"]) for name in ("simcc_x", "simcc_y")
    }
    inputs = {"input": ("batch", 3, "height", "width")}
    path = tiny_onnx.save(tmp_path / "tiny.onnx", nodes, {**constants, "zero": zeros(1)}, inputs, outputs)
    with pytest.raises(ModelError, match="expected simcc_x and simcc_y"):
        load_estimator(str(path), "cpu")


def test_schemes_are_named_in_the_spec() -> None:
    assert {spec.scheme for spec in ESTIMATORS.values()} <= set(SCHEMES)
