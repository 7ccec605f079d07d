"""Boxes to pictures for MediaPipe, and its points back to the photo."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import mediapipe_points, peer_networks
from benchmarks.mediapipe_points import Found, Pixels, overlap, pad_box, see_crops, see_photo
from benchmarks.peer_networks import ask_mediapipe, place_points
from pose_core.errors import InvalidInput
from pose_core.skeleton import BODY, BODY_NAMES, FACE, FLIP_ORDER, KEYPOINT_NAMES, LEFT_HAND, RIGHT_HAND
from tests.benchmarks.mediapipe_stand_in import write_python
from tests.training.annotated import make_truth, write_photos
from training.evals.views import annotated_boxes

MEDIAPIPE_NAMES = {0: "nose", 2: "left_eye", 5: "right_eye", 11: "left_shoulder", 24: "right_hip", 27: "left_ankle"}


def corners(picture: Pixels) -> Found:
    """A look that finds the four corners of what it is shown, and a hand in the first pixel."""
    height, width = picture.shape[:2]
    pose = [[0.0, 0.0, 0.9], [width - 1.0, height - 1.0, 0.1]]
    return {"pose": pose, "face": None, "left_hand": [[0.0, 0.0, 0.0]], "right_hand": None}


def test_box_is_padded_and_cut_to_the_photo() -> None:
    assert pad_box((20, 20, 40, 60), 1.5, 200, 160) == (15, 10, 46, 71)
    assert pad_box((20, 20, 40, 60), 10, 100, 80) == (0, 0, 100, 80)


def test_points_of_a_crop_arrive_in_the_photo() -> None:
    image = np.ones((160, 200, 3), np.uint8)
    found = dict(see_crops(image, {"7": (20, 20, 40, 60), "8": (300, 20, 340, 60)}, 1.5, corners))
    assert found == {
        "7": {"pose": [[15, 10, 0.9], [45, 70, 0.1]], "face": None, "left_hand": [[15, 10, 0]], "right_hand": None}
    }, "a box outside the photo shows nothing"


def test_the_one_answer_for_a_photo_goes_to_the_box_it_overlaps_best() -> None:
    image = np.ones((80, 80, 3), np.uint8)
    boxes = {"1": (0, 0, 20, 20), "2": (10, 10, 79, 79)}
    assert [number for number, _ in see_photo(image, boxes, corners)] == ["2"]
    assert not list(see_photo(image, {"1": (200, 0, 240, 20)}, corners))
    assert not list(see_photo(image, boxes, lambda _: None))


def test_overlap() -> None:
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 15, 10)) == 0


def test_pose_points_go_where_they_belong() -> None:
    pose = [[float(number), 0.0, 0.5] for number in range(33)]
    keypoints = place_points({"pose": pose, "face": None})
    for theirs, name in MEDIAPIPE_NAMES.items():
        assert keypoints[BODY_NAMES.index(name)].tolist() == [theirs, 0, 0.5]
    assert np.isfinite(keypoints[BODY]).all()
    feet = {KEYPOINT_NAMES[point]: keypoints[point, 0] for point in range(17, 23)}
    assert feet.pop("left_big_toe") == 31
    assert feet.pop("right_heel") == 30
    assert np.isnan(feet["left_small_toe"])
    assert np.isnan(keypoints[23:, :2]).all()
    assert not keypoints[23:, 2].any()


def test_mapping_agrees_with_its_mirror_image() -> None:
    """MediaPipe numbers the left of each pair of pose points before the right one, but for the first six."""
    pairs = {1: 4, 2: 5, 3: 6, 7: 8, 9: 10, **{left: left + 1 for left in range(11, 33, 2)}}
    mirror = {0: 0, **pairs, **{right: left for left, right in pairs.items()}}
    for ours, theirs in peer_networks.MEDIAPIPE_POSE.items():
        assert peer_networks.MEDIAPIPE_POSE[int(FLIP_ORDER[ours])] == mirror[theirs]
    assert len(set(peer_networks.MEDIAPIPE_FACE)) == 68


def test_face_and_hands_score_one() -> None:
    found = {
        "pose": None,
        "face": [[float(vertex), 1.0, 0.0] for vertex in range(468)],
        "right_hand": [[5.0, 6.0, 0.0]] * 21,
    }
    keypoints = place_points(found)
    assert keypoints[FACE, 0].tolist() == list(peer_networks.MEDIAPIPE_FACE)
    assert (keypoints[FACE, 2] == 1).all()
    assert keypoints[RIGHT_HAND].tolist() == [[5, 6, 1]] * 21
    assert np.isnan(keypoints[LEFT_HAND, 0]).all()


def test_another_python_is_asked(tmp_path: Path) -> None:
    write_photos(tmp_path)
    views = annotated_boxes(make_truth(), tmp_path)
    said = ask_mediapipe(write_python(tmp_path), views, ["photo", "1.0"])
    assert [one.network for one in said.values()] == ["mediapipe 0, whole photo", "mediapipe 0, crop x 1.0"]
    assert [one.id for one in said["1.0"].people] == [10, 11, 12]
    assert [bool(np.isfinite(one.keypoints[0, 0])) for one in said["photo"].people] == [False, True, True]
    nose, toe = said["1.0"].people[0].keypoints[[0, 20]]  # crop of pixels 20..80, 20..120
    assert nose.tolist() == [20 + 61 * 0.5 - 0.5, 20 - 0.5, 0.75]
    assert toe.tolist() == [20 + 61 * 0.5 - 0.5, 20 + 101 - 0.5, 0.75]
    unsure = ask_mediapipe(tmp_path / "python", views, ["photo"], confidence=0.5)["photo"]
    assert np.isnan(unsure.people[1].keypoints[:, 0]).all()


def test_failures_over_there_are_told(tmp_path: Path) -> None:
    write_photos(tmp_path)
    views = annotated_boxes(make_truth(), tmp_path)
    (tmp_path / "1.png").write_bytes(b"no picture")
    with pytest.raises(InvalidInput, match=r"mediapipe: .*1\.png is no readable photo"):
        ask_mediapipe(write_python(tmp_path), views, ["photo"])


def test_command_line_writes_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path)
    write_python(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    people = [{"id": 3, "box": [0, 0, 50, 50]}]
    request = {"confidence": 0.1, "looks": ["1"], "photos": [{"file": str(tmp_path / "1.png"), "people": people}]}
    (tmp_path / "request.json").write_text(json.dumps(request))
    monkeypatch.setattr("sys.argv", ["script", str(tmp_path / "request.json"), str(tmp_path / "answer.json")])
    mediapipe_points.main()
    answer = json.loads((tmp_path / "answer.json").read_text())
    assert answer["version"] == "0"
    assert len(answer["looks"]["1"]["3"]["pose"]) == 33
    assert answer["looks"]["1"]["3"]["face"] is None
