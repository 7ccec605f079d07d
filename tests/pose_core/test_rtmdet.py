"""RTMDet: normalised BGR in, people of the graph's own suppression out."""

from pathlib import Path

import numpy as np
import pytest

from pose_core.detectors import ChannelOrder, DetectorSpec
from pose_core.detectors.rtmdet import detect
from pose_core.session import Session, open_session
from pose_core.steps import run_steps
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox
from tests import tiny_onnx

BOXES = np.array([[4.0, 8.0, 20.0, 40.0], [0.0, 0.0, 64.0, 48.0], [10.0, 10.0, 20.0, 20.0]])
SCORES = np.array([0.5, 0.75, 0.875])


def look(session: Session, spec: DetectorSpec, image: Image, threshold: float, timer: Timer) -> list[PersonBox]:
    """Photo in, people out."""
    return run_steps(detect(session, spec, image, threshold, timer), timer)


@pytest.mark.parametrize(
    ("labels", "threshold", "scores"),
    [
        ([0, 0, 0], 0.3, [0.875, 0.75, 0.5]),
        ([0, 0, 56], 0.3, [0.75, 0.5]),  # a chair
        ([0, 0, 0], 0.5, [0.875, 0.75]),
        ([1, 1, 1], 0.3, []),
    ],
)
def test_people_above_the_threshold_best_first(
    tmp_path: Path, photo: Image, labels: list[int], threshold: float, scores: list[float]
) -> None:
    path = tiny_onnx.detections(tmp_path / "tiny.onnx", BOXES, SCORES, np.array(labels))
    people = look(open_session(path, "cpu"), DetectorSpec(), photo, threshold, Timer())
    assert [person.score for person in people] == scores


def test_boxes_are_in_photo_pixels(tmp_path: Path, photo: Image) -> None:
    """160 x 120 pixels fit into 64 x 64 at a ratio of 0.4."""
    path = tiny_onnx.detections(tmp_path / "tiny.onnx", BOXES[:1], SCORES[:1], np.array([0]))
    people = look(open_session(path, "cpu"), DetectorSpec(), photo, 0.3, Timer())
    assert people == [PersonBox(10.0, 20.0, 50.0, 100.0, 0.5)]


def test_a_graph_that_found_nothing(tmp_path: Path, photo: Image) -> None:
    path = tiny_onnx.detections(tmp_path / "tiny.onnx", BOXES[:0], SCORES[:0], np.array([]))
    timer = Timer()
    assert look(open_session(path, "cpu"), DetectorSpec(), photo, 0.3, timer) == []
    assert list(timer.seconds) == ["letterbox", "detector", "nms"]


def test_the_graph_may_answer_in_any_order(tmp_path: Path, photo: Image) -> None:
    answers = {"labels": np.array([0]), "dets": np.array([[4, 8, 20, 40, 0.5]], np.float32)}
    session = open_session(tiny_onnx.answering(tmp_path / "tiny.onnx", answers, (1, 3, 64, 64)), "cpu")
    assert look(session, DetectorSpec(), photo, 0.3, Timer()) == [PersonBox(10.0, 20.0, 50.0, 100.0, 0.5)]


@pytest.mark.parametrize(("channels", "first"), [("bgr", 200), ("rgb", 255)])
def test_the_network_sees_normalised_planes(tmp_path: Path, channels: ChannelOrder, first: int) -> None:
    """Mean and deviation belong to the plane, whichever colour it is fed."""
    session = open_session(tiny_onnx.seen_colour(tmp_path / "tiny.onnx", (0, 0, 8, 8)), "cpu")
    photo = np.full((64, 64, 3), (255, 0, 200), np.uint8)
    (person,) = look(session, DetectorSpec(channels=channels), photo, 0.0, Timer())
    assert person.score == pytest.approx((first - 103.53) / 57.375, rel=1e-5)


def test_the_margin_is_grey(tmp_path: Path) -> None:
    session = open_session(tiny_onnx.seen_colour(tmp_path / "tiny.onnx", (0, 0, 8, 8)), "cpu")
    (person,) = look(session, DetectorSpec(), np.full((1, 64, 3), 255, np.uint8), 0.0, Timer())
    assert person.score == pytest.approx(((63 * 114 + 255) / 64 - 103.53) / 57.375, rel=1e-4)
