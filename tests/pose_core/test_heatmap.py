"""Heatmaps: FPD's and DistilPose's targets, peaks by hand, and how far below a cell the decoder sees."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_core.codecs import Heatmap
from pose_core.codecs.heatmap import dark_shift, quarter_shift
from pose_core.geometry import CropRegion, crop_to_photo
from pose_core.types import Size

SIZE = Size(192, 256)
KNOWN = np.ones((1, 1), bool)
DARK = Heatmap(refine="dark")

STRIDE_PX = 4
"""Crop pixels per cell of a 48 x 64 map."""


def point(x: float, y: float) -> np.ndarray:
    return np.array([[[x, y]]])


def one_map(**values: float) -> np.ndarray:
    """A single map of 12 x 12 that is zero but for the named cells: x3y4=1 is column 3, row 4."""
    maps = np.zeros((1, 1, 12, 12), np.float32)
    for name, value in values.items():
        x, y = name[1:].split("y")
        maps[0, 0, int(y), int(x)] = value
    return maps


def recorded(shared: Path, name: str) -> Any:
    torch = pytest.importorskip("torch")
    return torch.load(shared / "oracles" / "fpd_distilpose" / name, weights_only=True)


# ---- parity


@pytest.mark.shared
def test_targets_equal_fpd(shared: Path) -> None:
    about = recorded(shared, "fpd_data_eval.pt")["gen_target"]
    joints, known = about["joints"].numpy()[None, :, :2], about["vis"].numpy()[None, :, 0] > 0
    targets = Heatmap(map_size=Size(64, 64)).encode(joints, known, Size(256, 256))
    np.testing.assert_allclose(targets.arrays[0][0], about["target"], atol=1e-6)
    np.testing.assert_array_equal(targets.weights[0], about["weight"][:, 0])


@pytest.mark.shared
@pytest.mark.parametrize(("codec", "name"), [(DARK, "hm_unbiased"), (Heatmap(), "hm_biased")])
def test_targets_equal_distilpose(shared: Path, codec: Heatmap, name: str) -> None:
    about = recorded(shared, "distil_targets.pt")
    joints, known = about["joints"].numpy()[None, :, :2], about["visible"].numpy()[None, :, 0] > 0
    targets = codec.encode(joints, known, SIZE)
    np.testing.assert_allclose(targets.arrays[0][0], about[name], atol=1e-6)
    np.testing.assert_array_equal(targets.weights[0], about[f"{name}_weight"][:, 0])


@pytest.mark.shared
def test_coordinates_equal_fpd(shared: Path) -> None:
    about = recorded(shared, "fpd_data_eval.pt")["decode"]
    (x, y), (width, height) = about["center"][0].tolist(), (200 * about["scale"][0]).tolist()
    decoded = Heatmap().decode([about["heatmaps"].numpy()], Size(32, 32))
    photo = crop_to_photo(decoded[..., :2], [CropRegion(x, y, width, height)], Size(32, 32))
    np.testing.assert_allclose(photo, about["preds"], atol=1e-4)
    np.testing.assert_array_equal(decoded[..., 2], about["maxvals"][..., 0])


# ---- encode


def test_a_target_is_a_gaussian_of_peak_one_around_the_nearest_cell() -> None:
    target = Heatmap().encode(point(41.9, 78.1), KNOWN, SIZE).arrays[0][0, 0]
    assert target.shape == (64, 48)
    assert target[20, 10] == 1  # 41.9 / 4 = 10.475 and 78.1 / 4 = 19.525
    np.testing.assert_allclose(target[20, 8:11], np.exp([-0.5, -0.125, 0]), rtol=1e-6)
    np.testing.assert_allclose(target[21, 11], np.exp(-0.25), rtol=1e-6)


@pytest.mark.parametrize(("x", "cell"), [(9.9, 2), (10.0, 3), (13.9, 3), (14.0, 4), (-2.4, 0)])
def test_half_a_cell_rounds_up_and_negatives_towards_zero(x: float, cell: int) -> None:
    assert Heatmap().encode(point(x, 80.0), KNOWN, SIZE).arrays[0][0, 0, 20].argmax() == cell


def test_the_rounded_target_is_cut_off_at_three_sigma_and_darks_is_not() -> None:
    rounded = Heatmap().encode(point(96.0, 128.0), KNOWN, SIZE).arrays[0][0, 0]
    assert np.count_nonzero(rounded) == 13 * 13
    assert np.count_nonzero(DARK.encode(point(96.0, 128.0), KNOWN, SIZE).arrays[0][0, 0]) > 40 * 40


def test_darks_target_peaks_between_cells() -> None:
    target = DARK.encode(point(42.0, 80.0), KNOWN, SIZE).arrays[0][0, 0]
    np.testing.assert_allclose(target[20, 10:12], np.exp([-1 / 32, -1 / 32]), rtol=1e-6)


@pytest.mark.parametrize("codec", [Heatmap(), DARK])
@pytest.mark.parametrize(("x", "teaches"), [(-28.0, True), (-35.0, False), (213.0, True), (216.0, False)])
def test_a_point_teaches_while_its_window_touches_the_map(codec: Heatmap, x: float, *, teaches: bool) -> None:
    targets = codec.encode(point(x, 100.0), KNOWN, SIZE)
    assert targets.weights[0, 0] == teaches
    assert teaches or not targets.arrays[0].any()


def test_an_unknown_point_teaches_nothing() -> None:
    targets = Heatmap().encode(point(50.0, 50.0), ~KNOWN, SIZE)
    assert not targets.weights.any()
    assert not targets.arrays[0].any()


# ---- decode


def test_a_lone_peak_lies_on_its_cell() -> None:
    decoded = Heatmap().decode([one_map(x4y7=0.75)], Size(48, 24))
    assert decoded.tolist() == [[[16, 14, 0.75]]]


@pytest.mark.parametrize(
    ("values", "shift"),
    [
        ({"x5y5": 1, "x6y5": 0.1}, (0.25, 0)),
        ({"x5y5": 1, "x4y5": 0.1}, (-0.25, 0)),
        ({"x5y5": 1, "x4y5": 0.2, "x6y5": 0.1, "x5y6": 0.3}, (-0.25, 0.25)),
        ({"x5y5": 1, "x4y5": 0.2, "x6y5": 0.2}, (0, 0)),
    ],
)
def test_a_quarter_of_a_cell_towards_the_higher_neighbour(values: dict[str, float], shift: tuple[float, float]) -> None:
    assert quarter_shift(one_map(**values), np.array([[[5, 5]]])).tolist() == [[list(shift)]]


@pytest.mark.parametrize(("cell", "moves"), [(1, False), (2, True), (10, True), (11, False)])
def test_a_quarter_shift_stops_at_the_border(cell: int, *, moves: bool) -> None:
    """HRNet's rule: inside means 1 < x < width - 1."""
    maps = one_map(**{f"x{cell}y5": 1.0, f"x{cell - 1}y5": 0.5})
    assert quarter_shift(maps, np.array([[[cell, 5]]]))[0, 0, 0] == (-0.25 if moves else 0)


