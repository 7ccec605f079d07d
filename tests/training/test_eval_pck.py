"""PCK: shares that can be counted by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_core.errors import InvalidInput, UnknownChoice
from tests.training.annotated import copy_truth, make_content, make_truth
from training.evals import GroundTruth, Predictions, read_ground_truth
from training.evals.pck import evaluate_pck
from training.evals.records import PARTS

FIRST = 100.0
"""Longest side of the first person's box."""


def only_first(v: float = 2) -> GroundTruth:
    content = make_content(v)
    content["annotations"] = content["annotations"][:1]
    return read_ground_truth(content)


def move(predictions: Predictions, points: slice | list[int], pixels: float) -> Predictions:
    """The first person's points moved to the right."""
    keypoints = predictions.people[0].keypoints.copy()
    keypoints[points, 0] += pixels
    return replace(predictions, people=(replace(predictions.people[0], keypoints=keypoints), *predictions.people[1:]))


def test_perfect_answers_are_all_close() -> None:
    result = evaluate_pck(make_truth(), copy_truth(make_truth()))
    assert result.parts == dict.fromkeys(PARTS, (1.0, 1.0, 1.0))
    assert result.points == {"body": 51, "foot": 18, "face": 204, "lefthand": 63, "righthand": 63, "wholebody": 399}
    assert (result.people, result.left_out) == (3, 0)
    assert result.keypoints.shape == (3, 133)
    assert (result.keypoints == 1).all()


def test_share_within_each_threshold() -> None:
    truth = only_first()
    said = move(copy_truth(truth), [0, 1, 2, 3, 4], 0.07 * FIRST)
    said = move(said, [5, 6], 0.5 * FIRST)
    result = evaluate_pck(truth, said)
    assert np.allclose(np.array(result.parts["body"], float), [10 / 17, 15 / 17, 15 / 17])
    assert [*result.parts["face"]] == [1, 1, 1]
    assert result.keypoints[:, 0].tolist() == [0, 1, 1]
    assert result.keypoints[:, 5].tolist() == [0, 0, 0]


def test_exactly_at_the_threshold_is_close() -> None:
    content = make_content()
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["keypoints"] = [64, 32, 2] * 17  # whole numbers, without rounding
    truth = read_ground_truth(content)
    assert evaluate_pck(truth, copy_truth(truth, (0, 10)), thresholds=(0.0999, 0.1)).parts["body"] == (0, 1)


@settings(deadline=None, max_examples=20)
@given(st.floats(0, 60), st.floats(0, 60))
def test_closer_is_never_worse(one: float, other: float) -> None:
    truth = only_first()
    near, far = (evaluate_pck(truth, copy_truth(truth, (pixels, 0))) for pixels in sorted((one, other)))
    for a, b in zip(near.parts["wholebody"], far.parts["wholebody"], strict=True):
        assert a is not None
        assert b is not None
        assert a >= b


def test_torso_is_left_shoulder_to_right_hip() -> None:
    truth = only_first()
    points = truth.people[0].keypoints
    torso = float(np.hypot(*(points[5, :2] - points[12, :2])))
    for factor, share in ((0.19, 1), (0.21, 0)):
        said = copy_truth(truth, (factor * torso, 0))
        assert evaluate_pck(truth, said, size="torso", thresholds=[0.2]).parts["wholebody"] == (share,)


def test_people_without_a_torso_are_left_out() -> None:
    content = make_content()
    content["annotations"][0]["keypoints"][5 * 3 + 2] = 0
    truth = read_ground_truth(content)
    result = evaluate_pck(truth, copy_truth(truth), size="torso")
    assert (result.people, result.left_out) == (2, 1)


def test_machine_labels_count_only_when_asked_and_by_their_probability() -> None:
    content = make_content()
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["keypoints"][2::3] = [2, 1, 0.5, 0.25] + [0] * 13
    truth = read_ground_truth(content)
    said = move(copy_truth(truth), [1, 2], FIRST)  # a human and a machine label missed
    assert evaluate_pck(truth, said, labels="human").parts["body"][0] == pytest.approx(1 / 2)
    assert evaluate_pck(truth, said, labels="weighted").parts["body"][0] == pytest.approx(1.25 / 2.75)
    assert evaluate_pck(truth, said, labels="known").parts["body"][0] == pytest.approx(2 / 4)
    counts = [evaluate_pck(truth, said, labels=labels).points["body"] for labels in ("human", "weighted", "known")]
    assert counts == [2, 4, 4]


def test_unlabelled_parts_have_no_share() -> None:
    truth = only_first(v=0.5)
    result = evaluate_pck(truth, copy_truth(truth))
    assert result.parts["body"] == (None, None, None)
    assert np.isnan(result.keypoints).all()
    assert (result.people, result.left_out) == (0, 0)
    assert evaluate_pck(truth, copy_truth(truth), labels="weighted").parts["body"] == (1, 1, 1)


def test_points_that_the_network_does_not_know_are_not_asked() -> None:
    truth = only_first()
    result = evaluate_pck(truth, move(copy_truth(truth, scheme="coco"), slice(17, 133), FIRST))
    assert result.points == {"body": 17, "foot": 0, "face": 0, "lefthand": 0, "righthand": 0, "wholebody": 17}
    assert result.parts["wholebody"] == (1, 1, 1)


def test_who_was_not_predicted_is_counted_and_crowds_are_not() -> None:
    content = make_content()
    content["annotations"][0]["iscrowd"] = 1
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    result = evaluate_pck(truth, replace(said, people=said.people[:2]))
    assert (result.people, result.left_out) == (1, 1)
    assert result.parts["body"] == (1, 1, 1)


def test_nobody() -> None:
    result = evaluate_pck(GroundTruth("nobody", (), ()), Predictions("x", "annotated", ()))
    assert (result.people, result.parts["wholebody"]) == (0, (None, None, None))


def test_detected_boxes_and_unknown_names_are_refused() -> None:
    truth = make_truth()
    said = copy_truth(truth)
    with pytest.raises(InvalidInput, match="needs predictions on annotated boxes"):
        evaluate_pck(truth, replace(said, boxes="detected"))
    with pytest.raises(UnknownChoice, match="size: unknown value 'head'; valid: box, torso"):
        evaluate_pck(truth, said, size="head")
    with pytest.raises(UnknownChoice, match="labels: unknown value 'robot'; valid: human, weighted, known"):
        evaluate_pck(truth, said, labels="robot")
