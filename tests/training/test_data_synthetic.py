"""Stick figures: their points are where they are drawn."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_core.errors import InvalidInput
from pose_core.skeleton import FACE, FLIP_ORDER, LEFT_HAND, RIGHT_HAND
from pose_core.types import Size
from training.data.records import Dataset
from training.data.synthetic import COLOURS, LINES, load_synthetic
from training.recipe import Source


def load(**options: int) -> Dataset:
    source = Source(dataset="synthetic", annotations="", options=tuple(options.items()))
    loaded = load_synthetic(Path("nowhere"), source)
    assert loaded.bad == ()
    return loaded.dataset


@pytest.fixture(scope="module")
def figures() -> Dataset:
    return load(count=24)


def test_size_and_number(figures: Dataset) -> None:
    assert len(figures) == len(figures.pictures) == 24
    for person in figures:
        assert person.picture.size == Size(160, 208)
        assert person.picture.pixels is not None
        assert person.picture.pixels.shape == (208, 160, 3)
        assert person.picture.pixels.dtype == np.uint8
    assert load(count=1, width=64, height=50)[0].picture.size == Size(64, 50)
    assert len(load(count=0)) == 0


def test_the_same_seed_draws_the_same_figures(figures: Dataset) -> None:
    again, other = load(count=3), load(count=3, seed=1)
    for number in range(3):
        np.testing.assert_array_equal(again[number].picture.pixels, figures[number].picture.pixels)
        np.testing.assert_array_equal(again[number].keypoints, figures[number].keypoints)
        assert not np.array_equal(other[number].keypoints, figures[number].keypoints)


def test_all_points_are_labelled_and_inside_box_and_picture(figures: Dataset) -> None:
    for person in figures:
        x, y, weight = person.keypoints.T
        assert (weight == 1).all()
        assert 0 <= person.box.left <= x.min()
        assert x.max() <= person.box.right <= 159
        assert 0 <= person.box.top <= y.min()
        assert y.max() <= person.box.bottom <= 207


def test_joints_are_where_the_white_dots_are(figures: Dataset) -> None:
    """The middle of what is white around a hip lies within a tenth of a pixel of the hip."""
    for person in figures:
        assert person.picture.pixels is not None
        for x, y in person.keypoints[[13, 14], :2]:
            patch = cv2.getRectSubPix(person.picture.pixels, (7, 7), (float(x), float(y))).min(axis=-1)
            assert patch[3, 3] > 235
            weights = np.clip(patch.astype(float) - 140, 0, None)
            offsets = np.arange(-3, 4)
            middle = (weights.sum(axis=0) @ offsets, weights.sum(axis=1) @ offsets) / weights.sum()
            assert abs(middle).max() < 0.25


def test_lines_run_between_their_points(figures: Dataset) -> None:
    person = figures[0]
    assert person.picture.pixels is not None
    for start, end in LINES[4:8]:
        x, y = person.keypoints[[start, end], :2].mean(axis=0)
        assert cv2.getRectSubPix(person.picture.pixels, (1, 1), (float(x), float(y))).max() > 150


def test_left_is_right_of_right(figures: Dataset) -> None:
    for person in figures:
        x = person.keypoints[:, 0]
        assert x[5] > x[6]
        assert x[11] > x[12]
        assert x[FACE][0] < x[FACE][16]
        assert x[1] > x[2]


def test_a_mirror_image_exchanges_nothing_but_names() -> None:
    """Each line has a partner of the same colour, so that colours do not contradict a mirror image's labels."""
    colours = {frozenset(line): colour for line, colour in zip(LINES, COLOURS, strict=True)}
    for line, colour in colours.items():
        partner = frozenset(int(FLIP_ORDER[point]) for point in line)
        assert colours.get(partner, colour) == colour


def test_hands_are_at_the_wrists(figures: Dataset) -> None:
    for person in figures:
        np.testing.assert_allclose(person.keypoints[LEFT_HAND.start, :2], person.keypoints[9, :2])
        np.testing.assert_allclose(person.keypoints[RIGHT_HAND.start, :2], person.keypoints[10, :2])


def test_no_two_points_of_hand_or_face_are_the_same(figures: Dataset) -> None:
    for part in (FACE, LEFT_HAND, RIGHT_HAND):
        points = figures[0].keypoints[part, :2]
        distance = np.linalg.norm(points[:, None] - points[None], axis=-1) + np.eye(len(points)) * 99
        assert distance.min() > 0.2


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(InvalidInput, match="valid: count, height, seed, width"):
        load(number=3)
