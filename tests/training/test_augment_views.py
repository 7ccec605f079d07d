"""Where to look: the reference's numbers and distributions, and cases by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_core.geometry import crop_matrix, crop_region
from pose_core.skeleton import FLIP_ORDER
from pose_core.types import PersonBox, Size
from training.data.augment import (
    Frame,
    draw_transform,
    draw_view,
    half_body_frame,
    mirror_box,
    mirror_keypoints,
    padded_frame,
    plain_view,
    region_of,
    truncated_normal,
)
from training.data.records import Person, Picture
from training.recipe import LIGHT_AUGMENTATION, Augmentation

SIZE = Size(192, 256)
STILL = Augmentation(flip=0, half_body=0, shift=(0, 0), scale=0, rotation=(0, 0))
UNIT = Frame(0.0, 0.0, 1.0, 1.0)


def person(keypoints: np.ndarray | None = None) -> Person:
    picture = Picture(1, Path("none"), Size(300, 200))
    points = np.zeros((133, 3), np.float32) if keypoints is None else keypoints.astype(np.float32)
    return Person(picture, 1, PersonBox(50.0, 20.0, 110.0, 160.0), points)


def labelled(*indices: int) -> np.ndarray:
    """Keypoints of which these are labelled; point i lies at (10 i, i * i)."""
    number = np.arange(133)
    keypoints = np.stack([10 * number, number**2, np.zeros(133)], axis=1).astype(np.float32)
    keypoints[list(indices), 2] = 1
    return keypoints


# ---- parity


@pytest.fixture
def recorded(dwpose_oracle: Path) -> dict[str, np.ndarray]:
    return dict(np.load(dwpose_oracle / "geometry.npz"))


@pytest.mark.shared
def test_mirror_image_is_the_reference_s(recorded: dict[str, np.ndarray]) -> None:
    keypoints = np.concatenate([recorded["kps"][0], np.arange(133)[:, None]], axis=1)
    mirrored = mirror_keypoints(keypoints, 640)
    np.testing.assert_allclose(mirrored[:, :2], recorded["flip_kp_w640"][0], atol=1e-4)
    np.testing.assert_array_equal(mirrored[:, 2], recorded["flip_vis"][0])
    for box, center in zip(recorded["boxes"][:3], recorded["flip_center_w640"], strict=True):
        frame = padded_frame(mirror_box(PersonBox(*map(float, box)), 640))
        np.testing.assert_allclose(frame[:2], center, rtol=1e-5)


@pytest.mark.shared
def test_half_body_is_the_reference_s(recorded: dict[str, np.ndarray]) -> None:
    keypoints = np.concatenate([recorded["kps"][0], np.ones((133, 1))], axis=1)
    frame = half_body_frame(keypoints, prefer_upper=True)
    assert frame is not None
    np.testing.assert_allclose(frame[:2], recorded["halfbody_upper_center"], rtol=1e-5)
    np.testing.assert_allclose(frame[2:], recorded["halfbody_upper_scale"], rtol=1e-5)


@pytest.mark.shared
@pytest.mark.parametrize("size", ["256_192", "384_288"])
def test_regions_are_the_reference_s(recorded: dict[str, np.ndarray], size: str) -> None:
    height, width = map(int, size.split("_"))
    for number, box in enumerate(recorded["boxes"]):
        region = region_of(padded_frame(PersonBox(*map(float, box))), Size(width, height))
        np.testing.assert_allclose([region.width, region.height], recorded[f"{size}_scale"][number], rtol=1e-5)
        np.testing.assert_allclose([region.center_x, region.center_y], recorded[f"{size}_center"][number], rtol=1e-5)
        matrix = crop_matrix(region, Size(width, height), float(recorded["rots"][number]))
        np.testing.assert_allclose(matrix, recorded[f"{size}_mat"][number], atol=1e-3)


@pytest.mark.shared
@pytest.mark.parametrize(("phase", "augmentation"), [("tml_s1", Augmentation()), ("tml_s2", LIGHT_AUGMENTATION)])
def test_transforms_are_distributed_as_the_reference_s(
    dwpose_oracle: Path, rng: np.random.Generator, phase: str, augmentation: Augmentation
) -> None:
    expected: dict[str, Any] = json.loads((dwpose_oracle / "augment_stats.json").read_text())[phase]
    drawn = [draw_transform(UNIT, augmentation, rng) for _ in range(20_000)]
    shift = np.array([frame[:2] for frame, _ in drawn])
    scale = np.array([frame.width for frame, _ in drawn])
    rotation = np.array([angle for _, angle in drawn])
    shifted, rotated = (shift != 0).all(axis=1), rotation != 0
    assert shifted.mean() == pytest.approx(expected["shift_prob"], abs=0.015)
    assert (shift != 0).any(axis=1).mean() == shifted.mean(), "both axes or none"
    if expected["shift_std"] is not None:
        assert shift[shifted].std() == pytest.approx(expected["shift_std"], rel=0.03)
        assert abs(shift).max() == pytest.approx(expected["shift_absmax"], rel=0.01)
    assert scale.mean() == pytest.approx(expected["scale_mean"], abs=0.006)
    assert scale.std() == pytest.approx(expected["scale_std"], rel=0.02)
    assert scale.min() == pytest.approx(expected["scale_min"], rel=0.01)
    assert scale.max() == pytest.approx(expected["scale_max"], rel=0.01)
    assert rotated.mean() == pytest.approx(expected["rot_prob"], abs=0.015)
    assert rotation[rotated].std() == pytest.approx(expected["rot_std"], rel=0.03)
    assert abs(rotation).max() == pytest.approx(expected["rot_absmax"], rel=0.01)


# ---- random numbers


def test_normal_numbers_are_cut_off_and_spread_by_054(rng: np.random.Generator) -> None:
    z = np.array(truncated_normal(20_000, rng))
    assert abs(z).max() <= 1
    assert z.mean() == pytest.approx(0, abs=0.015)
    assert z.std() == pytest.approx(0.5396, abs=0.01)


def test_shift_is_in_units_of_the_extent_before_scaling(rng: np.random.Generator) -> None:
    augmentation = Augmentation(shift=(1, 0.16), scale=0.5, rotation=(0, 0))
    for _ in range(50):
        frame, rotation = draw_transform(Frame(10.0, 20.0, 100.0, 300.0), augmentation, rng)
        assert abs(frame.center_x - 10) <= 16
        assert abs(frame.center_y - 20) <= 48
        assert frame.height / frame.width == pytest.approx(3)
        assert 50 <= frame.width <= 150
        assert rotation == 0


# ---- mirror image


def test_mirroring_twice_changes_nothing(rng: np.random.Generator) -> None:
    keypoints = rng.uniform(0, 300, (133, 3)).astype(np.float32)
    np.testing.assert_allclose(mirror_keypoints(mirror_keypoints(keypoints, 300), 300), keypoints, atol=1e-4)
    box = PersonBox(1.0, 2.0, 30.0, 40.0, 0.5)
    assert mirror_box(mirror_box(box, 300), 300) == box


def test_mirroring_leaves_the_original() -> None:
    keypoints = labelled(0)
    before = keypoints.copy()
    mirror_keypoints(keypoints, 50)
    np.testing.assert_array_equal(keypoints, before)


def test_the_first_pixel_becomes_the_last() -> None:
    keypoints = np.zeros((133, 3))
    assert (mirror_keypoints(keypoints, 50)[:, 0] == 49).all()
    assert mirror_box(PersonBox(0.0, 0.0, 10.0, 5.0), 50) == PersonBox(39.0, 0.0, 49.0, 5.0)


# ---- half body


def test_too_few_labels_for_half_a_body() -> None:
    assert half_body_frame(labelled(*range(8)), prefer_upper=True) is None
    assert half_body_frame(labelled(*range(9)), prefer_upper=True) is not None


def test_face_and_hands_count_as_labels_but_belong_to_no_half() -> None:
    assert half_body_frame(labelled(*range(23, 133)), prefer_upper=True) is None
    frame = half_body_frame(labelled(0, 1, *range(23, 133)), prefer_upper=False)
    assert frame == Frame(5.0, 0.5, 15.0, 1.5)


@pytest.mark.parametrize(
    ("lower", "prefer_upper", "chosen"),
    [
        ((11, 12, 22), True, (3, 4)),
        ((11, 12, 22), False, (11, 12, 22)),
        ((11, 12), False, (3, 4)),
    ],
)
def test_the_half_is_the_preferred_one_if_it_has_labels(
    lower: tuple[int, ...],
    prefer_upper: bool,  # noqa: FBT001 - pytest passes it by name
    chosen: tuple[int, ...],
) -> None:
    frame = half_body_frame(labelled(3, 4, *lower, *range(30, 40)), prefer_upper=prefer_upper)
    assert frame is not None
    assert frame.center_x == pytest.approx(10 * np.mean(chosen))
    assert frame.width == pytest.approx(15 * np.ptp(chosen))


def test_the_lower_half_alone() -> None:
    frame = half_body_frame(labelled(10, 11, 12, 13, *range(30, 40)), prefer_upper=True)
    assert frame is not None
    assert frame.center_x == pytest.approx(120)


def test_labels_in_one_place_are_no_half_body() -> None:
    keypoints = labelled(*range(5), *range(30, 40))
    keypoints[:, :2] = 7
    assert half_body_frame(keypoints, prefer_upper=True) is None


# ---- views


@pytest.mark.parametrize("size", [SIZE, Size(288, 384)])
def test_plain_view_is_that_of_serving(size: Size) -> None:
    view = plain_view(person(), size)
    assert view.region == crop_region(person().box, size)
    np.testing.assert_array_equal(view.matrix, crop_matrix(view.region, size))
    assert not view.mirrored


def test_a_view_without_changes_is_the_plain_one(rng: np.random.Generator) -> None:
    view, plain = draw_view(person(), SIZE, STILL, rng), plain_view(person(), SIZE)
    np.testing.assert_allclose(view.matrix, plain.matrix, atol=1e-4)
    assert view.region.width == pytest.approx(plain.region.width)


def test_mirrored_view_is_that_of_the_mirrored_person(rng: np.random.Generator) -> None:
    view = draw_view(person(), SIZE, replace(STILL, flip=1), rng)
    mirrored = crop_region(mirror_box(person().box, 300), SIZE)
    assert view.mirrored
    np.testing.assert_allclose(view.matrix, crop_matrix(mirrored, SIZE), atol=1e-4)


def test_half_body_of_the_mirror_image(rng: np.random.Generator) -> None:
    keypoints = labelled(*range(11), *range(30, 40))
    view = draw_view(person(keypoints), SIZE, replace(STILL, flip=1, half_body=1), rng)
    assert view.region.center_x == pytest.approx(299 - 10 * np.mean(FLIP_ORDER[:11]))


def test_probabilities_of_a_view(rng: np.random.Generator) -> None:
    keypoints = labelled(*range(23))
    views = [draw_view(person(keypoints), SIZE, replace(STILL, flip=0.5, half_body=0.3), rng) for _ in range(3000)]
    assert np.mean([view.mirrored for view in views]) == pytest.approx(0.5, abs=0.04)
    center = np.array([view.region.center_x for view in views if not view.mirrored])
    share = [np.mean(abs(center - place) < 0.01) for place in (80, 50, 165)]  # box, upper half, lower half
    assert share == pytest.approx([0.7, 0.21, 0.09], abs=0.04)


def test_the_same_random_numbers_give_the_same_view() -> None:
    views = [draw_view(person(), SIZE, Augmentation(), np.random.default_rng(5)) for _ in range(2)]
    np.testing.assert_array_equal(views[0].matrix, views[1].matrix)
