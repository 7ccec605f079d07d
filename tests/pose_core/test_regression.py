"""Regression: fractions of the crop's sides."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_core.codecs import Regression
from pose_core.errors import UnknownChoice
from pose_core.types import Size

SIZE = Size(192, 256)
KNOWN = np.ones((1, 1), bool)


def point(x: float, y: float) -> np.ndarray:
    return np.array([[[x, y]]], np.float64)


@pytest.mark.shared
def test_targets_equal_distilpose(shared: Path) -> None:
    torch = pytest.importorskip("torch")
    about = torch.load(shared / "oracles" / "fpd_distilpose" / "distil_targets.pt", weights_only=True)
    joints, known = about["joints"].numpy()[None, :, :2], about["visible"].numpy()[None, :, 0] > 0
    targets = Regression().encode(joints, known, SIZE)
    np.testing.assert_allclose(targets.arrays[0][0], about["reg_target"], atol=1e-7)
    for axis in (0, 1):
        np.testing.assert_array_equal(targets.weights[0], about["reg_weight"][:, axis])


def test_fractions_of_both_sides() -> None:
    targets = Regression().encode(point(48.0, 64.0), KNOWN, SIZE)
    assert targets.arrays[0].tolist() == [[[0.25, 0.25]]]
    assert targets.arrays[0].dtype == np.float32


@pytest.mark.parametrize(
    ("x", "y", "teaches"),
    [(0, 0, True), (191, 255, True), (191.5, 0, False), (0, 255.5, False), (-0.5, 0, False), (0, -0.5, False)],
)
def test_only_points_on_the_crop_teach(x: float, y: float, *, teaches: bool) -> None:
    assert Regression().encode(point(x, y), KNOWN, SIZE).weights[0, 0] == teaches


def test_an_unknown_point_teaches_nothing() -> None:
    assert Regression().encode(point(1.0, 1.0), ~KNOWN, SIZE).weights.tolist() == [[0]]


def test_scores_pass_unchanged() -> None:
    fractions, scores = np.full((1, 1, 2), 0.5, np.float32), np.full((1, 1, 1), -7.5, np.float32)
    assert Regression().decode([fractions, scores], SIZE).tolist() == [[[96, 128, -7.5]]]


@settings(deadline=None)
@given(x=st.floats(-100, 300), y=st.floats(-100, 400))
def test_there_and_back_even_outside_the_crop(x: float, y: float) -> None:
    fractions = Regression().encode(point(x, y), KNOWN, SIZE).arrays[0]
    decoded = Regression().decode([fractions, np.ones((1, 1, 1), np.float32)], SIZE)
    np.testing.assert_allclose(decoded[0, 0], [x, y, 1], rtol=1e-6, atol=1e-5)


def test_nobody() -> None:
    targets = Regression().encode(np.zeros((0, 17, 2)), np.zeros((0, 17), bool), SIZE)
    assert Regression().decode([*targets.arrays, np.zeros((0, 17, 1), np.float32)], SIZE).shape == (0, 17, 3)


def test_an_unknown_way_with_mirrored_scores_is_refused() -> None:
    """Types are checked before that in tests, but not elsewhere."""
    codec = Regression()
    object.__setattr__(codec, "mirrored_scores", "x")
    with pytest.raises(UnknownChoice, match="mirrored_scores: unknown value 'x'; valid: intended, reference"):
        codec.__post_init__()
