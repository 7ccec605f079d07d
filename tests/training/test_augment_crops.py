"""Samples: the crop and the keypoints in it stay together, whatever is drawn."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose_core.errors import InvalidImage
from pose_core.geometry import crop_image, crop_matrix, crop_region, crop_to_photo, photo_to_crop
from pose_core.types import Image, PersonBox, Size
from tests.training.data_folder import gradient, jpeg
from training.data.augment import View, draw_view, mirror_keypoints, plain_view
from training.data.crops import crop_of, draw_sample, keypoints_in_view, neighbour_crop, plain_sample, shown_in
from training.data.cuts import Window
from training.data.neighbours import box_of
from training.data.pictures import PictureReader, reduction_for
from training.data.records import Person, Picture
from training.recipe import Augmentation

SIZE = Size(96, 128)
DOTS = 12
UNCHANGED_PIXELS = Augmentation(hue=(0, 0, 0), blur=0, dropout=(0, (0, 0)))


def dotted(size: Size, radius: float, random: np.random.Generator) -> tuple[Image, np.ndarray]:
    """Dots far from each other on black, and keypoints of which the first dozen are theirs."""
    image = np.zeros((size.height, size.width, 3), np.uint8)
    cells = np.stack(np.meshgrid(np.arange(4), np.arange(3)), axis=-1).reshape(-1, 2)
    places = (cells + random.uniform(0.4, 0.6, (DOTS, 2))) * [size.width / 4, size.height / 3]
    for x, y in np.rint(places * 16).astype(int).tolist():
        cv2.circle(image, (x, y), round(radius * 16), (255, 255, 255), -1, cv2.LINE_AA, 4)
    keypoints = np.zeros((133, 3), np.float32)
    keypoints[:DOTS, :2], keypoints[:DOTS, 2] = places, 1
    return image, keypoints


def middle_of_light(crop: Image, x: float, y: float, reach: int) -> tuple[float, float]:
    """The centre of what is bright around a place."""
    grey = crop[..., 0].astype(float)
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    near = grey * (abs(columns - x) <= reach) * (abs(rows - y) <= reach)
    return float((near * columns).sum() / near.sum()), float((near * rows).sum() / near.sum())


def write_person(folder: Path, size: Size, random: np.random.Generator) -> Person:
    image, keypoints = dotted(size, size.width / 80, random)
    (folder / "dots.jpg").write_bytes(jpeg(image))
    box = PersonBox(0.0, 0.0, size.width - 1.0, size.height - 1.0)
    return Person(Picture(1, folder / "dots.jpg", size), 1, box, keypoints)


@pytest.mark.parametrize("size", [Size(100, 140), Size(483, 645), Size(966, 1291)], ids=["full", "reduced", "twice"])
def test_keypoints_are_on_their_dots(size: Size, tmp_path: Path, rng: np.random.Generator) -> None:
    """Mirrored, turned, shifted, scaled and decoded at a reduced size: the dots stay under their points."""
    person = write_person(tmp_path, size, rng)
    augmentation, found = replace(UNCHANGED_PIXELS, half_body=0), 0
    for _ in range(12):
        crop, keypoints, _ = draw_sample(person, SIZE, augmentation, rng, PictureReader())
        for x, y, _ in keypoints[keypoints[:, 2] > 0]:
            if 8 < x < SIZE.width - 9 and 8 < y < SIZE.height - 9:
                np.testing.assert_allclose(middle_of_light(crop, x, y, 6), (x, y), atol=0.3)
                found += 1
    assert found > 60


def test_mirror_image_exchanges_left_and_right(tmp_path: Path, rng: np.random.Generator) -> None:
    person = write_person(tmp_path, Size(100, 140), rng)
    plain = plain_sample(person, SIZE, PictureReader()).crop
    view = plain_view(person, SIZE)
    box = person.box
    mirrored_box = PersonBox(99 - box.right, box.top, 99 - box.left, box.bottom)
    region = crop_region(mirrored_box, SIZE)
    mirrored = View(region, crop_matrix(region, SIZE), mirrored=True)
    keypoints = keypoints_in_view(person, mirrored)
    expected = keypoints_in_view(person, view)
    np.testing.assert_allclose(keypoints[[2, 1, 4, 3], 1], expected[[1, 2, 3, 4], 1], atol=1e-3)
    crop = crop_of(person.picture, mirrored, SIZE, PictureReader(), reduce=False)
    photo = PictureReader().read(person.picture).image
    np.testing.assert_array_equal(crop, crop_image(np.ascontiguousarray(photo[:, ::-1]), mirrored.matrix, SIZE))
    assert not np.array_equal(crop, plain)


def test_plain_sample_is_what_serving_shows(tmp_path: Path, rng: np.random.Generator) -> None:
    """Even where training would decode at a reduced size."""
    person = write_person(tmp_path, Size(483, 645), rng)
    crop, keypoints, shown = plain_sample(person, SIZE, PictureReader())
    region = crop_region(person.box, SIZE)
    photo = PictureReader().read(person.picture).image
    np.testing.assert_array_equal(crop, crop_image(photo, crop_matrix(region, SIZE), SIZE))
    assert shown.all()
    back = crop_to_photo(keypoints[None, :, :2], [region], SIZE)[0]
    np.testing.assert_allclose(back, person.keypoints[:, :2], atol=1e-2)


def test_reduced_crops_are_close_to_full_ones(tmp_path: Path, rng: np.random.Generator) -> None:
    """A smooth picture gives the same crop from a half and from the whole; also mirrored, also with an odd width."""
    size = Size(483, 645)
    (tmp_path / "smooth.jpg").write_bytes(jpeg(gradient(size)))
    picture = Picture(1, tmp_path / "smooth.jpg", size)
    person = Person(picture, 1, PersonBox(120.0, 150.0, 360.0, 470.0), np.zeros((133, 3), np.float32))
    inside = replace(UNCHANGED_PIXELS, scale=0.1, shift=(0, 0), rotation=(1, 5))
    for _ in range(6):
        view = draw_view(person, SIZE, inside, rng)
        full, reduced = (crop_of(picture, view, SIZE, PictureReader(), reduce=on) for on in (False, True))
        difference = full.astype(int) - reduced
        assert abs(difference).max() <= 4
        assert abs(difference.mean(axis=(0, 1))).max() < 0.1, "a shift by one pixel would be 0.5"


def test_a_matrix_that_mirrors_would_not_give_the_same_crop(tmp_path: Path, rng: np.random.Generator) -> None:
    """Why the photo is mirrored itself."""
    person = write_person(tmp_path, Size(100, 140), rng)
    view = draw_view(person, SIZE, replace(UNCHANGED_PIXELS, flip=1), rng)
    photo = PictureReader().read(person.picture).image
    mirror = np.array([[-1.0, 0, 99], [0, 1, 0], [0, 0, 1]])
    crop = crop_of(person.picture, view, SIZE, PictureReader(), reduce=False)
    other = crop_image(photo, view.matrix @ mirror, SIZE)
    difference = abs(crop.astype(int) - other)
    assert 0 < difference.max() <= 16
    assert (difference > 0).mean() < 0.02


def test_keypoints_follow_the_matrix_and_keep_their_weights(tmp_path: Path, rng: np.random.Generator) -> None:
    person = write_person(tmp_path, Size(100, 140), rng)
    view = plain_view(person, SIZE)
    keypoints = keypoints_in_view(person, view)
    np.testing.assert_allclose(keypoints[:, :2], photo_to_crop(person.keypoints[:, :2], view.matrix), rtol=1e-6)
    np.testing.assert_array_equal(keypoints[:, 2], person.keypoints[:, 2])
    assert keypoints.dtype == np.float32


def test_the_same_random_numbers_give_the_same_sample(tmp_path: Path, rng: np.random.Generator) -> None:
    person = write_person(tmp_path, Size(100, 140), rng)
    first, second = (
        draw_sample(person, SIZE, Augmentation(), np.random.default_rng(3), PictureReader(cache))
        for cache in (0, 10**6)
    )
    np.testing.assert_array_equal(first.crop, second.crop)
    np.testing.assert_array_equal(first.keypoints, second.keypoints)


def test_a_one_pixel_photo(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "dot.jpg").write_bytes(jpeg(np.full((1, 1, 3), 90, np.uint8)))
    box = PersonBox(0.0, 0.0, 0.5, 0.5)
    person = Person(Picture(1, tmp_path / "dot.jpg", Size(1, 1)), 1, box, np.zeros((133, 3), np.float32))
    for sample in (
        plain_sample(person, SIZE, PictureReader()),
        draw_sample(person, SIZE, Augmentation(), rng, PictureReader()),
    ):
        assert sample.crop.shape == (128, 96, 3)
        assert np.isfinite(sample.keypoints).all()


def test_an_unreadable_photo_is_an_error(tmp_path: Path, rng: np.random.Generator) -> None:
    person = write_person(tmp_path, Size(100, 140), rng)
    person.picture.file.write_bytes(b"")
    with pytest.raises(InvalidImage):
        draw_sample(person, SIZE, Augmentation(), rng, PictureReader())


# ---- cut photos, neighbours


def test_a_cut_photo_is_a_smaller_photo(tmp_path: Path, rng: np.random.Generator) -> None:
    """Black beyond the cut, the box only what is left, and the points beyond it are known to be gone."""
    person = write_person(tmp_path, Size(483, 645), rng)
    cut, gone = replace(UNCHANGED_PIXELS, cut=1, flip=0.5), 0
    for _ in range(20):
        view = draw_view(person, SIZE, cut, rng)
        assert view.window is not None
        photo = PictureReader().read(person.picture).image
        photo = photo[:, ::-1] if view.mirrored else photo
        left, top, right, bottom = view.window
        smaller = np.zeros_like(photo)
        smaller[top:bottom, left:right] = photo[top:bottom, left:right]
        crop = crop_of(person.picture, view, SIZE, PictureReader(), reduce=False)
        np.testing.assert_array_equal(crop, crop_image(smaller, view.matrix, SIZE))
        shown = shown_in(person, view)
        gone += int(np.count_nonzero(~shown[:DOTS]))
        keypoints = mirror_keypoints(person.keypoints, 483) if view.mirrored else person.keypoints
        inside = (keypoints[:, :2] >= (left, top)).all(axis=1) & (keypoints[:, :2] <= (right - 1, bottom - 1)).all(
            axis=1
        )
        np.testing.assert_array_equal(shown, inside)
    assert gone > 20


def test_a_cut_of_a_reduced_photo_is_at_the_same_place(tmp_path: Path, rng: np.random.Generator) -> None:
    """To less than a pixel of the reduced photo."""
    person = write_person(tmp_path, Size(966, 1291), rng)
    cut = replace(UNCHANGED_PIXELS, cut=1, scale=0.01, rotation=(0, 0), shift=(0, 0))
    for _ in range(8):
        view = draw_view(person, SIZE, cut, rng)
        full, reduced = (crop_of(person.picture, view, SIZE, PictureReader(), reduce=on) for on in (False, True))
        assert abs(full.astype(int) - reduced).mean() < 3


@pytest.mark.parametrize(
    ("windows", "wider"),
    [
        ([Window(left, 0, 485, 640) for left in range(293, 373, 8)], 0.0),
        ([Window(0, 0, right, 640) for right in range(352, 440, 8)], 5 / 12.6),
    ],
    ids=["left", "right"],
)
def test_mirrored_reduced_cuts_are_at_the_same_place(windows: list[Window], wider: float, tmp_path: Path) -> None:
    """Of a width that the reduction does not divide: three columns hang over, on the left of the mirror image.

    A pixel of the crop is 12.6 of the photo; the reduced photo ends where it does, or five pixels later.
    """
    size, small = Size(485, 640), Size(48, 64)
    (tmp_path / "white.jpg").write_bytes(jpeg(np.full((640, 485, 3), 255, np.uint8)))
    picture = Picture(1, tmp_path / "white.jpg", size)
    region = crop_region(PersonBox(0.0, 0.0, 484.0, 639.0), small)
    assert reduction_for(region, small) == 8
    found = []
    for window in windows:
        view = View(region, crop_matrix(region, small), mirrored=True, window=window)
        crops = [crop_of(picture, view, small, PictureReader(), reduce=on) for on in (False, True)]
        widths = [crop[32, :, 0].sum(dtype=float) / 255 for crop in crops]
        found.append(widths[1] - widths[0])
    assert np.mean(found) == pytest.approx(wider, abs=0.25)


def test_the_frame_of_a_cut_is_around_what_is_left_of_the_box(tmp_path: Path, rng: np.random.Generator) -> None:
    person = write_person(tmp_path, Size(100, 140), rng)
    still = Augmentation(cut=1, flip=0, half_body=0, shift=(0, 0), scale=0, rotation=(0, 0))
    smaller = 0
    for _ in range(20):
        view = draw_view(person, SIZE, still, rng)
        assert view.window is not None
        assert view.region == pytest.approx(crop_region(view.window.clip(person.box), SIZE))
        smaller += view.region.height < crop_region(person.box, SIZE).height - 1
    assert smaller > 5


def test_a_neighbour_is_the_box_without_its_margin() -> None:
    crop = np.zeros((125, 100, 3), np.uint8)
    crop[12:113, 9:91] = 255
    middle = box_of(crop)
    assert middle.shape[:2] == (101, 82)
    assert (middle == 255).all()


def test_a_neighbour_leaves_the_middle_and_the_labels(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "red.jpg").write_bytes(jpeg(np.full((60, 40, 3), (250, 0, 0), np.uint8)))
    box = PersonBox(0.0, 0.0, 39.0, 59.0)
    other = Person(Picture(2, tmp_path / "red.jpg", Size(40, 60)), 2, box, np.zeros((133, 3), np.float32))
    person = write_person(tmp_path, Size(100, 140), rng)
    pasted = neighbour_crop(other, SIZE, PictureReader())
    for seed in range(20):
        alone, beside = (
            draw_sample(person, SIZE, UNCHANGED_PIXELS, np.random.default_rng(seed), PictureReader(), neighbour=one)
            for one in (None, pasted)
        )
        red = (beside.crop != alone.crop).any(axis=-1)
        assert 0 < red.mean() < 0.5
        assert red[:, :10].any() or red[:, -10:].any()
        np.testing.assert_array_equal(beside.keypoints, alone.keypoints)
