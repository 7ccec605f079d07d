"""From 133 keypoints to OpenPose's layout and back, and which of its points show."""

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pose_core.geometry import Placement
from pose_core.openpose import (
    OpenPosePerson,
    coco_keypoints,
    keep_parts,
    openpose_people,
    place_people,
    visible,
)
from pose_core.skeleton import PARTS, Part
from pose_core.types import PersonBox, Size

BOX = PersonBox(1.0, 2.0, 3.0, 4.0)

HELD_IN: dict[Part, tuple[str, ...]] = {
    "body": ("body",),
    "feet": ("feet",),
    "hands": ("left_hand", "right_hand"),
    "face": ("face",),
}


def numbered(people: int = 1) -> np.ndarray:
    """Keypoints whose x says which point they are and whose y says whose; all score 0.5."""
    keypoints = np.full((people, 133, 3), 0.5, np.float32)
    keypoints[..., 0] = np.arange(133)
    keypoints[..., 1] = np.arange(people)[:, None]
    return keypoints


def part(**scores: float) -> np.ndarray:
    """A face of 70 points of which the named ones (p0, p69) have a score."""
    points = np.zeros((70, 3))
    for name, score in scores.items():
        points[int(name[1:]), 2] = score
    return points


# ---- to OpenPose and back


def test_every_point_finds_its_place() -> None:
    (person,) = openpose_people(numbered())
    assert person.body is not None
    assert person.feet is not None
    assert person.face is not None
    assert person.left_hand is not None
    assert person.right_hand is not None
    assert person.body[:, 0].tolist() == [0, 5.5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
    assert person.feet[:, 0].tolist() == list(range(17, 23))
    assert person.face[:, 0].tolist() == [*range(23, 91), 2, 1]
    assert person.left_hand[:, 0].tolist() == list(range(91, 112))
    assert person.right_hand[:, 0].tolist() == list(range(112, 133))


def test_the_neck_is_the_middle_of_the_shoulders_and_scores_as_the_weaker() -> None:
    keypoints = np.zeros((1, 133, 3), np.float32)
    keypoints[0, 5] = 10, 20, 0.75
    keypoints[0, 6] = 30, 50, 0.25
    (person,) = openpose_people(keypoints)
    assert person.body is not None
    assert person.body[1].tolist() == [20, 35, 0.25]


def test_people_keep_their_order_and_their_boxes() -> None:
    boxes = [BOX, None, PersonBox(2.0, 2.0, 3.0, 3.0)]
    people = openpose_people(numbered(3), boxes)
    assert [person.box for person in people] == boxes
    assert [person.body[0, 1] for person in people if person.body is not None] == [0, 1, 2]
    assert openpose_people(numbered())[0].box is None


def test_nobody() -> None:
    assert openpose_people(np.zeros((0, 133, 3), np.float32), []) == ()


def test_the_networks_array_is_left_alone() -> None:
    keypoints = numbered()
    before = keypoints.copy()
    (person,) = openpose_people(keypoints)
    assert person.face is not None
    person.face[:] = 0
    np.testing.assert_array_equal(keypoints, before)


@settings(deadline=None, max_examples=20)
@given(arrays(np.float32, (2, 133, 3), elements=st.floats(-1e6, 1e6, width=32)))
def test_there_and_back_without_loss(keypoints: np.ndarray) -> None:
    back = [coco_keypoints(person) for person in openpose_people(keypoints)]
    np.testing.assert_array_equal(back, keypoints)


def test_a_missing_part_comes_back_as_unknown_points() -> None:
    assert not coco_keypoints(OpenPosePerson(body=None)).any()
    hand_only = coco_keypoints(OpenPosePerson(body=None, right_hand=np.ones((21, 3))))
    assert np.flatnonzero(hand_only.any(axis=1)).tolist() == list(range(112, 133))


# ---- what shows


@pytest.mark.parametrize(
    ("score", "threshold", "shows"),
    [
        (0.5, 0.5, True),
        (0.4999, 0.5, False),
        (0.0, 0.0, False),  # score 0 means that nobody knows the point
        (1e-9, 0.0, True),
        (-1.0, -2.0, False),
        (7.5, 0.3, True),  # raw scores are unbounded
    ],
)
def test_a_point_shows_from_the_threshold_on(score: float, threshold: float, *, shows: bool) -> None:
    shown = visible(part(p0=score, p1=10), threshold)
    assert shown is not None
    assert shown[0] == shows


def test_a_part_without_a_visible_point_is_missing() -> None:
    assert visible(part(p0=0.29), 0.3) is None
    assert visible(None, 0.3) is None
    assert visible(np.zeros((0, 3)), 0.3) is None


def test_pupils_alone_make_no_face() -> None:
    assert visible(part(p68=1, p69=1), 0.3) is None
    shown = visible(part(p67=1, p69=1), 0.3)
    assert shown is not None
    assert np.flatnonzero(shown).tolist() == [67, 69]


# ---- choosing and placing


@pytest.mark.parametrize("parts", list(chain.from_iterable(combinations(PARTS, n) for n in range(5))))
def test_only_the_listed_parts_stay(parts: tuple[Part, ...]) -> None:
    (person,) = openpose_people(numbered(), [BOX])
    kept = keep_parts(person, parts)
    for each, attributes in HELD_IN.items():
        for attribute in attributes:
            assert getattr(kept, attribute) is (getattr(person, attribute) if each in parts else None)
    assert kept.box == BOX


def test_placing_moves_points_and_neither_scores_nor_boxes() -> None:
    people = openpose_people(numbered(2), [BOX, BOX])
    scene = place_people(people, Placement(2.0, 3.0, 10.0, 20.0), Size(640, 480))
    assert scene.size == Size(640, 480)
    for before, after in zip(people, scene.people, strict=True):
        for attributes in HELD_IN.values():
            for attribute in attributes:
                expected = getattr(before, attribute) * [2, 3, 1] + [10, 20, 0]
                np.testing.assert_array_equal(getattr(after, attribute), expected)
        assert after.box == BOX


def test_placing_leaves_missing_parts_missing() -> None:
    nobody = OpenPosePerson(body=None)
    assert place_people([nobody], Placement(2.0, 2.0), Size(1, 1)).people == (nobody,)
    assert place_people([], Placement(2.0, 2.0), Size(1, 1)).people == ()
