"""One pose per person."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.annotated import BOXES, make_points
from training.evals.oks_nms import compute_oks, suppress_poses

POSE = make_points(BOXES[0])
AREA = np.array([6000.0])


def moved(pixels: float) -> np.ndarray:
    return POSE + np.array([pixels, 0, 0])


def test_the_same_pose_is_similar_by_one_and_a_distant_one_by_nothing() -> None:
    oks = compute_oks(POSE, 6000, np.stack([POSE, moved(1000)]), np.array([6000.0, 6000.0]))
    np.testing.assert_allclose(oks, [1, 0], atol=1e-12)


def test_similarity_has_the_documented_value() -> None:
    one, other = np.zeros((133, 2)), np.zeros((1, 133, 2))
    other[0, 0] = 3, 4  # only the nose moves, sigma 0.026, mean area 500
    expected = (132 + np.exp(-25 / (2 * 0.052**2 * 500))) / 133
    np.testing.assert_allclose(compute_oks(one, 400, other, np.array([600.0])), expected)


@settings(deadline=None, max_examples=25)
@given(st.floats(-50, 50), st.floats(1, 1e5), st.floats(1, 1e5))
def test_similarity_goes_both_ways(pixels: float, area: float, other: float) -> None:
    there = compute_oks(POSE, area, moved(pixels)[None], np.array([other]))
    back = compute_oks(moved(pixels), other, POSE[None], np.array([area]))
    np.testing.assert_allclose(there, back, rtol=1e-9)
    assert 0 <= there[0] <= 1


def test_only_the_best_of_equal_poses_stays() -> None:
    poses = np.stack([POSE, moved(0.01), moved(200), moved(0.02)])
    kept = suppress_poses(poses, np.repeat(AREA, 4), np.array([0.5, 0.9, 0.1, 0.7]))
    assert kept.tolist() == [1, 2]


def test_of_equal_scores_the_later_one_stays() -> None:
    assert suppress_poses(np.stack([POSE] * 3), np.repeat(AREA, 3), np.ones(3)).tolist() == [2]


def test_threshold_decides() -> None:
    poses, areas, scores = np.stack([POSE, moved(1)]), np.repeat(AREA, 2), np.array([0.9, 0.8])
    oks = compute_oks(POSE, 6000, poses[1:], areas[1:])[0]
    assert suppress_poses(poses, areas, scores, float(oks)).tolist() == [0, 1]
    assert suppress_poses(poses, areas, scores, float(oks) - 1e-9).tolist() == [0]


def test_nobody_stays_of_nobody() -> None:
    assert suppress_poses(np.zeros((0, 133, 3)), np.zeros(0), np.zeros(0)).tolist() == []


@pytest.mark.shared
def test_similarities_and_survivors_are_the_reference_s(dwpose_oracle: Path) -> None:
    with np.load(dwpose_oracle / "oks_nms.npz") as recorded:
        poses, areas = recorded["kpts"], recorded["area"]
        oks = np.stack([compute_oks(pose, area, poses, areas) for pose, area in zip(poses, areas, strict=True)])
        np.testing.assert_allclose(oks, recorded["oks"], atol=1e-6)
        assert suppress_poses(poses, areas, recorded["score"]).tolist() == recorded["keep"].tolist()
