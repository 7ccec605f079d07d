"""Contact sheets: which photos, which boxes, what is drawn where."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import sheet
from benchmarks.sheet import BORDER_PX, CAPTION_PX, caption_oks, choose_photos, detect_people, draw_sheet, points_of
from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import PersonBox
from tests import tiny_onnx
from tests.benchmarks.mediapipe_stand_in import write_python
from tests.training.annotated import copy_truth, make_content, make_truth, write_photos
from training.evals import GroundTruth
from training.evals.records import Person, Photo
from training.evals.views import PhotoBoxes, Views, annotated_boxes

CELL = 80


@pytest.fixture
def estimator(tmp_path: Path) -> Path:
    """A body on a circle in the crop."""
    angle = np.arange(133) / 133 * 6.28
    points = np.stack([32 + 20 * np.cos(angle), 32 + 20 * np.sin(angle)], axis=-1)
    return tiny_onnx.simcc(tmp_path / "circle.onnx", points, np.full(133, 0.9), (64, 64))


def run(monkeypatch: pytest.MonkeyPatch, output: Path, *arguments: str | Path) -> np.ndarray:
    monkeypatch.setattr("sys.argv", ["sheet", str(output), *map(str, arguments), "--cell", str(CELL)])
    sheet.main()
    drawn = cv2.imread(str(output))
    assert drawn is not None
    return drawn


def test_annotated_people_beside_drawings(tmp_path: Path, estimator: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path)
    (tmp_path / "val.json").write_text(json.dumps(make_content()))
    people = ("--people", tmp_path, "--networks", estimator, "--mediapipe", write_python(tmp_path))
    drawn = run(monkeypatch, tmp_path / "out.png", *people, "--across", "1")
    assert drawn.shape == (2 * (CELL + BORDER_PX + CAPTION_PX), 3 * (CELL + BORDER_PX), 3)
    photo, ours, theirs = (drawn[:CELL, start : start + CELL] for start in range(0, drawn.shape[1], CELL + BORDER_PX))
    assert (photo != ours).any()
    assert (photo != theirs).any()
    assert (ours != theirs).any()
    hidden = run(monkeypatch, tmp_path / "out.png", *people, "--across", "1", "--threshold", "2")
    assert (hidden[:CELL, :CELL] == hidden[:CELL, CELL + BORDER_PX : 2 * CELL + BORDER_PX]).all()


def test_any_photos_with_a_detector(tmp_path: Path, estimator: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    write_photos(photos)
    (photos / "notes.txt").write_text("no picture")
    detector = tiny_onnx.yolox(tmp_path / "yolox.onnx", np.array([[10.0, 10, 40, 50]]), np.array([0.9]))
    drawn = run(monkeypatch, tmp_path / "o.png", "--photos", photos, "--detector", detector, "--networks", estimator)
    assert drawn.shape == (CELL + BORDER_PX + CAPTION_PX, 4 * (CELL + BORDER_PX), 3)


def test_boxes_of_a_detector_are_numbered_through(tmp_path: Path) -> None:
    write_photos(tmp_path)
    views = detect_people([tmp_path], "whole-image")
    assert [photo.ids for photo in views.photos] == [(0,), (1,)]
    assert views.photos[0].boxes[0].right > 100
    nobody = tiny_onnx.yolox(tmp_path / "yolox.onnx", np.array([[10.0, 10, 40, 50]]), np.array([0.1]))
    assert [photo.boxes for photo in detect_people([tmp_path / "1.png"], str(nobody)).photos] == [()]


def test_photos_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="photos: no pictures"):
        detect_people([tmp_path], "whole-image")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(InvalidInput, match=r"photos: .*bad\.jpg is no readable photo"):
        detect_people([tmp_path / "bad.jpg"], "whole-image")


def test_a_photo_without_people_is_still_on_the_sheet(
    tmp_path: Path, estimator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path)
    nobody = tiny_onnx.yolox(tmp_path / "yolox.onnx", np.array([[10.0, 10, 40, 50]]), np.array([0.1]))
    photo = tmp_path / "1.png"
    drawn = run(monkeypatch, tmp_path / "o.png", "--photos", photo, "--detector", nobody, "--networks", estimator)
    first, second = drawn[:CELL, :CELL], drawn[:CELL, CELL + BORDER_PX : 2 * CELL + BORDER_PX]
    assert (first == second).all()


def make_views(names: list[str]) -> tuple[GroundTruth, Views]:
    truth = make_truth()
    photos = tuple(Photo(number, name, truth.photos[0].size) for number, name in enumerate(names))
    people: tuple[Person, ...] = ()
    boxes = (PersonBox(0.0, 0.0, 9.0, 9.0),)
    views = tuple(PhotoBoxes(photo.id, Path(photo.file_name), (photo.id,), boxes) for photo in photos)
    return GroundTruth("names", photos, people), Views("annotated", views)


def test_sources_take_turns() -> None:
    truth, views = make_views([*(f"many/{number}.jpg" for number in range(20)), "few/0.jpg", "few/1.jpg"])
    chosen = choose_photos(truth, views, 6, 0, None).photos
    assert [photo.path.parent.name for photo in chosen] == ["few", "many", "few", "many", "many", "many"]
    assert len({photo.photo_id for photo in chosen}) == 6
    assert choose_photos(truth, views, 6, 0, None).photos == chosen
    assert choose_photos(truth, views, 6, 1, None).photos != chosen
    assert {photo.path.parent.name for photo in choose_photos(truth, views, 9, 0, ["few"]).photos} == {"few"}
    with pytest.raises(UnknownChoice, match="sources: unknown value 'none'; valid: few, many"):
        choose_photos(truth, views, 6, 0, ["none"])


def test_captions_are_means_over_the_people_of_a_photo() -> None:
    truth = make_truth()
    said = copy_truth(truth)
    said.people[0].keypoints[:, 0] += 1000
    assert caption_oks(truth, said) == {1: "OKS 0.50  ", 2: "OKS 1.00  "}
    assert caption_oks(make_truth(v=0.5), said) == {1: "", 2: ""}


def test_points_without_an_answer_are_not_drawn(tmp_path: Path) -> None:
    write_photos(tmp_path)
    truth = make_truth()
    views = annotated_boxes(truth, tmp_path)
    said = copy_truth(truth)
    for one in said.people:
        one.keypoints[:] = [np.nan, np.nan, 0]
    assert not points_of(said, views.photos[0]).any()
    column = sheet.Column(said, 0.0, {})
    drawn = draw_sheet(views.photos, [column], CELL, 2)
    assert (drawn[:CELL, :CELL] == drawn[:CELL, CELL + BORDER_PX : 2 * CELL + BORDER_PX]).all()
