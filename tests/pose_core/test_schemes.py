"""Schemes: where points stand, what a mirror image makes of them, and from one scheme to another."""

from pathlib import Path

import numpy as np
import pytest

from pose_core.schemes import SCHEMES, WHOLE_BODY, convert_scheme, shared_points
from pose_core.skeleton import FLIP_ORDER, KEYPOINT_COUNT, KEYPOINT_NAMES

MPII_PAIRS = ((0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13))
LSP_PAIRS = ((0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9))


@pytest.mark.parametrize("name", SCHEMES)
def test_mirroring_twice_changes_nothing_and_swaps_the_names(name: str) -> None:
    scheme = SCHEMES[name]
    assert len(set(scheme.points)) == len(scheme)
    assert scheme.flip_order[scheme.flip_order].tolist() == list(range(len(scheme)))
    for point, other in zip(scheme.points, scheme.flip_order, strict=True):
        if point.startswith("left_"):
            assert scheme.points[other] == point.replace("left_", "right_")


@pytest.mark.parametrize(("name", "pairs"), [("mpii", MPII_PAIRS), ("lsp", LSP_PAIRS)])
def test_pairs_are_the_published_ones(name: str, pairs: tuple[tuple[int, int], ...]) -> None:
    order = SCHEMES[name].flip_order.tolist()
    assert {(one, other) for one, other in enumerate(order) if one < other} == set(pairs)


@pytest.mark.shared
def test_pairs_of_mpii_are_those_of_the_released_code(shared: Path) -> None:
    torch = pytest.importorskip("torch")
    about = torch.load(shared / "oracles" / "fpd_distilpose" / "fpd_data_eval.pt", weights_only=True)["fliplr"]
    assert tuple(tuple(pair) for pair in about["pairs"]) == MPII_PAIRS


def test_numbers_of_points_and_their_places_among_the_133() -> None:
    assert {name: len(scheme) for name, scheme in SCHEMES.items()} == {
        "coco-wholebody": 133,
        "coco": 17,
        "limbs": 12,
        "mpii": 16,
        "lsp": 14,
    }
    assert SCHEMES[WHOLE_BODY].points == KEYPOINT_NAMES
    assert SCHEMES[WHOLE_BODY].flip_order.tolist() == FLIP_ORDER.tolist()
    assert shared_points("coco", WHOLE_BODY)[1].tolist() == list(range(17))
    assert shared_points("limbs", WHOLE_BODY)[1].tolist() == list(range(5, 17))
    ours, theirs = shared_points("lsp", WHOLE_BODY)
    assert ours.tolist() == list(range(12)), "neck and head top are not among the 133"
    assert theirs.tolist() == [16, 14, 12, 11, 13, 15, 10, 8, 6, 5, 7, 9]


def test_a_scheme_and_back_loses_what_the_other_one_lacks() -> None:
    points = np.arange(2 * 16 * 3, dtype=np.float32).reshape(2, 16, 3) + 1
    whole = convert_scheme(points, "mpii", WHOLE_BODY)
    assert whole.shape == (2, KEYPOINT_COUNT, 3)
    assert whole.dtype == np.float32
    assert np.count_nonzero(whole[..., 2], axis=1).tolist() == [12, 12]
    back = convert_scheme(whole, WHOLE_BODY, "mpii")
    np.testing.assert_array_equal(np.delete(back, range(6, 10), axis=1), np.delete(points, range(6, 10), axis=1))
    assert not back[:, 6:10].any()


def test_neck_and_head_top_are_the_same_in_both() -> None:
    points = np.zeros((16, 3))
    points[8:10, 0] = 3, 4
    assert convert_scheme(points, "mpii", "lsp")[12:, 0].tolist() == [3, 4]


def test_nobody() -> None:
    assert convert_scheme(np.zeros((0, 14, 3), np.float32), "lsp", "coco").shape == (0, 17, 3)
