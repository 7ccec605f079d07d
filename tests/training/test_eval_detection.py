"""Curves of detectors: matching by hand-made cases, ranges of sizes, and numbers read off."""

from collections.abc import Sequence

import numpy as np
import pytest

from pose_core.detectors import Detector
from pose_core.errors import InvalidImage
from pose_core.steps import without_networks
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size
from tests.training import tiny
from training.evals.detection import (
    RANGES,
    Found,
    Truth,
    evaluate_detection,
    in_range,
    match_photo,
    measure_range,
)
from training.evals.detectors import find_people, torch_detector

NOBODY = np.zeros((0, 4))
BIG, SMALL = (0.0, 0.0, 200.0, 200.0), (300.0, 0.0, 340.0, 40.0)
EVERYTHING = RANGES["all"]


def truth(*people: Sequence[float], ignore: Sequence[Sequence[float]] = (), scale: float = 1.0) -> Truth:
    return Truth(np.array(people).reshape(-1, 4), np.array(ignore).reshape(-1, 4), scale)


def found(*rows: tuple[Sequence[float], float]) -> Found:
    return Found(np.array([box for box, _ in rows]).reshape(-1, 4), np.array([score for _, score in rows]))


def shifted(box: Sequence[float], by: float) -> list[float]:
    return [box[0] + by, box[1], box[2] + by, box[3]]


def test_each_person_is_found_once_by_the_surest() -> None:
    hit, counts = match_photo(truth(BIG), found((shifted(BIG, 20), 0.9), (BIG, 0.8)), EVERYTHING)
    assert (hit.tolist(), counts.tolist()) == ([True, False], [True, True])


def test_half_an_overlap_is_enough_and_less_is_not() -> None:
    third = 200 / 3
    hit, _ = match_photo(truth(BIG), found((shifted(BIG, third - 0.1), 0.9)), EVERYTHING)
    miss, _ = match_photo(truth(BIG), found((shifted(BIG, third + 0.1), 0.9)), EVERYTHING)
    assert (hit.tolist(), miss.tolist()) == ([True], [False])


def test_ignored_regions_excuse_false_alarms_only() -> None:
    away = (400.0, 0.0, 500.0, 100.0)
    one = truth(BIG, ignore=[(390.0, 0.0, 470.0, 100.0), BIG])
    hit, counts = match_photo(one, found((BIG, 0.9), (away, 0.8), (shifted(away, 50), 0.7)), EVERYTHING)
    assert (hit.tolist(), counts.tolist()) == ([True, False, False], [True, False, True])


def test_other_sizes_are_neither_to_be_found_nor_false_alarms() -> None:
    one = truth(BIG, SMALL)
    both = found((BIG, 0.9), (SMALL, 0.8), ((500.0, 0.0, 520.0, 20.0), 0.7), ((0.0, 300.0, 150.0, 450.0), 0.6))
    curves = {part: measure_range([one], [both], limits) for part, limits in RANGES.items()}
    assert {part: curve.people for part, curve in curves.items()} == {"all": 2, "large": 1, "small": 1}
    assert curves["all"].score.tolist() == [0.9, 0.8, 0.7, 0.6]
    assert curves["large"].score.tolist() == [0.9, 0.6]
    assert curves["small"].score.tolist() == [0.8, 0.7]
    assert curves["small"].precision.tolist() == [1.0, 0.5]


def test_photos_of_other_sizes_are_scaled() -> None:
    box = (0.0, 0.0, 80.0, 80.0)
    people = [measure_range([truth(box, scale=s)], [found()], RANGES["large"]).people for s in (1.0, 1.25)]
    assert people == [0, 1]
    assert in_range(np.array([0.0, 9216.0]), RANGES["small"]).tolist() == [False, True]


def test_a_curve_and_what_is_read_off_it() -> None:
    boxes = [shifted(BIG, 1000 * number) for number in range(4)]
    wrong = (0.0, 5000.0, 100.0, 5100.0)
    one = found((boxes[0], 0.9), (wrong, 0.8), (boxes[1], 0.7), (boxes[2], 0.6))
    curve = measure_range([truth(*boxes)], [one], EVERYTHING)
    np.testing.assert_allclose(curve.precision, [1, 0.5, 2 / 3, 0.75])
    np.testing.assert_allclose(curve.recall, [0.25, 0.25, 0.5, 0.75])
    np.testing.assert_allclose(curve.envelope, [1, 0.75, 0.75, 0.75])
    # 26 of 101 recalls up to 0.25, 50 up to 0.75, and 25 that are never reached
    assert curve.average_precision() == pytest.approx((26 * 1 + 50 * 0.75) / 101)
    assert curve.at_recall(0.5) == pytest.approx((0.75, 0.6))
    assert curve.at_recall(0.9) == (0.0, 0.0)
    assert curve.at_score(0.65) == pytest.approx((2 / 3, 0.5))
    assert curve.at_score(0.95) == (None, 0.0)


def test_all_photos_share_one_curve() -> None:
    result = evaluate_detection([truth(BIG), truth(BIG)], [found((BIG, 0.4)), found((SMALL, 0.8), (BIG, 0.6))])
    assert result.curves["all"].precision.tolist() == pytest.approx([0, 0.5, 2 / 3])
    values = {(score.part, score.name): score.value for score in result.scores()}
    assert values["all", "R@0.3"] == 1.0
    assert values["large", "AP50"] == pytest.approx(1.0)
    assert values["small", "AP50"] is None
    assert result.notes["photos"] == 2


def test_nobody_and_nothing() -> None:
    result = evaluate_detection([], [])
    assert all(score.value is None for score in result.scores())
    alarm = evaluate_detection([truth()], [found((BIG, 0.9))])
    assert {score.value for score in alarm.scores() if score.part == "all"} == {None, 0.0}
    silent = evaluate_detection([truth(BIG)], [found()])
    assert {score.name: score.value for score in silent.scores() if score.part == "all"}["AP50"] == 0.0


def test_detectors_look_at_files_and_pictures(photo: Image, tmp_path: object) -> None:
    asked: list[float] = []

    def detect(image: Image, threshold: float, timer: Timer) -> list[PersonBox]:
        assert isinstance(timer, Timer)
        asked.append(threshold)
        return [PersonBox(0.0, 0.0, float(image.shape[1]), float(image.shape[0]), 0.5)]

    fake = Detector("fake", 0.3, "", "", without_networks(detect))
    (one,) = find_people(fake, [photo])
    assert one.box_D4.tolist() == [[0, 0, 160, 120]]
    assert asked == [0.01]
    with pytest.raises(InvalidImage, match="cannot be read"):
        find_people(fake, [tmp_path / "no.jpg"])  # type: ignore[operator]


def test_a_torch_network_is_a_detector(photo: Image) -> None:
    network = tiny.build_detector().train()
    people = torch_detector(network, Size(64, 64), "fresh").detect(photo, 0.0, Timer())
    assert people, "a fresh network is not sure of anything, and says everything"
    assert all(0 < person.score < 0.01 for person in people)
    assert network.training
