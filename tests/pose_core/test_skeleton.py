"""Names, mirror images and OpenPose numbers of the 133 points: consistent with each other and with the data set."""

import json
from pathlib import Path

import numpy as np
import pytest

from pose_core.skeleton import (
    BODY,
    BODY_25,
    BODY_NAMES,
    FACE,
    FEET,
    FLIP_ORDER,
    FLIP_PAIRS,
    KEYPOINT_COUNT,
    KEYPOINT_NAMES,
    LEFT_HAND,
    OKS_SIGMAS,
    OPENPOSE_BODY,
    OPENPOSE_BODY_NAMES,
    OPENPOSE_HIPS,
    OPENPOSE_PUPILS,
    PARTS,
    RIGHT_HAND,
    SHOULDERS,
)


@pytest.mark.shared
def test_equals_the_data_sets_own_description(shared: Path) -> None:
    meta = json.loads((shared / "oracles" / "dwpose" / "meta.json").read_text())
    assert meta["keypoint_id2name"] == list(KEYPOINT_NAMES)
    assert meta["flip_indices"] == FLIP_ORDER.tolist()
    assert {frozenset(pair) for pair in meta["flip_pairs"]} == {frozenset(pair) for pair in FLIP_PAIRS}
    np.testing.assert_allclose(OKS_SIGMAS, meta["sigmas"], rtol=1e-6)


def test_the_parts_follow_each_other_without_gap() -> None:
    parts = (BODY, FEET, FACE, LEFT_HAND, RIGHT_HAND)
    assert [part.stop - part.start for part in parts] == [17, 6, 68, 21, 21]
    assert [index for part in parts for index in range(133)[part]] == list(range(KEYPOINT_COUNT))
    assert PARTS == ("body", "feet", "hands", "face")


def test_every_point_has_a_name_of_its_own() -> None:
    assert len(set(KEYPOINT_NAMES)) == KEYPOINT_COUNT
    assert KEYPOINT_NAMES[BODY] == BODY_NAMES
    assert KEYPOINT_NAMES[FEET][3:] == ("right_big_toe", "right_small_toe", "right_heel")
    assert KEYPOINT_NAMES[FACE][-1] == "face-67"
    assert KEYPOINT_NAMES[LEFT_HAND.start] == "left_hand_root"
    assert KEYPOINT_NAMES[RIGHT_HAND][-1] == "right_pinky_finger4"


def test_mirroring_twice_changes_nothing() -> None:
    np.testing.assert_array_equal(FLIP_ORDER[FLIP_ORDER], np.arange(KEYPOINT_COUNT))


def test_mirroring_exchanges_left_and_right() -> None:
    exchanged = {"left": "right", "right": "left"}
    for index, name in enumerate(KEYPOINT_NAMES):
        if name.startswith("face-"):
            assert KEYPOINT_NAMES[FLIP_ORDER[index]].startswith("face-")
        else:
            side, _, rest = name.partition("_")
            mirrored = f"{exchanged[side]}_{rest}" if side in exchanged else name
            assert KEYPOINT_NAMES[FLIP_ORDER[index]] == mirrored


def test_eleven_points_lie_on_the_mirrors_axis() -> None:
    """The nose, and of the face the chin, the bridge and tip of the nose, the philtrum and the lips' middles."""
    still = np.flatnonzero(np.arange(KEYPOINT_COUNT) == FLIP_ORDER)
    assert still.tolist() == [0, *(FACE.start + number for number in (8, 27, 28, 29, 30, 33, 51, 57, 62, 66))]
    assert len(FLIP_PAIRS) == (KEYPOINT_COUNT - len(still)) / 2


def test_the_spread_of_labels_is_known_for_every_point() -> None:
    assert OKS_SIGMAS.shape == (KEYPOINT_COUNT,)
    assert (OKS_SIGMAS > 0).all()
    np.testing.assert_array_equal(OKS_SIGMAS[BODY], OKS_SIGMAS[FLIP_ORDER][BODY])
    np.testing.assert_array_equal(OKS_SIGMAS[LEFT_HAND], OKS_SIGMAS[RIGHT_HAND])


def test_openpose_18_is_the_coco_body_with_a_neck() -> None:
    for name, coco in zip(OPENPOSE_BODY_NAMES, OPENPOSE_BODY, strict=True):
        assert name == ("neck" if coco == -1 else KEYPOINT_NAMES[coco])
    assert sorted(OPENPOSE_BODY) == [-1, *range(17)]
    assert [KEYPOINT_NAMES[shoulder] for shoulder in SHOULDERS] == ["left_shoulder", "right_shoulder"]
    assert [OPENPOSE_BODY_NAMES[hip] for hip in OPENPOSE_HIPS] == ["right_hip", "left_hip"]
    assert [OPENPOSE_BODY_NAMES[eye] for eye in OPENPOSE_PUPILS] == ["right_eye", "left_eye"]


def test_body_25_in_the_words_of_its_documentation() -> None:
    names = ["mid_hip" if point == -1 else (*OPENPOSE_BODY_NAMES, *KEYPOINT_NAMES[FEET])[point] for point in BODY_25]
    assert names == [
        *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
        *("mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
        *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
    ]
