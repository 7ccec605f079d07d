"""Changes of pixels: the reference's numbers, and numbers by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_core.types import Image, Size
from tests.training.data_folder import gradient
from training.data.pixels import (
    Gains,
    Hole,
    PixelChange,
    apply_change,
    draw_change,
    draw_gains,
    draw_hole,
    paint_hole,
    shift_colours,
)
from training.recipe import LIGHT_AUGMENTATION, Augmentation

SIZE = Size(192, 256)
LIMITS = Augmentation().hue


@pytest.fixture
def recorded(dwpose_oracle: Path) -> dict[str, Any]:
    statistics: dict[str, Any] = json.loads((dwpose_oracle / "augment_stats.json").read_text())
    return statistics


@pytest.mark.shared
def test_colours_are_shifted_as_the_reference_shifts_them(recorded: dict[str, Any]) -> None:
    example = recorded["hsv_example"]
    image, expected = (np.array(example[key], np.uint8)[..., ::-1].copy() for key in ("img", "out"))  # from BGR
    np.testing.assert_array_equal(shift_colours(image, Gains(*example["gains"])), expected)


@pytest.mark.shared
def test_gains_are_distributed_as_the_reference_s(recorded: dict[str, Any], rng: np.random.Generator) -> None:
    gains = np.array([draw_gains(LIMITS, rng) for _ in range(20_000)])
    assert abs(gains).max(axis=0).tolist() == recorded["hsv"]["absmax"]
    np.testing.assert_allclose((gains == 0).mean(axis=0), recorded["hsv"]["zero_frac"], atol=0.015)
    np.testing.assert_allclose(gains.std(axis=0), recorded["hsv"]["std"], rtol=0.02)


def test_gains_stay_below_their_limits_and_are_often_nothing(rng: np.random.Generator) -> None:
    gains = np.array([draw_gains((5.0, 30.0, 0.0), rng) for _ in range(2000)])
    assert abs(gains).max(axis=0).tolist() == [4, 29, 0]
    np.testing.assert_allclose((gains == 0).mean(axis=0), [0.6, 0.517, 1.0], atol=0.05)


def test_value_is_added_and_stops_at_white() -> None:
    grey = np.array([[[100, 100, 100], [250, 250, 250], [0, 0, 0]]], np.uint8)
    np.testing.assert_array_equal(shift_colours(grey, Gains(0, 0, 20))[0, :, 0], [120, 255, 20])
    np.testing.assert_array_equal(shift_colours(grey, Gains(0, 0, -20))[0, :, 0], [80, 230, 0])


def test_hue_goes_in_a_circle() -> None:
    red = np.array([[[255, 0, 0]]], np.uint8)
    np.testing.assert_array_equal(shift_colours(red, Gains(60, 0, 0)), [[[0, 255, 0]]])
    np.testing.assert_array_equal(shift_colours(red, Gains(-60, 0, 0)), [[[0, 0, 255]]])


def test_a_hole_is_black_and_leaves_the_original() -> None:
    image = np.full((8, 10, 3), 200, np.uint8)
    painted = paint_hole(image, Hole(left=2, top=3, width=4, height=5))
    assert (painted[3:8, 2:6] == 0).all()
    assert (painted == 0).all(axis=-1).sum() == 20
    assert (image == 200).all()


def test_holes_are_inside_and_of_the_drawn_size(rng: np.random.Generator) -> None:
    holes = np.array([draw_hole((0.2, 0.4), SIZE, rng) for _ in range(4000)])
    left, top, width, height = holes.T
    assert (width.min(), width.max()) == (38, 76)
    assert (height.min(), height.max()) == (51, 102)
    assert left.min() == top.min() == 0
    assert (left + width).max() == 192
    assert (top + height).max() == 256
    assert abs(np.corrcoef(width, height)[0, 1]) < 0.06, "each side is drawn by itself"


@pytest.mark.parametrize(
    ("augmentation", "hole"), [(Augmentation(), 1.0), (LIGHT_AUGMENTATION, 0.5), (Augmentation(dropout=(0, (0, 1))), 0)]
)
def test_changes_happen_as_often_as_asked_for(
    augmentation: Augmentation, hole: float, rng: np.random.Generator
) -> None:
    changes = [draw_change(augmentation, SIZE, rng) for _ in range(4000)]
    assert np.mean([change.hole is not None for change in changes]) == pytest.approx(hole, abs=0.04)
    for kind in ("blur", "median"):
        sizes = np.array([getattr(change, kind) for change in changes])
        assert (sizes > 0).mean() == pytest.approx(0.1, abs=0.02)
        assert [int((sizes == size).sum()) for size in (3, 5, 7)] == pytest.approx([133] * 3, abs=50)


def test_no_colour_limits_leave_colours_alone(rng: np.random.Generator) -> None:
    assert draw_change(Augmentation(hue=(0, 0, 0)), SIZE, rng).gains is None


def test_nothing_to_change() -> None:
    image = gradient()
    np.testing.assert_array_equal(apply_change(image, PixelChange()), image)


def impulse() -> Image:
    image = np.zeros((9, 9, 3), np.uint8)
    image[4, 4] = 225
    return image


def test_blur_averages_and_median_removes() -> None:
    blurred = apply_change(impulse(), PixelChange(blur=3))
    assert (blurred[3:6, 3:6] == 25).all()
    assert blurred.sum() == 225 * 3
    assert (apply_change(impulse(), PixelChange(median=3)) == 0).all()


def test_the_hole_comes_last() -> None:
    change = PixelChange(gains=Gains(0, 0, 50), blur=7, hole=Hole(0, 0, 4, 4))
    changed = apply_change(impulse(), change)
    assert (changed[:4, :4] == 0).all()
    assert (changed[4:, 4:] > 0).all()


def test_grey_pictures_have_no_colour(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (20, 16, 3), np.uint8)
    grey = apply_change(image, PixelChange(grey=True))
    assert (grey[..., 0] == grey[..., 1]).all()
    assert (grey[..., 1] == grey[..., 2]).all()


def test_low_resolution_keeps_size_and_place() -> None:
    """Half a resolution: stripes of one pixel are gone, an edge stays where it was."""
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = 200
    assert abs(apply_change(stripes, PixelChange(reduction=2)).astype(int) - 100).max() <= 1
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 200
    changed = apply_change(edge, PixelChange(reduction=2))
    assert changed.shape == edge.shape
    assert (changed[:, :14] == 0).all()
    assert (changed[:, 18:] == 200).all()


def test_probabilities_of_grey_and_low_resolution(rng: np.random.Generator) -> None:
    augmentation = Augmentation(grey=0.2, reduction=(0.4, 3.0))
    changes = [draw_change(augmentation, SIZE, rng) for _ in range(3000)]
    assert np.mean([change.grey for change in changes]) == pytest.approx(0.2, abs=0.03)
    reductions = [change.reduction for change in changes if change.reduction > 1]
    assert len(reductions) / 3000 == pytest.approx(0.4, abs=0.03)
    assert 1 < min(reductions) < max(reductions) < 3
