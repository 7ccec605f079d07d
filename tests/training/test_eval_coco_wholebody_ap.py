"""The COCO-WholeBody benchmark: the reference's numbers to the last digit, and each of its rules on its own."""

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_core.types import PersonBox
from tests.training.annotated import copy_truth, make_content, make_truth
from training.evals import GroundTruth, Prediction, Predictions, WholeBodyAp, read_ground_truth
from training.evals.coco_wholebody_ap import STATISTICS, evaluate_coco_wholebody_ap, rank_people, score_person
from training.evals.records import PARTS


def ap(result: WholeBodyAp, part: str = "wholebody", name: str = "AP") -> float:
    value = result.parts[part][name]
    assert value is not None
    return value


def with_scores(prediction: Prediction, scores: np.ndarray | float, part: str = "wholebody") -> Prediction:
    keypoints = prediction.keypoints.copy()
    keypoints[PARTS[part], 2] = scores
    return replace(prediction, keypoints=keypoints)


def changed(predictions: Predictions, row: int, prediction: Prediction) -> Predictions:
    people = [*predictions.people]
    people[row] = prediction
    return replace(predictions, people=tuple(people))


def test_perfect_answers_get_everything() -> None:
    truth = make_truth()
    result = evaluate_coco_wholebody_ap(truth, copy_truth(truth))
    assert all(ap(result, part) == ap(result, part, "AR") == pytest.approx(1) for part in (*PARTS, "hand"))
    assert result.people == {**dict.fromkeys(PARTS, 3), "hand": 6}
    assert (result.predictions, result.suppressed) == (3, 0)


def test_answers_get_worse_with_their_distance() -> None:
    truth = make_truth()
    steps = [evaluate_coco_wholebody_ap(truth, copy_truth(truth, (pixels, 0))) for pixels in (0, 1, 2, 4, 80)]
    values = [ap(step) for step in steps]
    assert values == sorted(values, reverse=True)
    assert values[1] > values[2] > values[4] == 0


def test_statistics_are_all_there_in_order() -> None:
    result = evaluate_coco_wholebody_ap(make_truth(), copy_truth(make_truth()))
    assert [score.name for score in result.scores() if score.part == "body"] == [*STATISTICS]
    assert result.parts["body"]["AP_L"] is None, "all are of medium size"


# rule 1
def test_a_person_without_the_part_neither_counts_nor_hurts() -> None:
    content = make_content()
    content["annotations"][0]["lefthand_kpts"] = [0] * 63
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    for answers in (said, replace(said, people=said.people[1:])):
        result = evaluate_coco_wholebody_ap(truth, answers)
        assert result.people["lefthand"] == 2
        assert ap(result, "lefthand") == ap(result, "lefthand", "AR") == pytest.approx(1)


# rule 2
def test_a_prediction_without_the_part_is_no_false_alarm() -> None:
    content = make_content()
    content["annotations"] = content["annotations"][:2]
    truth, said = read_ground_truth(content), copy_truth(make_truth())
    alarm = replace(said.people[2], box=PersonBox(0.0, 0.0, 1.0, 1.0, score=2.0))  # ranked first
    silent, loud = changed(said, 2, with_scores(alarm, 0, "face")), changed(said, 2, alarm)
    assert ap(evaluate_coco_wholebody_ap(truth, silent), "face") == pytest.approx(1)
    assert ap(evaluate_coco_wholebody_ap(truth, loud), "face") < 1


# rule 3
def test_area_of_the_box_replaces_that_of_the_outline() -> None:
    content = make_content()
    for record in content["annotations"]:
        record["area"] *= 100
    truth = read_ground_truth(content)
    said = copy_truth(truth, (3, 0))
    assert ap(evaluate_coco_wholebody_ap(truth, said)) > ap(evaluate_coco_wholebody_ap(truth, said, use_area=False))
    for record in content["annotations"]:
        del record["area"]
    without = read_ground_truth(content)
    result = evaluate_coco_wholebody_ap(without, said)
    assert result.parts == evaluate_coco_wholebody_ap(truth, said, use_area=False).parts
    assert result.notes["people without an area"] == 3
    assert "people without an area" not in evaluate_coco_wholebody_ap(truth, said).notes


# rule 4
def test_size_of_a_false_alarm_is_that_of_its_body() -> None:
    truth, said = make_truth(), copy_truth(make_truth())
    far = said.people[2].keypoints + np.array([500, 500, 0.05])
    tiny_body = far.copy()
    tiny_body[PARTS["body"], :2] = 600, 600
    for keypoints, hurts in ((far, True), (tiny_body, False)):
        alarm = replace(said.people[2], id=99, keypoints=keypoints)
        result = evaluate_coco_wholebody_ap(truth, replace(said, people=(*said.people, alarm)))
        assert (ap(result, "face", "AP_M") < 1) == hurts
        assert ap(result, "face", "AP") < 1


