"""SimCC: the reference's labels and coordinates, labels by hand, and from coordinates to labels and back."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_core.codecs import CODECS, SimCC
from pose_core.geometry import CropRegion, crop_to_photo
from pose_core.types import Size

SIZE = Size(192, 256)
TINY = Size(8, 8)
KNOWN = np.ones((1, 1), bool)


def point(x: float, y: float) -> np.ndarray:
    return np.array([[[x, y]]])


# ---- parity


@pytest.fixture(scope="module")
def mmpose(shared: Path) -> dict[str, np.ndarray]:
    recorded = np.load(shared / "oracles" / "dwpose" / "codec.npz")
    return {name.removeprefix("256_192_"): recorded[name] for name in recorded.files}


@pytest.mark.shared
def test_labels_equal_mmpose(mmpose: dict[str, np.ndarray]) -> None:
    targets = SimCC().encode(mmpose["kp"], mmpose["vis"] > 0, SIZE)
    np.testing.assert_array_equal(targets.weights, mmpose["w"])
    for axis, labels in zip("xy", targets.arrays, strict=True):
        np.testing.assert_allclose(labels[0, :24], mmpose[f"lab_{axis}"], atol=1e-6)
        np.testing.assert_allclose(labels.sum(axis=-1), mmpose[f"lab_{axis}_sum"], rtol=1e-6)
        np.testing.assert_array_equal(labels.argmax(axis=-1), mmpose[f"lab_{axis}_arg"])


@pytest.mark.shared
def test_coordinates_equal_mmpose(mmpose: dict[str, np.ndarray]) -> None:
    """With two rows of non-positive maxima among them."""
    decoded = SimCC().decode([mmpose["px"].astype(np.float32), mmpose["py"].astype(np.float32)], SIZE)
    np.testing.assert_array_equal(decoded[..., :2], mmpose["dec_kp"])
    np.testing.assert_array_equal(decoded[..., 2], mmpose["dec_score"])


@pytest.mark.shared
@pytest.mark.parametrize("case", [0, 1])
def test_photo_coordinates_equal_the_pre_processors(shared: Path, case: int) -> None:
    arrays = np.load(shared / "oracles" / "prepost" / "arrays.npz")
    size = Size(*json.loads((shared / "oracles" / "prepost" / "oracle.json").read_text())["simcc"][case]["size"])
    logits = [arrays[f"{axis}{case}"].astype(np.float32) / 64 for axis in ("sx", "sy")]
    decoded = SimCC().decode(logits, size)
    centers, scales = arrays[f"center{case}"].tolist(), arrays[f"scale{case}"].tolist()
    regions = [CropRegion(x, y, width, height) for (x, y), (width, height) in zip(centers, scales, strict=True)]
    np.testing.assert_array_equal(crop_to_photo(decoded[..., :2], regions, size), arrays[f"kp{case}"])
    np.testing.assert_array_equal(decoded[..., 2], arrays[f"score{case}"])


# ---- encode


def test_a_label_is_a_gaussian_of_peak_one_around_the_nearest_bin() -> None:
    targets = SimCC(sigma=(1.0, 2.0)).encode(point(2.6, 1.0), KNOWN, TINY)
    across, down = (labels[0, 0] for labels in targets.arrays)
    assert (across.shape, down.shape) == ((16,), (16,))
    np.testing.assert_allclose(across[4:7], np.exp([-0.5, 0, -0.5]), rtol=1e-6)
    np.testing.assert_allclose(down[:3], np.exp([-0.5, -0.125, 0]), rtol=1e-6)
    assert targets.weights.tolist() == [[1]]
    assert across.dtype == np.float32


@pytest.mark.parametrize(("x", "nearest"), [(0.25, 0), (0.75, 2), (1.25, 2), (1.75, 4)])
def test_half_a_bin_rounds_to_even(x: float, nearest: int) -> None:
    assert SimCC().encode(point(x, 4.0), KNOWN, TINY).arrays[0].argmax() == nearest


@pytest.mark.parametrize(
    ("x", "teaches"),
    [
        (-2.0, True),  # bin -4: its Gaussian ends on bin -4 + 3 + 1 = 0
        (-2.5, False),
        (9.0, True),  # bin 18: its Gaussian begins on bin 15, the last
        (9.5, False),
    ],
)
def test_a_point_teaches_up_to_three_sigma_outside(x: float, *, teaches: bool) -> None:
    for outside in (point(x, 4.0), point(4.0, x)):
        targets = SimCC(sigma=(1.0, 1.0)).encode(outside, KNOWN, TINY)
        assert targets.weights[0, 0] == teaches
        assert all(labels.any() == teaches for labels in targets.arrays)


def test_an_unknown_point_teaches_nothing() -> None:
    targets = SimCC().encode(point(4.0, 4.0), ~KNOWN, TINY)
    assert not targets.weights.any()
    assert not any(labels.any() for labels in targets.arrays)


# ---- decode


def test_the_first_highest_bin_and_the_lower_of_the_maxima() -> None:
    across, down = np.zeros((1, 1, 16), np.float32), np.zeros((1, 1, 16), np.float32)
    across[0, 0, [3, 9]] = 0.75
    down[0, 0, 6] = 0.5
    assert SimCC().decode([across, down], TINY).tolist() == [[[1.5, 3.0, 0.5]]]


@pytest.mark.parametrize("score", [0.0, -3.0])
def test_a_point_without_a_positive_score_lies_at_bin_minus_one(score: float) -> None:
    across = np.full((1, 1, 16), -5, np.float32)
    across[0, 0, 7] = score
    assert SimCC().decode([across, across + 9], TINY).tolist() == [[[-0.5, -0.5, score]]]


def test_scores_are_not_cut_at_one() -> None:
    logits = np.full((1, 1, 16), 12.5, np.float32)
    assert SimCC().decode([logits, logits], TINY)[0, 0, 2] == 12.5


def test_bins_per_pixel_are_the_codecs() -> None:
    logits = np.zeros((1, 1, 24), np.float32)
    logits[0, 0, 12] = 1
    assert SimCC(split=3.0).decode([logits, logits], TINY).tolist() == [[[4, 4, 1]]]


def test_the_logits_are_left_alone(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(2, 3, 16)).astype(np.float32)
    before = logits.copy()
    SimCC().decode([logits, logits], TINY)
    np.testing.assert_array_equal(logits, before)


# ---- both


@settings(deadline=None)
@given(x=st.floats(0, 191.5), y=st.floats(0, 255.5))
def test_there_and_back_within_a_quarter_pixel(x: float, y: float) -> None:
    codec = SimCC()
    decoded = codec.decode(codec.encode(point(x, y), KNOWN, SIZE).arrays, SIZE)
    np.testing.assert_allclose(decoded[0, 0, :2], [x, y], atol=0.25)
    assert decoded[0, 0, 2] == 1


def test_people_and_points_are_not_mixed_up() -> None:
    keypoints = np.stack(np.meshgrid(np.arange(133.0), np.arange(3.0)), axis=-1)
    codec = SimCC()
    targets = codec.encode(keypoints, np.ones((3, 133), bool), SIZE)
    np.testing.assert_array_equal(codec.decode(targets.arrays, SIZE)[..., :2], keypoints)


def test_nobody() -> None:
    codec = SimCC()
    targets = codec.encode(np.zeros((0, 133, 2)), np.zeros((0, 133), bool), SIZE)
    assert [labels.shape for labels in targets.arrays] == [(0, 133, 384), (0, 133, 512)]
    assert codec.decode(targets.arrays, SIZE).shape == (0, 133, 3)


def test_every_codec_has_its_name() -> None:
    assert {name: codec.__name__.lower() for name, codec in CODECS.items()} == {name: name for name in CODECS}
