"""Detectors by name and by path, and the guess at what a file is."""

from pathlib import Path

import numpy as np
import pytest

from pose_core.detectors import ARCHITECTURES, DEFAULT_THRESHOLD, WHOLE_IMAGE, detector_names, load_detector
from pose_core.errors import DeviceUnavailable, ModelError, UnknownChoice, WeightsMissing
from pose_core.session import CPU
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox
from pose_core.weights import WEIGHTS
from tests import tiny_onnx

BOX = np.array([[4.0, 8.0, 20.0, 40.0]])
PERSON = PersonBox(10.0, 20.0, 50.0, 100.0, 0.5)
"""The same in the 160 x 120 photo, of which 64 x 64 letterbox pixels show 0.4."""


def detections(path: Path) -> Path:
    return tiny_onnx.detections(path, BOX, np.array([0.5]), np.array([0]))


def raw_rows(path: Path) -> Path:
    return tiny_onnx.yolox(path, BOX, np.array([0.5]))


# ---- by name


def test_names_are_those_of_the_table_and_the_one_without_a_network() -> None:
    names = detector_names()
    assert names[0] == WHOLE_IMAGE
    assert set(names[1:]) == {name for name, row in WEIGHTS.items() if row.role == "detector"}
    assert {WEIGHTS[name].architecture for name in names[1:]} <= set(ARCHITECTURES)


def test_whole_image_is_one_person_as_large_as_the_photo(photo: Image) -> None:
    detector = load_detector(WHOLE_IMAGE)
    assert detector.detect(photo, 0.99, Timer()) == [PersonBox(0.0, 0.0, 160.0, 120.0, 1.0)]
    assert detector.detect(np.zeros((1, 1, 3), np.uint8), 0.99, Timer()) == [PersonBox(0.0, 0.0, 1.0, 1.0)]
    assert (detector.name, detector.provider, detector.sha256) == (WHOLE_IMAGE, "", "")


def test_a_name_whose_file_was_never_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("SKELMAP_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path))
    with pytest.raises(WeightsMissing, match="skelmap models pull yolox-l"):
        load_detector("yolox-l", "cpu")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownChoice, match="unknown value 'yolo-99'") as caught:
        load_detector("yolo-99", "cpu")
    assert set(caught.value.choices) >= set(detector_names()) - {WHOLE_IMAGE}


def test_an_unknown_name_offers_whole_image_and_no_estimators() -> None:
    with pytest.raises(UnknownChoice) as caught:
        load_detector("yolo-99", "cpu")
    assert list(caught.value.choices) == detector_names()


# ---- by path


@pytest.mark.parametrize("build", [raw_rows, detections])
def test_a_file_by_its_path(tmp_path: Path, photo: Image, build: object) -> None:
    assert callable(build)
    path = build(tmp_path / "mine.onnx")
    detector = load_detector(str(path), "cpu")
    (person,) = detector.detect(photo, 0.3, Timer())
    assert person.score == 0.5
    assert [person.left, person.top, person.right, person.bottom] == pytest.approx([10, 20, 50, 100], rel=1e-5)
    assert (detector.name, detector.threshold, detector.provider) == ("mine", DEFAULT_THRESHOLD, CPU)
    assert len(detector.sha256) == 64


