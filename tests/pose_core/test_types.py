"""The vocabulary: what its words promise, and that the shapes in it are really checked while tests run."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from pose_core.types import Image, PersonBox, Pose, Size, SkeletonMap

BOX = PersonBox(1.0, 2.0, 4.0, 8.0)


def test_size_of_a_photo_and_of_a_single_plane() -> None:
    assert Size.of(np.zeros((3, 7, 3), np.uint8)) == Size(width=7, height=3)
    assert Size.of(np.zeros((3, 7), np.uint8)) == Size(width=7, height=3)


def test_size_of_needs_pixels() -> None:
    with pytest.raises(TypeCheckError):
        Size.of(np.zeros((3, 7, 3), np.float32))


def test_area_of_a_box_reaches_outside_the_photo() -> None:
    assert BOX.area == 18
    assert PersonBox(-5.0, -5.0, 5.0, 5.0).area == 100
    assert PersonBox(3.0, 3.0, 3.0, 9.0).area == 0


def test_a_given_box_is_certain() -> None:
    assert BOX.score == 1


def test_records_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        BOX.left = 0.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "keypoints",
    [np.zeros((17, 3), np.float32), np.zeros((133, 2), np.float32), np.zeros((133, 3), np.float64)],
    ids=["17 points", "no score", "float64"],
)
def test_a_pose_has_133_points_in_float32(keypoints: np.ndarray) -> None:
    with pytest.raises(TypeCheckError):
        Pose(BOX, keypoints)


def test_a_map_is_its_palette_looked_up() -> None:
    palette = np.array([(0, 0, 0), (10, 20, 30)], np.uint8)
    rgb: Image = SkeletonMap(np.array([[0, 1]], np.uint8), palette).rgb
    assert rgb.tolist() == [[[0, 0, 0], [10, 20, 30]]]
    assert rgb.dtype == np.uint8


def test_a_map_has_one_number_per_pixel() -> None:
    with pytest.raises(TypeCheckError):
        SkeletonMap(np.zeros((2, 2, 3), np.uint8), np.zeros((1, 3), np.uint8))
