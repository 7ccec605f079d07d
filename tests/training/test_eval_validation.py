"""Evaluation of a run: what would go wrong after hours is found before the first step."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.estimators import EstimatorSpec
from tests.training.annotated import copy_truth, make_content, make_truth, write_photos
from training.contracts import Evaluate
from training.evals import GroundTruth, read_ground_truth
from training.evals.report import evaluate
from training.evals.validation import make_evaluate
from training.evals.views import annotated_boxes

PCK = "pck/wholebody/PCK@0.05"


def build(folder: Path, truth: GroundTruth, headline: str = PCK) -> Evaluate:
    views = annotated_boxes(truth, folder)
    return make_evaluate(truth, views, spec=EstimatorSpec(), headline=headline, progress=False)


@pytest.mark.parametrize("headline", [PCK, "coco-wholebody-ap/wholebody/AP", "oks/body/OKS", "hand-error/hand/mean"])
@pytest.mark.parametrize("v", [2, 0.5])
def test_labels_of_humans_or_of_machines_will_do(headline: str, v: float, tmp_path: Path) -> None:
    write_photos(tmp_path)
    build(tmp_path, make_truth(v), headline)


def test_nobody_to_look_at_is_refused(tmp_path: Path) -> None:
    write_photos(tmp_path)
    with pytest.raises(InvalidInput, match="validation data: nobody to look at in drawn"):
        build(tmp_path, replace(make_truth(), people=()))


def test_missing_pictures_are_refused_and_some_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidInput, match=r"2 of 2 pictures of drawn are missing, the first is .*1\.png"):
        build(tmp_path, make_truth())
    write_photos(tmp_path)
    (tmp_path / "2.png").unlink()
    with caplog.at_level(logging.WARNING):
        build(tmp_path, make_truth())
    assert "1 of 2 pictures of drawn are missing" in caplog.text


def test_a_headline_that_cannot_be_measured_is_refused(tmp_path: Path) -> None:
    write_photos(tmp_path)
    with pytest.raises(InvalidInput, match="headline: coco-wholebody-ap/body/AP_L could not be measured"):
        build(tmp_path, make_truth(), "coco-wholebody-ap/body/AP_L")
    with pytest.raises(UnknownChoice, match="headline: unknown value 'iou'; valid: coco-wholebody-ap, pck"):
        build(tmp_path, make_truth(), "iou/body/mean")
    bodies = make_content()
    for record in bodies["annotations"]:
        record["face_kpts"] = [0] * 204
    with pytest.raises(InvalidInput, match="face-nme/face/mean could not be measured"):
        build(tmp_path, read_ground_truth(bodies), "face-nme/face/mean")


def test_all_photos_are_asked_where_the_first_do_not_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.evals.validation.FIRST_PHOTOS", 1)
    write_photos(tmp_path)
    content = make_content()
    for record in content["annotations"][:2]:
        record["face_kpts"] = [0] * 204
    build(tmp_path, read_ground_truth(content), "face-nme/face/mean")


def test_where_only_machines_labelled_their_labels_count_and_it_is_said() -> None:
    truth = make_truth(0.5)
    report = evaluate(truth, copy_truth(truth))
    assert report.counts["labels"] == "weighted"
    assert all(report.results[name].notes["labels"] == "weighted" for name in ("pck", "oks", "face-nme", "hand-error"))
    assert {score.value for score in report.results["pck"].scores()} == {1.0}
    assert "labels" not in evaluate(make_truth(), copy_truth(make_truth())).counts
    nothing = evaluate(make_truth(0), copy_truth(make_truth(0)), ["pck"])
    assert nothing.results["pck"].notes["labels"] == "human"