def test_a_missing_path_says_so(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(WeightsMissing, match="no such file"):
            load_detector(str(path), "cpu")


def test_a_file_that_is_no_network(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("not a network")
    with pytest.raises(ModelError, match=r"text\.onnx cannot be loaded"):
        load_detector(str(path), "cpu")


def test_cuda_is_demanded_of_the_session(tmp_path: Path) -> None:
    try:
        assert load_detector(str(raw_rows(tmp_path / "tiny.onnx")), "cuda").provider == "CUDAExecutionProvider"
    except DeviceUnavailable as error:
        assert "choose device=cpu" in str(error)  # noqa: PT017 - either is right, depending on the machine


# ---- what a file is


@pytest.mark.parametrize(
    ("file_name", "first"),
    [
        ("mine.onnx", (20 - 103.53) / 57.375),  # an RTMDet, which sees normalised planes
        ("my-YOLOX.onnx", 20),  # a YOLOX with suppression in its graph, which sees bytes
    ],
)
def test_detections_are_rtmdets_unless_the_file_is_called_yolox(tmp_path: Path, file_name: str, first: float) -> None:
    path = tiny_onnx.seen_colour(tmp_path / file_name, (0, 0, 64, 64))
    photo = np.full((64, 64, 3), 20, np.uint8)
    (person,) = load_detector(str(path), "cpu").detect(photo, -9.0, Timer())
    assert person.score == pytest.approx(first, rel=1e-4)


def test_what_the_file_says_of_itself_wins(tmp_path: Path, photo: Image) -> None:
    rows = np.zeros((84, 6), np.float32)
    metadata = {"skelmap.architecture": "rtmpose"}
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", {"output": rows}, (1, 3, 64, 64), metadata)
    with pytest.raises(ModelError, match="is a rtmpose; detectors are rtmdet, yolox"):
        load_detector(str(path), "cpu")
    metadata = {"skelmap.architecture": "yolox"}
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", {"output": rows}, (1, 3, 64, 64), metadata)
    assert load_detector(str(path), "cpu").detect(photo, 0.3, Timer()) == []


def test_what_the_table_says_of_its_name_comes_next(tmp_path: Path, photo: Image) -> None:
    """A file called like an official one is taken for it: here for a YOLOX with its input size left open."""
    row = WEIGHTS["yolox-l"]
    rows = np.zeros((8400, 85), np.float32)
    path = tiny_onnx.answering(tmp_path / row.file_name, {"output": rows})
    detector = load_detector(str(path), "cpu")
    assert detector.detect(photo, 0.3, Timer()) == []
    assert detector.threshold == row.default_threshold


def test_an_estimators_official_file_is_no_detector(tmp_path: Path) -> None:
    path = tiny_onnx.simcc(tmp_path / WEIGHTS["dwpose-l-384"].file_name, np.zeros((133, 2)), np.zeros(133))
    with pytest.raises(ModelError, match="is a rtmpose"):
        load_detector(str(path), "cpu")


@pytest.mark.parametrize(
    "answers",
    [
        {"simcc_x": np.zeros((133, 384), np.float32), "simcc_y": np.zeros((133, 512), np.float32)},
        {"logits": np.zeros(1000, np.float32)},
        {"rows": np.zeros((84, 5), np.float32)},
        {"score": np.zeros((), np.float32)},
        {"labels": np.zeros(100, np.int64)},
    ],
    ids=["simcc", "classifier", "no class", "scalar", "labels alone"],
)
def test_outputs_of_no_detector(tmp_path: Path, answers: dict[str, np.ndarray]) -> None:
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", answers, (1, 3, 64, 64))
    with pytest.raises(ModelError, match=r"tiny\.onnx answers .*: not the outputs of rtmdet or yolox"):
        load_detector(str(path), "cpu")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize(
    "answers",
    [
        {"rows": np.zeros((84, 5), np.float32)},
        {"rows": np.zeros((84, 6), np.float32), "more": np.zeros((84, 6), np.float32)},
        {"logits": np.zeros(6, np.float32)},
        {"dets": np.zeros((10, 5), np.float32)},
    ],
    ids=["no class", "two outputs", "classifier", "dets without labels"],
)
def test_outputs_that_belie_the_files_own_word(
    tmp_path: Path, photo: Image, architecture: str, answers: dict[str, np.ndarray]
) -> None:
    metadata = {"skelmap.architecture": architecture}
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", answers, (1, 3, 64, 64), metadata)
    with pytest.raises(ModelError, match="answers"):
        load_detector(str(path), "cpu").detect(photo, 0.3, Timer())


def test_raw_rows_that_call_themselves_an_rtmdet(tmp_path: Path) -> None:
    metadata = {"skelmap.architecture": "rtmdet"}
    path = tiny_onnx.answering(
        tmp_path / "tiny.onnx", {"rows": np.zeros((84, 6), np.float32)}, (1, 3, 64, 64), metadata
    )
    with pytest.raises(ModelError, match="is called a rtmdet but answers like a yolox"):
        load_detector(str(path), "cpu")
