"""Which boxes a network is shown."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_core.errors import InvalidInput
from pose_core.types import PersonBox
from tests.training.annotated import make_content, make_truth
from training.evals.ground_truth import read_ground_truth
from training.evals.views import annotated_boxes, detected_boxes

FOLDER = Path("photos")


def detection(**change: Any) -> dict[str, Any]:
    return {"image_id": 2, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.5} | change


def test_everybody_is_shown_photo_by_photo() -> None:
    views = annotated_boxes(make_truth(), FOLDER)
    assert views.kind == "annotated"
    assert [(photo.photo_id, photo.path, photo.ids) for photo in views.photos] == [
        (1, FOLDER / "1.png", (10, 11)),
        (2, FOLDER / "2.png", (12,)),
    ]
    assert views.photos[0].boxes[0] == PersonBox(20.0, 20.0, 80.0, 120.0)


@pytest.mark.parametrize(
    "change",
    [{"iscrowd": 1}, {"num_keypoints": 0}, {"bbox": [300, 20, 40, 40]}, {"bbox": [-50, 20, 40, 40]}],
)
def test_who_cannot_be_learned_from_is_not_shown(change: dict[str, Any]) -> None:
    content = make_content()
    content["annotations"][1] |= change
    assert [photo.ids for photo in annotated_boxes(read_ground_truth(content), FOLDER).photos] == [(10,), (12,)]


def test_box_ends_at_the_last_pixel() -> None:
    content = make_content()
    content["annotations"][2]["bbox"] = [-10, 100, 400, 400]
    assert annotated_boxes(read_ground_truth(content), FOLDER).photos[1].boxes == (PersonBox(0.0, 100.0, 199.0, 159.0),)


def test_detections_keep_number_score_and_what_lies_outside() -> None:
    listed = [detection(bbox=[-5, 2, 30, 400]), detection(category_id=2), detection(image_id=1, score=0.01)]
    views = detected_boxes(make_truth(), FOLDER, listed)
    assert views.kind == "detected"
    assert [(photo.photo_id, photo.ids) for photo in views.photos] == [(1, (1,)), (2, (0,))]
    assert views.photos[1].boxes == (PersonBox(-5.0, 2.0, 25.0, 402.0, 0.5),)
    assert views.photos[0].boxes[0].score == 0.01


def test_useless_detections_are_named() -> None:
    nowhere, scoreless = detection(bbox=[1, 2, 0, 4]), {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    listed: list[Any] = [detection(image_id=7), nowhere, scoreless, detection(score=float("nan")), detection(), None]
    views = detected_boxes(make_truth(), FOLDER, listed)
    assert views.problems[0] == "detection 0: picture 7 is not listed"
    assert all(f"detection {number}: " in views.problems[number] for number in (1, 2, 3))
    assert views.problems[-1].startswith("detection 5: the annotation should be an object")
    assert [photo.ids for photo in views.photos] == [(4,)]


def test_detections_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "detections.json"
    path.write_text(json.dumps([detection()]))
    assert detected_boxes(make_truth(), FOLDER, path) == detected_boxes(make_truth(), FOLDER, [detection()])


def test_something_else_than_a_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "detections.json"
    path.write_text('{"images": []}')
    with pytest.raises(InvalidInput, match="detections: a list of detections is needed"):
        detected_boxes(make_truth(), FOLDER, path)


def test_a_set_without_people_shows_nothing() -> None:
    empty = read_ground_truth({"images": [], "annotations": []})
    assert annotated_boxes(empty, FOLDER).photos == detected_boxes(empty, FOLDER, []).photos == ()


@pytest.mark.shared
def test_annotated_boxes_are_the_reference_s(dwpose_oracle: Path) -> None:
    truth = read_ground_truth(dwpose_oracle / "synth_wholebody.json")
    photos = annotated_boxes(truth, FOLDER).photos
    boxes = {number: box for photo in photos for number, box in zip(photo.ids, photo.boxes, strict=True)}
    with np.load(dwpose_oracle / "dataset.npz") as recorded:
        assert [*boxes] == recorded["ids"].tolist()
        found = [(box.left, box.top, box.right, box.bottom) for box in boxes.values()]
        np.testing.assert_allclose(found, recorded["bbox"], atol=1e-4)


@pytest.mark.shared
def test_detected_boxes_are_the_reference_s(dwpose_oracle: Path) -> None:
    truth = read_ground_truth(dwpose_oracle / "synth_wholebody.json")
    photos = detected_boxes(truth, FOLDER, dwpose_oracle / "synth_det.json").photos
    rows = {
        number: (photo.photo_id, box) for photo in photos for number, box in zip(photo.ids, photo.boxes, strict=True)
    }
    with np.load(dwpose_oracle / "dataset.npz") as recorded:
        assert sorted(rows) == recorded["det_ids"].tolist()
        assert [rows[number][0] for number in sorted(rows)] == recorded["det_img"].tolist()
        boxes = [rows[number][1] for number in sorted(rows)]
        found = [(box.left, box.top, box.right, box.bottom) for box in boxes]
        np.testing.assert_allclose(found, recorded["det_bbox"], rtol=1e-5)
        np.testing.assert_allclose([box.score for box in boxes], recorded["det_score"], rtol=1e-6)