# rule 5
def test_annotation_number_0_is_found_like_any_other() -> None:
    content = make_content()
    for record in content["annotations"]:
        record["id"] -= 10
    truth = read_ground_truth(content)
    assert ap(evaluate_coco_wholebody_ap(truth, copy_truth(truth))) == pytest.approx(1)


# rule 6
def test_each_part_has_its_own_tolerance() -> None:
    truth = make_truth()
    result = evaluate_coco_wholebody_ap(truth, copy_truth(truth, (2, 0)))
    assert ap(result, "body") > ap(result, "lefthand") > ap(result, "face")


def test_nobody_is_blamed_for_a_crowd() -> None:
    content = make_content()
    content["annotations"][2]["iscrowd"] = 1
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    result = evaluate_coco_wholebody_ap(truth, replace(said, people=said.people[:2]))
    assert result.people["body"] == 2
    assert ap(result, name="AR") == pytest.approx(1)


def test_score_of_a_person_is_box_times_mean_of_certain_points() -> None:
    person = copy_truth(make_truth()).people[0]
    person = replace(
        with_scores(person, np.tile([0.1, 0.2, 0.4, 0.8], 34)[:133]), box=PersonBox(0.0, 0.0, 1.0, 1.0, score=0.5)
    )
    scores = person.keypoints[:, 2]
    assert score_person(person) == pytest.approx(0.5 * scores[scores > 0.3].mean())
    assert score_person(with_scores(person, 0.2)) == 0


def test_doublets_and_poses_on_top_of_each_other_go() -> None:
    said = copy_truth(make_truth())
    people = [*said.people, said.people[0], replace(said.people[1], id=99)]
    assert [one.prediction.id for one in rank_people(people, nms=True)] == [99, 10, 12]
    assert [one.prediction.id for one in rank_people(people, nms=False)] == [10, 11, 99, 12]


def test_nothing_said_and_nothing_asked() -> None:
    truth, silence = make_truth(), Predictions("silence", "detected", ())
    result = evaluate_coco_wholebody_ap(truth, silence)
    assert ap(result) == ap(result, name="AR") == 0
    for nobody in (GroundTruth("nobody", (), ()), replace(truth, people=())):
        assert evaluate_coco_wholebody_ap(nobody, silence).parts["body"]["AP"] is None


def test_nothing_is_printed_or_changed(capfd: pytest.CaptureFixture[str]) -> None:
    truth, said = make_truth(), copy_truth(make_truth())
    before = copy.deepcopy([person.keypoints for person in truth.people])
    evaluate_coco_wholebody_ap(truth, said)
    assert capfd.readouterr() == ("", "")
    for person, keypoints in zip(truth.people, before, strict=True):
        np.testing.assert_array_equal(person.keypoints, keypoints)


def read_recorded(rows: list[dict[str, Any]]) -> Predictions:
    """Predictions of the parity data as records."""
    people = [
        Prediction(
            row["img_id"],
            row["id"],
            PersonBox(0.0, 0.0, 1.0, 1.0, row["bbox_score"]),
            float(np.prod(row["bbox_scale"])),
            np.concatenate([row["keypoints"], np.array(row["scores"])[:, None]], axis=1),
        )
        for row in rows
    ]
    return Predictions("recorded", "detected", tuple(people))


@pytest.mark.shared
@pytest.mark.parametrize("scenario", ["perfect", "mild", "medium", "rough", "medium_noarea"])
def test_every_statistic_is_the_reference_s(scenario: str, dwpose_oracle: Path) -> None:
    truth = read_ground_truth(dwpose_oracle / "synth_wholebody.json")
    said = read_recorded(json.loads((dwpose_oracle / "metric_predictions.json").read_text())[scenario])
    recorded = json.loads((dwpose_oracle / "metric_results.json").read_text())["results"][scenario]
    result = evaluate_coco_wholebody_ap(truth, said, use_area=recorded["use_area"])
    for part, expected in recorded["parts"].items():
        found = {name: -1 if value is None else value for name, value in result.parts[part].items()}
        assert found == expected, part
    assert (result.predictions, len(said.people)) == (recorded["n_after_nms"], recorded["n_pred"])
    ranked = sorted((one.prediction.photo_id, one.score) for one in rank_people(said.people, nms=True))
    np.testing.assert_allclose(ranked, sorted(recorded["scores_after_nms"]), atol=1e-9)
