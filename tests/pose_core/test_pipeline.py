"""Who is looked at, in which order, and what happens when nobody is there."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from pose_core.detectors import Detector, DetectorSpec, load_detector, rtmdet
from pose_core.errors import NoPersonFound
from pose_core.estimators import load_estimator
from pose_core.pipeline import ORDERS, OnEmpty, Order, PeopleRequest, Pipeline, find_people
from pose_core.session import open_session
from pose_core.steps import run_steps, without_networks
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size
from tests import tiny_onnx

SMALL_SURE = PersonBox(50.0, 0.0, 60.0, 10.0, 0.9)
LARGE_UNSURE = PersonBox(-80.0, 0.0, 20.0, 100.0, 0.4)
LEFT = PersonBox(0.0, 0.0, 20.0, 20.0, 0.6)
EVERYBODY = [SMALL_SURE, LEFT, LARGE_UNSURE]
"""As a detector gives them: best first."""


def finds(*boxes: PersonBox) -> Detector:
    """A detector that sees the boxes above the threshold in every photo."""
    return Detector(
        name="tiny",
        threshold=0.3,
        provider="",
        sha256="",
        steps=without_networks(lambda _image, threshold, _timer: [box for box in boxes if box.score > threshold]),
    )


def never_asked() -> Detector:
    def detect(image: Image, threshold: float, timer: Timer) -> list[PersonBox]:
        raise AssertionError(f"the detector was asked about {image.shape}, {threshold}, {timer}")

    return Detector(name="tiny", threshold=0.3, provider="", sha256="", steps=without_networks(detect))


def who(detector: Detector, image: Image, request: PeopleRequest) -> list[PersonBox]:
    return run_steps(find_people(detector, image, request, Timer()), Timer())[0]


# ---- order and number


@pytest.mark.parametrize(
    ("order", "boxes"),
    [
        ("score", [SMALL_SURE, LEFT, LARGE_UNSURE]),
        ("area", [LARGE_UNSURE, LEFT, SMALL_SURE]),
        ("left_to_right", [LARGE_UNSURE, LEFT, SMALL_SURE]),
    ],
)
def test_orders(photo: Image, order: Order, boxes: list[PersonBox]) -> None:
    assert who(finds(*EVERYBODY), photo, PeopleRequest(order=order)) == boxes


def test_left_to_right_goes_by_the_middle(photo: Image) -> None:
    wide, narrow = PersonBox(0.0, 0.0, 100.0, 9.0), PersonBox(10.0, 0.0, 20.0, 9.0)
    assert who(finds(wide, narrow), photo, PeopleRequest(order="left_to_right")) == [narrow, wide]


@pytest.mark.parametrize(
    ("order", "boxes"),
    [
        ("score", [SMALL_SURE, LEFT]),
        ("area", [LARGE_UNSURE, LEFT]),
        ("left_to_right", [LEFT, SMALL_SURE]),  # the most certain two, not the leftmost
    ],
)
def test_max_people_keeps_the_most_certain_or_the_largest(photo: Image, order: Order, boxes: list[PersonBox]) -> None:
    request = PeopleRequest(order=order, max_people=2)
    kept, warnings = run_steps(find_people(finds(*EVERYBODY), photo, request, Timer()), Timer())
    assert kept == boxes
    assert warnings == ("max_people: 3 people found, 1 left out",)


@pytest.mark.parametrize("max_people", [3, 4, None])
def test_room_for_everybody_is_no_warning(photo: Image, max_people: int | None) -> None:
    request = PeopleRequest(max_people=max_people)
    assert run_steps(find_people(finds(*EVERYBODY), photo, request, Timer()), Timer()) == (EVERYBODY, ())


def test_every_order_is_a_sort_key() -> None:
    assert {order: key(LARGE_UNSURE) for order, key in ORDERS.items()} == {
        "score": -0.4,
        "area": -10_000,
        "left_to_right": -60,
    }


# ---- threshold


@pytest.mark.parametrize(
    ("threshold", "boxes"),
    [(None, EVERYBODY), (0.0, EVERYBODY), (0.4, [SMALL_SURE, LEFT]), (0.85, [SMALL_SURE]), (0.9, [])],
)
def test_a_box_counts_above_the_asked_threshold_or_else_the_detectors(
    photo: Image, threshold: float | None, boxes: list[PersonBox]
) -> None:
    assert who(finds(*EVERYBODY), photo, PeopleRequest(threshold=threshold)) == boxes


# ---- the caller's own boxes


@pytest.mark.parametrize(
    ("order", "indices"), [("score", [0, 1, 2]), ("area", [1, 2, 0]), ("left_to_right", [2, 0, 1])]
)
def test_given_boxes_are_taken_without_a_detector(photo: Image, order: Order, indices: list[int]) -> None:
    """All of them score 1 and keep their order unless another is asked for; no threshold applies."""
    given = [PersonBox(50.0, 0.0, 60.0, 10.0), PersonBox(60.0, 0.0, 160.0, 100.0), PersonBox(0.0, 0.0, 20.0, 20.0)]
    request = PeopleRequest(boxes=given, order=order, threshold=1.0)
    assert who(never_asked(), photo, request) == [given[index] for index in indices]


def test_max_people_applies_to_given_boxes(photo: Image) -> None:
    given = (PersonBox(0.0, 0.0, 1.0, 1.0), PersonBox(5.0, 5.0, 9.0, 9.0))
    assert who(never_asked(), photo, PeopleRequest(boxes=given, max_people=1)) == [given[0]]


# ---- nobody


@pytest.mark.parametrize(
    ("on_empty", "boxes", "warning"),
    [
        ("blank", [], "tiny found nobody above person_threshold 0.3"),
        (
            "full_frame",
            [PersonBox(0.0, 0.0, 160.0, 120.0)],
            "tiny found nobody above person_threshold 0.3; the whole image was taken for one person",
        ),
    ],
)
def test_nobody_is_said(photo: Image, on_empty: OnEmpty, boxes: list[PersonBox], warning: str) -> None:
    request = PeopleRequest(on_empty=on_empty)
    assert run_steps(find_people(finds(), photo, request, Timer()), Timer()) == (boxes, (warning,))


def test_nobody_is_an_error_where_the_caller_says_so(photo: Image) -> None:
    with pytest.raises(NoPersonFound, match=r"image: tiny found nobody above person_threshold 0\.95"):
        who(finds(*EVERYBODY), photo, PeopleRequest(on_empty="error", threshold=0.95))


@pytest.mark.parametrize("on_empty", ["blank", "full_frame", "error"])
def test_somebody_makes_on_empty_idle(photo: Image, on_empty: OnEmpty) -> None:
    assert who(finds(LEFT), photo, PeopleRequest(on_empty=on_empty)) == [LEFT]


# ---- with networks


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """A detector of the given boxes, and an estimator that puts every point into the middle of its box."""
    middle = tiny_onnx.simcc(tmp_path / "estimator.onnx", np.full((133, 2), (24, 32)), np.full(133, 0.5), (48, 64))

    def build(*boxes: PersonBox) -> Pipeline:
        corners = np.array([[box.left, box.top, box.right, box.bottom] for box in boxes]).reshape(-1, 4)
        scores = np.array([box.score for box in boxes])
        detector = tiny_onnx.yolox(tmp_path / "detector.onnx", corners * 0.4, scores)
        return Pipeline(load_detector(str(detector), "cpu"), load_estimator(str(middle), "cpu"))

    return build


def test_from_photo_to_poses(photo: Image, pipeline: Callable[..., Pipeline]) -> None:
    people = [PersonBox(10.0, 20.0, 50.0, 100.0, 0.75), PersonBox(60.0, 20.0, 90.0, 100.0, 0.5)]
    timer = Timer()
    estimate = pipeline(*people).estimate_poses(photo, PeopleRequest(), timer)
    assert [pose.box.score for pose in estimate.poses] == [0.75, 0.5]
    for pose, keypoints, (x, y) in zip(estimate.poses, estimate.keypoints, [(30, 60), (75, 60)], strict=True):
        np.testing.assert_array_equal(pose.keypoints, keypoints)
        np.testing.assert_allclose(keypoints, np.tile([x, y, 0.5], (133, 1)), atol=1e-3)
    assert estimate.warnings == ()
    assert list(timer.seconds) == ["letterbox", "detector", "nms", "crop", "pose", "decode_pose"]


def test_from_photo_to_nobody(photo: Image, pipeline: Callable[..., Pipeline]) -> None:
    estimate = pipeline().estimate_poses(photo, PeopleRequest(), Timer())
    assert estimate.poses == ()
    assert estimate.keypoints.shape == (0, 133, 3)
    assert estimate.warnings == ("detector found nobody above person_threshold 0.3",)


def test_a_one_pixel_photo_as_one_person(pipeline: Callable[..., Pipeline]) -> None:
    photo = np.zeros((1, 1, 3), np.uint8)
    (pose,) = pipeline().estimate_poses(photo, PeopleRequest(on_empty="full_frame"), Timer()).poses
    assert pose.box == PersonBox(0.0, 0.0, 1.0, 1.0)
    np.testing.assert_allclose(pose.keypoints[:, :2], 0.5)


# ---- with trained networks


def overlap(box: PersonBox, label: tuple[float, float, float, float]) -> float:
    """Intersection over union with a box given as left, top, width, height."""
    left, top, width, height = label
    shared_x = min(box.right, left + width) - max(box.left, left)
    shared_y = min(box.bottom, top + height) - max(box.top, top)
    shared = max(0.0, shared_x) * max(0.0, shared_y)
    return shared / (box.area + width * height - shared)


@pytest.fixture(scope="module")
def street_photos(shared: Path) -> list[tuple[Image, dict[str, Any]]]:
    """Photos of one walking person each, with the person's labels."""
    folder = shared / "data" / "people"
    labels = json.loads((folder / "val.json").read_text())
    files = {image["id"]: image["file_name"] for image in labels["images"] if image["source"] == "ccp"}
    people = [person for person in labels["annotations"] if person["image_id"] in files][:8]
    photos = [np.asarray(cv2.imread(str(folder / files[person["image_id"]])))[..., ::-1] for person in people]
    return [(np.ascontiguousarray(photo), person) for photo, person in zip(photos, people, strict=True)]


