"""Precision and recall of scores: points that can be counted by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.training.annotated import copy_truth, make_content
from training.evals import GroundTruth, Predictions, ScoreCurve, read_ground_truth
from training.evals.score_curve import Judged, evaluate_score_curve, find_best, measure_threshold


def judged(scores: Sequence[float], present: Sequence[int], placed: Sequence[int] | None = None) -> Judged:
    there = np.array(present, np.bool_)
    return Judged(np.array(scores), there, there if placed is None else np.array(placed, np.bool_))


def values(curve: ScoreCurve) -> dict[tuple[str, str], float | None]:
    return {(score.part, score.name): score.value for score in curve.scores()}


@pytest.fixture
def content() -> dict[str, Any]:
    """Bodies only; the first person in folder `coco` has four points without a label."""
    drawn = make_content()
    for image, folder in zip(drawn["images"], ("coco", "helen"), strict=True):
        image["file_name"] = f"images/{folder}/{image['file_name']}"
    for record in drawn["annotations"]:
        for field in ("foot_kpts", "face_kpts", "lefthand_kpts", "righthand_kpts"):
            record[field] = [0] * len(record[field])
    for point in (13, 14, 15, 16):
        drawn["annotations"][0]["keypoints"][3 * point : 3 * point + 3] = [0, 0, 0]
    return drawn


def say(truth: GroundTruth, absent: float) -> Predictions:
    """The truth with score 0.9, and this score for points that have no label."""
    said = copy_truth(truth)
    for one, person in zip(said.people, truth.people, strict=True):
        one.keypoints[person.keypoints[:, 2] == 0, 2] = absent
    return said


def test_precision_and_recall_can_be_counted() -> None:
    points = judged([0.9, 0.8, 0.7, 0.6, 0.1], [1, 1, 0, 1, 0])
    assert measure_threshold(points, points.present, 0.65)[1:] == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert measure_threshold(points, points.present, 0.7)[1:] == pytest.approx((1, 2 / 3, 4 / 5)), "shown is above"
    assert measure_threshold(points, points.present, 2)[1:] == (None, 0, None)


def test_a_point_in_the_wrong_place_is_present_but_not_right() -> None:
    points = judged([0.9, 0.8, 0.7], [1, 1, 0], [1, 0, 0])
    assert measure_threshold(points, points.kinds["@0.1"], 0.5)[1:] == pytest.approx((1 / 3, 1 / 2, 2 / 5))


def test_best_threshold_lies_between_two_scores() -> None:
    points = judged([0.9, 0.1, 0.8, 0.6, 0.7], [1, 0, 1, 1, 0])
    best = find_best(points, points.present)
    assert best is not None
    assert best.threshold == pytest.approx((0.6 + 0.1) / 2)
    assert best[1:] == pytest.approx((3 / 4, 1, 6 / 7))


def test_equal_scores_are_shown_together() -> None:
    points = judged([0.5, 0.5, 0.5, 0.2], [1, 0, 1, 0])
    best = find_best(points, points.present)
    assert best is not None
    assert best.threshold == pytest.approx(0.35)
    assert best.precision == pytest.approx(2 / 3)


def test_no_best_threshold_where_nothing_can_be_told() -> None:
    assert find_best(judged([0.5, 0.6], [1, 1]), np.array([True, True])) is None
    assert find_best(judged([0.5, 0.6], [1, 0]), np.array([False, False])) is None
    showing_all = find_best(judged([0.5, 0.6], [1, 0]), np.array([True, False]))
    assert showing_all is not None
    assert showing_all.threshold < 0.5


def test_unlabelled_points_of_human_sources_are_absent(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    found = evaluate_score_curve(truth, say(truth, 0.3))
    assert list(found.groups) == ["unlabelled", "all"]
    assert found.notes == {"absent of unlabelled": 4, "absent of all": 4}
    numbers = values(found)
    assert numbers["unlabelled best", "threshold"] == pytest.approx(0.6)
    assert numbers["unlabelled best", "F1"] == 1
    assert numbers["all > 0.2", "precision"] == pytest.approx(47 / 51)
    assert numbers["all > 0.2", "recall"] == 1
    assert numbers["all > 0.3", "precision"] == 1


def test_a_machine_label_spoils_its_whole_source_only(content: dict[str, Any]) -> None:
    content["annotations"][1]["keypoints"][2] = 0.7  # the same source as the absent points
    truth = read_ground_truth(content)
    found = evaluate_score_curve(truth, say(truth, 0.3))
    assert found.notes == {"absent of unlabelled": 0, "absent of all": 0}
    assert values(found)["all > 0.2", "precision"] is None
    assert ("all best", "threshold") not in values(found)
    assert len(found.groups["all"].score) == 13 + 16 + 17
    assert len(found.groups["unlabelled"].score) == 17


def test_legs_of_a_close_up_are_absent(content: dict[str, Any]) -> None:
    portrait = content["annotations"][2]
    portrait["face_kpts"] = [value for point in range(68) for value in (60 + point % 8, 30 + 0.75 * point, 2)]
    portrait["keypoints"][2::3] = [2] * 5 + [0.6] * 2 + [0] * 10
    truth = read_ground_truth(content)
    found = evaluate_score_curve(truth, say(truth, 0.3))
    assert found.notes["absent of close-up"] == 4 + 6
    assert np.count_nonzero(found.groups["close-up"].present) == 5, "the face itself is not asked for"
    assert found.notes["absent of all"] == 4 + 10
    content["annotations"][2]["face_kpts"][1::3] = [30 + 0.7 * point for point in range(68)]
    truth = read_ground_truth(content)
    assert "close-up" not in evaluate_score_curve(truth, say(truth, 0.3)).groups, "47 of 200 pixels are too few"


def test_wrong_places_and_unknown_points(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    said = say(truth, 0.3)
    said.people[0].keypoints[:5, 0] += 0.11 * 100
    numbers = values(evaluate_score_curve(truth, said))
    assert numbers["all > 0.5", "recall"] == 1
    assert numbers["all > 0.5", "recall@0.1"] == pytest.approx(42 / 47)
    assert numbers["all > 0.5", "precision@0.1"] == pytest.approx(42 / 47)
    portrait = content["annotations"][2]
    portrait["face_kpts"] = [value for point in range(68) for value in (60, 30 + point, 2)]
    portrait["keypoints"][2::3] = [2] * 5 + [0] * 12
    truth = read_ground_truth(content)
    found = evaluate_score_curve(truth, copy_truth(truth, scheme="coco"))
    assert found.notes["absent of close-up"] == 4, "feet are not known to a network of 17 points"


def test_who_was_not_predicted_is_not_judged(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    found = evaluate_score_curve(truth, Predictions("x", "annotated", say(truth, 0.3).people[:1]))
    assert len(found.groups["all"].score) == 17
