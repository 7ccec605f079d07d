"""A second look at machines' labels: what stays, what counts less, what gives way, what is added."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.skeleton import KEYPOINT_COUNT
from pose_core.types import PersonBox, Size
from training.evals.records import GroundTruth, Person, Photo, Prediction, Predictions
from training.relabel_people import Changes, Trust, by_machine, count_changes, look_again, measure_trust, relabel

REACH_PX = 10.0
MACHINE = np.ones(5, np.bool_)
TRUST = Trust(np.array([0.0, 1.0]), np.array([0.0, 1.0]))


def test_a_label_near_what_the_network_says_stays() -> None:
    labels, found = np.array([[50.0, 50.0, 0.6]]), np.array([[56.0, 58.0, 0.99]])
    assert (look_again(labels, found, MACHINE[:1], REACH_PX) == labels).all(), "ten pixels apart"


@pytest.mark.parametrize(
    ("v", "trust", "expected"),
    [
        (0.9, 0.5, [50, 50, 0.45]),  # the label is the likelier one
        (0.4, 0.9, [90, 50, 0.54]),  # the network is
        (0.5, 0.7, [90, 50, 0.35]),
        (0.3, 0.2, [50, 50, 0.24]),
    ],
)
def test_where_they_are_apart_the_likelier_one_counts_as_far_as_the_other_is_wrong(
    v: float, trust: float, expected: list[float]
) -> None:
    labels, found = np.array([[50.0, 50.0, v]]), np.array([[90.0, 50.0, trust]])
    np.testing.assert_allclose(look_again(labels, found, MACHINE[:1], REACH_PX), [expected])


def test_what_counts_for_hardly_anything_is_dropped() -> None:
    labels, found = np.array([[50.0, 50.0, 0.85]]), np.array([[90.0, 50.0, 0.8]])
    assert look_again(labels, found, MACHINE[:1], REACH_PX).tolist() == [[0, 0, 0]], "0.17 would be left"


def test_a_point_without_a_label_is_added_where_the_network_is_sure() -> None:
    labels = np.zeros((2, 3))
    found = np.array([[30.0, 40.0, 0.9], [30.0, 40.0, 0.8]])
    assert look_again(labels, found, MACHINE[:2], REACH_PX).tolist() == [[30, 40, 0.9], [0, 0, 0]]


def test_what_people_labelled_stays() -> None:
    labels = np.array([[50.0, 50.0, 2], [50.0, 50.0, 1], [0.0, 0.0, 0]])
    found = np.full((3, 3), [90.0, 90.0, 0.99])
    assert (look_again(labels, found, np.array([False, False, False]), REACH_PX) == labels).all()


def test_changes_are_counted() -> None:
    old = np.array([[1, 1, 0.5], [1, 1, 0.5], [1, 1, 0.5], [1, 1, 0.5], [0, 0, 0], [1, 1, 2.0]])
    new = np.array([[1, 1, 0.5], [1, 1, 0.3], [9, 9, 0.4], [0, 0, 0], [4, 4, 0.9], [1, 1, 2.0]])
    assert count_changes(old, new) == Changes(stayed=1, doubted=1, replaced=1, dropped=1, added=1)


def test_ears_are_those_of_the_head_unless_it_says_otherwise() -> None:
    assert by_machine({"label_origin": {"body": "human", "head": "human"}})[:17].tolist() == [False] * 17
    portrait = by_machine({"label_origin": {"head": "human", "ears": "machine"}})
    assert portrait[:5].tolist() == [False, False, False, True, True]
    assert portrait[5:].all()
    assert by_machine({}).all()


def truth_and_answers(distance_px: float, score: float, count: int = 3) -> tuple[GroundTruth, Predictions]:
    """People in boxes of 100 x 100, all points at 50, 50 by people; a network says them to be elsewhere."""
    points = np.full((KEYPOINT_COUNT, 3), [50.0, 50.0, 2.0])
    answers = np.full((KEYPOINT_COUNT, 3), [50.0 + distance_px, 50.0, score])
    box = PersonBox(0.0, 0.0, 100.0, 100.0, 1.0)
    person = Person(0, 1, (0.0, 0.0, 100.0, 100.0), 5000.0, crowd=False, body_points=17, keypoints=points)
    people = tuple(replace(person, id=number) for number in range(count))
    found = tuple(Prediction(1, number, box, 1.0, answers) for number in range(count))
    return GroundTruth("these", (Photo(1, "1.jpg", Size(200, 200)),), people), Predictions("n", "annotated", found)


def test_trust_is_the_share_of_points_near_human_labels() -> None:
    near, far = truth_and_answers(9, 0.8), truth_and_answers(11, 0.2)
    assert measure_trust(*near).share.tolist() == [1.0] * 10
    assert measure_trust(*far).share.tolist() == [0.0] * 10
    mixed = Trust(np.array([0.2, 0.8]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(mixed.of(np.array([0.1, 0.5, 0.9])), [0, 0.5, 1])


def test_a_higher_score_is_never_trusted_less() -> None:
    (truth, low), (_, high) = truth_and_answers(9, 0.2, count=1), truth_and_answers(11, 0.8, count=1)
    trust = measure_trust(truth, replace(low, people=(*low.people, *high.people)), groups=2)
    assert trust.score.tolist() == pytest.approx([0.2, 0.8])
    assert trust.share.tolist() == [1.0, 1.0], "the share of the second half alone is 0"


def test_a_document_keeps_everything_else(tmp_path: Path) -> None:
    _, predictions = truth_and_answers(40, 0.9, count=1)
    body, feet = [50.0, 50.0, 0.5] * 17, [0.0, 0.0, 0.0] * 6
    record = {"id": 0, "image_id": 1, "bbox": [0, 0, 100, 100], "keypoints": body, "foot_kpts": feet}
    record |= {"num_keypoints": 17, "face_kpts": [1.0, 2.0, 2.0] * 68, "source": "somewhere"}
    unseen = {**record, "id": 7}
    document = {"images": [{"id": 1}], "annotations": [record, unseen]}
    again, changes = relabel(document, predictions, TRUST)
    assert changes == Changes(stayed=0, doubted=0, replaced=17, dropped=0, added=6)
    assert again["images"] == document["images"]
    first, second = again["annotations"]
    assert second == unseen
    assert first["keypoints"][:3] == [90, 50, 0.45]
    assert first["foot_kpts"][:3] == [90, 50, 0.9]
    assert {name for name in record if first[name] != record[name]} == {"keypoints", "foot_kpts"}
    (tmp_path / "again.json").write_text(json.dumps(again))