@pytest.mark.shared
@pytest.mark.parametrize("architecture", ["yolox", "rtmdet"])
def test_trained_networks_find_people_and_their_joints(
    shared: Path, street_photos: list[tuple[Image, dict[str, Any]]], architecture: str
) -> None:
    models = shared / "data" / "models"
    if architecture == "yolox":
        detector = load_detector(str(models / "yolox_nano.onnx"), "cpu")
    else:  # its graph leaves open that it was trained on 320 x 320
        path = models / "rtmdet-nano_end2end.onnx"
        spec = DetectorSpec(input_size=Size(320, 320))
        detect = partial(rtmdet.detect, open_session(path, "cpu"), spec)
        detector = replace(load_detector(str(path), "cpu"), steps=detect)
    pipeline = Pipeline(detector, load_estimator(str(models / "ultralight_nano_simplepose.onnx"), "cpu"))
    overlaps, errors = [], []
    for photo, label in street_photos:
        (pose,) = pipeline.estimate_poses(photo, PeopleRequest(order="area", max_people=1), Timer()).poses
        overlaps.append(overlap(pose.box, label["bbox"]))
        joints = np.reshape(label["keypoints"], (17, 3))
        distances = np.linalg.norm(pose.keypoints[:17, :2] - joints[:, :2], axis=1) / max(label["bbox"][2:])
        errors.extend(distances[joints[:, 2] > 0.8])
    assert np.median(overlaps) > 0.9
    assert np.median(errors) < 0.02