@pytest.mark.parametrize(("cell", "moves"), [(1, False), (2, True), (9, True), (10, False)])
def test_a_newton_step_stops_at_the_border(cell: int, *, moves: bool) -> None:
    x, y = np.mgrid[:12, :12]
    maps = np.exp(-((y - cell - 0.25) ** 2 + (x - 5) ** 2) / 8).astype(np.float32)[None, None]
    shift = dark_shift(maps, np.array([[[cell, 5]]]))
    assert (shift[0, 0, 0] != 0) == moves
    assert np.isfinite(shift).all()


def test_a_flat_map_gives_no_newton_step() -> None:
    assert not dark_shift(np.ones((1, 1, 40, 40), np.float32), np.array([[[20, 20]]])).any()


@pytest.mark.parametrize("codec", [Heatmap(), DARK])
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_map_without_a_positive_value_gives_its_first_cell(codec: Heatmap, value: float) -> None:
    maps = np.full((1, 1, 64, 48), value, np.float32)
    maps[0, 0, 30, 20] = value / 2
    assert codec.decode([maps], SIZE).tolist() == [[[0, 0, value / 2]]]


def test_a_cell_offset_moves_the_peak_within_its_cell() -> None:
    assert Heatmap(cell_offset=0.5).decode([one_map(x4y7=1)], Size(48, 48)).tolist() == [[[18, 30, 1]]]


