"""Face NME and hand error: errors that can be computed by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pose_core.skeleton import FACE, LEFT_HAND
from tests.training.annotated import copy_truth, make_content, make_truth
from training.evals import GroundTruth, Predictions, read_ground_truth
from training.evals.hand_error import evaluate_hand_error, measure_extent
from training.evals.nme import evaluate_face_nme
from training.evals.summary import summarise, weighted_rows


def set_points(record: dict[str, Any], field: str, points: dict[int, tuple[float, float, float]]) -> None:
    for point, values in points.items():
        record[field][3 * point : 3 * point + 3] = values


@pytest.fixture
def content() -> dict[str, Any]:
    """The drawn set with faces whose eye corners lie 20 pixels apart and hands 40 pixels tall."""
    drawn = make_content()
    for record in drawn["annotations"]:
        set_points(record, "face_kpts", {36: (50, 50, 2), 45: (62, 66, 2)})
        for field in ("lefthand_kpts", "righthand_kpts"):
            record[field] = [value for point in range(21) for value in (30 + point, 60 + 2 * point, 2)]
    return drawn


def test_nme_is_in_eye_distances(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    result = evaluate_face_nme(truth, copy_truth(truth, (3, 4)))
    face = result.parts["face"]
    assert face.mean == face.median == pytest.approx(5 / 20)
    assert (face.failures, face.count, result.points, result.left_out) == (1, 3, 204, 0)


def test_perfect_faces_and_hands_have_no_error(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    assert evaluate_face_nme(truth, copy_truth(truth)).parts["face"].mean == 0
    hand = evaluate_hand_error(truth, copy_truth(truth)).parts["hand"]
    assert (hand.mean, hand.median, hand.failures, hand.count) == (0, 0, 0, 6)


def test_hand_error_is_in_longest_sides(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    result = evaluate_hand_error(truth, copy_truth(truth, (6, 8)))
    assert {part: summary.mean for part, summary in result.parts.items()} == pytest.approx(
        dict.fromkeys(("lefthand", "righthand", "hand", "large-hand"), 10 / 40)
    )
    assert (result.points, result.left_out) == (126, 0)


def test_one_bad_face_shows_in_mean_and_failures_only(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    far = replace(said.people[0], keypoints=said.people[0].keypoints + 60)
    face = evaluate_face_nme(truth, replace(said, people=(far, *said.people[1:]))).parts["face"]
    assert face.mean == pytest.approx(60 * 2**0.5 / 20 / 3)
    assert face.median == 0
    assert face.failures == pytest.approx(1 / 3)


def test_machine_labels_count_only_when_asked(content: dict[str, Any]) -> None:
    for field in ("face_kpts", "lefthand_kpts"):
        content["annotations"][0][field][2::3] = [0.25] * (len(content["annotations"][0][field]) // 3)
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    far = replace(said.people[0], keypoints=said.people[0].keypoints + np.array([20, 0, 0]))
    said = replace(said, people=(far, *said.people[1:]))
    assert evaluate_face_nme(truth, said).parts["face"].mean == 0
    assert evaluate_face_nme(truth, said, labels="weighted").parts["face"].mean == pytest.approx(0.25 / 2.25)
    assert evaluate_face_nme(truth, said, labels="known").parts["face"].mean == pytest.approx(1 / 3)
    left = evaluate_hand_error(truth, said, labels="weighted").parts["lefthand"]
    assert left.mean == pytest.approx(0.25 * 0.5 / 2.25)
    assert left.count == 3


def test_faces_without_an_eye_corner_and_hands_of_few_points_are_left_out(content: dict[str, Any]) -> None:
    set_points(content["annotations"][0], "face_kpts", {36: (0, 0, 0)})
    set_points(content["annotations"][1], "face_kpts", {36: (62, 66, 2)})  # both corners in one place
    content["annotations"][0]["lefthand_kpts"][30:] = [0] * 33  # ten points remain
    content["annotations"][1]["lefthand_kpts"] = [0] * 63
    content["annotations"][2]["lefthand_kpts"] = [5, 5, 2] * 21
    truth = read_ground_truth(content)
    face, hand = evaluate_face_nme(truth, copy_truth(truth)), evaluate_hand_error(truth, copy_truth(truth))
    assert (face.parts["face"].count, face.left_out, face.points) == (1, 2, 68)
    counts = {part: summary.count for part, summary in hand.parts.items()}
    assert counts == {"lefthand": 0, "righthand": 3, "hand": 3, "large-hand": 3}
    assert (hand.left_out, hand.parts["lefthand"].mean) == (2, None)


def test_who_was_not_predicted_is_counted(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    said = replace(said, people=said.people[1:])
    assert evaluate_face_nme(truth, said).left_out == 1
    assert evaluate_hand_error(truth, said).left_out == 2


def test_large_hands_are_measured_by_themselves(content: dict[str, Any]) -> None:
    content["annotations"][0]["lefthand_kpts"] = [value for point in range(21) for value in (30, 60 + point, 2)]
    truth = read_ground_truth(content)
    hands = evaluate_hand_error(truth, copy_truth(truth, (10, 0))).parts
    assert (hands["hand"].count, hands["large-hand"].count) == (6, 5)
    assert hands["large-hand"].mean == pytest.approx(10 / 40)
    assert hands["lefthand"].mean == pytest.approx((10 / 20 + 2 * 10 / 40) / 3)
    assert evaluate_hand_error(truth, copy_truth(truth), large_px=40).parts["large-hand"].count == 0


def test_a_part_without_an_answer_is_left_out(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    said = copy_truth(truth, (3, 4))
    said.people[1].keypoints[FACE, :2] = np.nan
    said.people[1].keypoints[LEFT_HAND, :2] = np.nan
    face, hand = evaluate_face_nme(truth, said), evaluate_hand_error(truth, said)
    assert (face.parts["face"].count, face.left_out, face.points) == (2, 1, 136)
    assert face.parts["face"].mean == pytest.approx(5 / 20)
    assert (hand.parts["hand"].count, hand.left_out) == (5, 1)


def test_networks_without_face_and_hands_are_not_asked() -> None:
    truth = make_truth()
    said = copy_truth(truth, scheme="coco")
    assert evaluate_face_nme(truth, said).parts["face"].count == 0
    assert evaluate_hand_error(truth, said).parts["hand"].count == 0


def test_nobody() -> None:
    nobody, silence = GroundTruth("nobody", (), ()), Predictions("x", "annotated", ())
    assert evaluate_face_nme(nobody, silence).parts["face"].mean is None
    assert evaluate_hand_error(nobody, silence).parts["hand"].mean is None


def test_summary_weighs() -> None:
    error, weight = np.array([4.0, 1.0, 2.0, 100.0]), np.array([1.0, 1.0, 2.0, 0.0])
    summary = summarise(error, weight, limit=3)
    assert (summary.mean, summary.median, summary.failures, summary.count) == (9 / 4, 2, 1 / 4, 3)
    assert [score.name for score in summary.scores("face")] == ["mean", "median", "above 3"]


def test_rows_weigh() -> None:
    mean, weight = weighted_rows(np.array([[1.0, 3.0], [5.0, 5.0]]), np.array([[1.0, 0.5], [0.0, 0.0]]))
    np.testing.assert_allclose(mean, [5 / 3, 0])
    np.testing.assert_allclose(weight, [0.75, 0])


def test_extent_is_that_of_labelled_points() -> None:
    points = np.array([[[0.0, 0.0], [3.0, 7.0], [50.0, 50.0]]] * 2)
    assert measure_extent(points, np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])).tolist() == [7, 0]
