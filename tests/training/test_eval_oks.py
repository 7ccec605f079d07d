"""Mean OKS, feet and sources: numbers that can be computed by hand."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.skeleton import BODY, OKS_SIGMAS
from tests.training.annotated import copy_truth, make_content, make_truth
from training.evals import GroundTruth, Predictions, read_ground_truth
from training.evals.by_source import COLUMNS, evaluate_by_source, measure_headlines
from training.evals.coco_wholebody_ap import evaluate_coco_wholebody_ap
from training.evals.feet import evaluate_feet
from training.evals.oks import evaluate_oks
from training.evals.report import evaluate, format_table
from training.evals.sources import keep_sources, list_sources, source_of


def oks_of(distance: float, area: float, points: slice | list[int]) -> float:
    return float(np.exp(-(distance**2) / (2 * area * (2 * OKS_SIGMAS[points]) ** 2)).mean())


@pytest.fixture
def content() -> dict[str, Any]:
    """The drawn set with its photos in two folders; the first has two people."""
    drawn = make_content()
    for image, folder in zip(drawn["images"], ("coco", "lspet"), strict=True):
        image["file_name"] = f"images/{folder}/{image['file_name']}"
    return drawn


def test_perfect_people_have_an_oks_of_one() -> None:
    result = evaluate_oks(make_truth(), copy_truth(make_truth()))
    assert result.parts == {"body": pytest.approx(1)}
    assert (result.people, result.left_out) == ({"body": 3}, 0)


def test_oks_is_the_mean_over_people_of_the_mean_over_points() -> None:
    truth = make_truth()
    expected = np.mean([oks_of(5, person.area or 0, BODY) for person in truth.people])
    assert evaluate_oks(truth, copy_truth(truth, (3, 4))).parts["body"] == pytest.approx(expected)


def test_a_person_counts_once_however_many_points_are_labelled(content: dict[str, Any]) -> None:
    for record, labelled in zip(content["annotations"], (1, 17, 17), strict=True):
        record["keypoints"][3 * labelled + 2 :: 3] = [0] * (17 - labelled)
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    said.people[0].keypoints[:, 0] += 10
    expected = (oks_of(10, truth.people[0].area or 0, [0]) + 2) / 3
    assert evaluate_oks(truth, said).parts["body"] == pytest.approx(expected)


def test_an_unknown_area_is_a_share_of_the_box(content: dict[str, Any]) -> None:
    content["annotations"] = content["annotations"][:1]
    del content["annotations"][0]["area"]
    truth = read_ground_truth(content)
    oks = evaluate_oks(truth, copy_truth(truth, (0, 8))).parts["body"]
    assert oks == pytest.approx(oks_of(8, 0.53 * 60 * 100, BODY))


def test_average_precision_sees_the_same_similarity(content: dict[str, Any]) -> None:
    """At an OKS between two of its thresholds, AP is the share of thresholds below it."""
    content["annotations"] = content["annotations"][2:]  # the largest, so that every size limit is met
    truth = read_ground_truth(content)
    said = copy_truth(truth, (6, 0))
    oks = evaluate_oks(truth, said).parts["body"]
    assert oks is not None
    assert 0.55 < oks < 0.9
    ap = evaluate_coco_wholebody_ap(truth, said).parts["body"]["AP"]
    assert ap == pytest.approx((math.floor((oks - 0.5) / 0.05) + 1) / 10)


def test_sources_are_split(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    said.people[2].keypoints[:, 0] += 1000
    result = evaluate_oks(truth, said)
    assert result.parts == pytest.approx({"body": 2 / 3, "coco": 1, "lspet": 0})
    assert result.people == {"body": 3, "coco": 2, "lspet": 1}


def test_points_without_an_answer_have_no_similarity() -> None:
    truth = make_truth()
    said = copy_truth(truth)
    said.people[0].keypoints[:] = np.nan
    said.people[1].keypoints[0] = np.nan
    assert evaluate_oks(truth, said).parts["body"] == pytest.approx((0 + 16 / 17 + 1) / 3)


def test_who_was_not_predicted_and_machine_labels(content: dict[str, Any]) -> None:
    content["annotations"][0]["keypoints"][2::3] = [0.5] * 17
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    said = replace(said, people=said.people[:2])
    human, weighted = (evaluate_oks(truth, said, labels=labels) for labels in ("human", "weighted"))
    assert (human.people["body"], human.left_out) == (1, 1)
    assert (weighted.people["body"], weighted.left_out) == (2, 1)
    with pytest.raises(UnknownChoice, match="labels: unknown value 'robot'"):
        evaluate_oks(truth, said, labels="robot")
    with pytest.raises(InvalidInput, match="annotated boxes"):
        evaluate_oks(truth, replace(said, boxes="detected"))


def stand(record: dict[str, Any], *, apart: float = 40) -> None:
    """Ankles, heels and big toes of both feet, the left ones on the right side of the photo."""
    for side, x in ((0, 30 + apart), (1, 30)):
        record["keypoints"][45 + 3 * side : 48 + 3 * side] = [x, 100, 2]
        record["foot_kpts"][9 * side : 9 * side + 9] = [x + 4, 108, 0.5, 0, 0, 0, x - 2, 106, 0.5]


def test_heel_and_toe_lie_on_their_own_foot() -> None:
    content = make_content()
    for record in content["annotations"]:
        stand(record)
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    result = evaluate_feet(truth, said)
    assert result.right_foot == {"heel": 1, "big_toe": 1, "foot": 1}
    assert result.asked == {"heel": 6, "big_toe": 6, "foot": 12}
    assert result.close == {"heel": 1, "big_toe": 1, "foot": 1}
    feet = said.people[0].keypoints
    feet[[17, 20]] = feet[[20, 17]]  # toes of the first person on the other foot
    feet[19] = np.nan
    result = evaluate_feet(truth, said)
    assert result.right_foot == pytest.approx({"heel": 5 / 6, "big_toe": 4 / 6, "foot": 9 / 12})
    assert result.close == pytest.approx({"heel": 5 / 6, "big_toe": 4 / 6, "foot": 9 / 12})
    assert result.labelled["foot"] == 12
    assert evaluate_feet(truth, said, foot_labels="human").labelled == {"heel": 0, "big_toe": 0, "foot": 0}


def test_close_or_unlabelled_ankles_tell_nothing() -> None:
    content = make_content()
    stand(content["annotations"][0], apart=9)  # the box is 100 high
    stand(content["annotations"][1])
    content["annotations"][1]["keypoints"][47] = 0.9
    stand(content["annotations"][2], apart=10)
    truth = read_ground_truth(content)
    assert evaluate_feet(truth, copy_truth(truth)).asked["foot"] == 4


def test_networks_without_feet_are_not_asked() -> None:
    truth = make_truth()
    result = evaluate_feet(truth, copy_truth(truth, scheme="coco"))
    assert (result.right_foot, result.scores()) == ({}, ())


def test_a_source_is_the_folder_of_the_photo(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    assert [source_of(photo) for photo in truth.photos] == ["coco", "lspet"]
    assert list_sources(truth) == ("coco", "lspet")
    assert list_sources(make_truth()) == ()
    kept, said = keep_sources(truth, copy_truth(truth), ("coco",))
    assert (kept.name, len(kept.photos), len(kept.people), len(said.people)) == ("annotations, coco", 1, 2, 2)
    with pytest.raises(UnknownChoice, match="sources: unknown value 'mpii'; valid: coco, lspet"):
        keep_sources(truth, said, ("mpii",))


def test_headlines_of_each_source(content: dict[str, Any]) -> None:
    truth = read_ground_truth(content)
    said = copy_truth(truth)
    said.people[2].keypoints[:, 0] += 1000
    result = evaluate_by_source(truth, said)
    assert result.people == {"all": 3, "coco": 2, "lspet": 1}
    shares = {score.part: score.value for score in result.scores() if score.name == "PCK@0.1"}
    assert shares == pytest.approx({"all": 2 / 3, "coco": 1, "lspet": 0})
    lines = format_table(evaluate(truth, said, ["by-source"])).splitlines()
    assert lines[4].split()[:5] == ["by-source", "people", "OKS", "PCK@0.05", "PCK@0.1"]
    assert lines[6].split()[:5] == ["coco", "2", "1.0000", "1.0000", "1.0000"]


def test_what_cannot_be_asked_is_no_column() -> None:
    truth = make_truth()
    scores = evaluate_by_source(truth, copy_truth(truth, scheme="coco")).scores()
    assert [(score.part, score.name) for score in scores] == [("all", name) for name in ("OKS", "PCK@0.05", "PCK@0.1")]
    nobody = measure_headlines(GroundTruth("nobody", (), ()), Predictions("x", "annotated", ()))
    assert nobody == dict.fromkeys(COLUMNS)