def test_scores_are_the_maxima_and_the_maps_are_left_alone(rng: np.random.Generator) -> None:
    maps = rng.normal(size=(2, 17, 64, 48)).astype(np.float32) * 3
    before = maps.copy()
    for codec in (Heatmap(), DARK):
        np.testing.assert_array_equal(codec.decode([maps], SIZE)[..., 2], maps.max(axis=(2, 3)))
    np.testing.assert_array_equal(maps, before)


# ---- both

inside = st.builds(point, st.floats(16, 172), st.floats(16, 236))


@settings(deadline=None)
@given(inside)
def test_rounded_there_and_back_within_half_a_cell(keypoint: np.ndarray) -> None:
    codec = Heatmap()
    decoded = codec.decode(codec.encode(keypoint, KNOWN, SIZE).arrays, SIZE)
    np.testing.assert_allclose(decoded[..., :2], keypoint, atol=STRIDE_PX / 2 + 1e-4)
    assert decoded[0, 0, 2] == 1


@settings(deadline=None)
@given(inside)
def test_dark_there_and_back_within_a_hundredth_of_a_cell(keypoint: np.ndarray) -> None:
    decoded = DARK.decode(DARK.encode(keypoint, KNOWN, SIZE).arrays, SIZE)
    np.testing.assert_allclose(decoded[..., :2], keypoint, atol=STRIDE_PX / 100)


def test_dark_sees_through_noise(rng: np.random.Generator) -> None:
    """Because it smooths first: where the noise puts the maximum one cell off, the Newton step makes up for it."""
    keypoints = rng.uniform(40, 150, (1, 100, 2))
    maps = DARK.encode(keypoints, np.ones((1, 100), bool), SIZE).arrays[0]
    noisy = maps + rng.normal(0, 0.03, maps.shape).astype(np.float32)
    errors = np.linalg.norm(DARK.decode([noisy], SIZE)[..., :2] - keypoints, axis=-1)
    assert np.median(errors) < STRIDE_PX / 20


@settings(deadline=None)
@given(inside)
def test_truncated_there_and_back_within_half_a_cell(keypoint: np.ndarray) -> None:
    codec = Heatmap(cell_offset=0.5)
    decoded = codec.decode(codec.encode(keypoint, KNOWN, SIZE).arrays, SIZE)
    np.testing.assert_allclose(decoded[..., :2], keypoint, atol=STRIDE_PX / 2 + 1e-4)


@pytest.mark.parametrize("codec", [Heatmap(), DARK])
def test_people_and_points_are_not_mixed_up(codec: Heatmap) -> None:
    keypoints = 20.0 + 8 * np.stack(np.meshgrid(np.arange(17.0), np.arange(3.0)), axis=-1)
    targets = codec.encode(keypoints, np.ones((3, 17), bool), SIZE)
    np.testing.assert_allclose(codec.decode(targets.arrays, SIZE)[..., :2], keypoints, atol=0.1)


@pytest.mark.parametrize("codec", [Heatmap(), DARK])
def test_nobody(codec: Heatmap) -> None:
    targets = codec.encode(np.zeros((0, 17, 2)), np.zeros((0, 17), bool), SIZE)
    assert targets.arrays[0].shape == (0, 17, 64, 48)
    assert codec.decode(targets.arrays, SIZE).shape == (0, 17, 3)


@pytest.mark.parametrize("codec", [Heatmap(), DARK])
def test_maps_too_small_to_refine(codec: Heatmap) -> None:
    assert codec.decode([np.ones((1, 1, 5, 5), np.float32)], Size(20, 20)).tolist() == [[[0, 0, 1]]]
