"""YOLOX: the pre-processors' boxes, cells and suppression by hand, and real networks from photo to boxes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pose_core.detectors import ChannelOrder, DetectorSpec
from pose_core.detectors.detector import input_size, letterbox_planes
from pose_core.detectors.yolox import NMS_IOU, decode_cells, detect, grid_cells, people_of_grid, suppress
from pose_core.errors import ModelError
from pose_core.session import Session, open_session
from pose_core.steps import run_steps
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size
from tests import tiny_onnx

SQUARE = Size(64, 64)
SPEC = DetectorSpec()


def look(session: Session, spec: DetectorSpec, image: Image, threshold: float, timer: Timer) -> list[PersonBox]:
    """Photo in, people out."""
    return run_steps(detect(session, spec, image, threshold, timer), timer)


def sides(box: PersonBox) -> list[float]:
    return [box.left, box.top, box.right, box.bottom]


def grid(cells: dict[int, tuple[float, ...]], size: Size = SQUARE, classes: int = 1) -> np.ndarray:
    """Raw rows of which only the given cells hold anything."""
    rows = np.zeros((sum(grid_cells(size)), 5 + classes), np.float32)
    for cell, values in cells.items():
        rows[cell, : len(values)] = values
    return rows


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union where a side of one pixel is from 0 to 0."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = np.maximum(high - low + 1, 0).prod()
    area_one, area_other = (np.prod(box[2:] - box[:2] + 1) for box in (one, other))
    return float(shared / (area_one + area_other - shared))


# ---- parity


@pytest.mark.shared
@pytest.mark.parametrize("case", range(16))
def test_boxes_equal_the_pre_processors(shared: Path, case: int) -> None:
    """With people, with nobody, and with nothing but chairs."""
    folder = shared / "oracles" / "prepost"
    about: dict[str, Any] = json.loads((folder / "oracle.json").read_text())["yolox"]["cases"][case]
    arrays_of = np.load(folder / "arrays.npz")
    rows = np.full((8400, 85), 0.001, np.float32)
    rows[:, :4] = 0
    rows[arrays_of[f"yx_idx{case}"]] = arrays_of[f"yx_rows{case}"]
    people = people_of_grid(rows, Size(640, 640), about["ratio"], 0.3)
    assert [sides(person) for person in people] == (about["sdwebui"] or [])


# ---- cells


def test_the_grids_of_three_strides_follow_each_other() -> None:
    assert grid_cells(Size(640, 640)) == [6400, 1600, 400]
    assert grid_cells(Size(96, 64)) == [12 * 8, 6 * 4, 3 * 2]


@pytest.mark.parametrize(
    ("size", "cell", "center", "stride"),
    [
        (SQUARE, 0, (0, 0), 8),
        (SQUARE, 9, (8, 8), 8),
        (SQUARE, 63, (56, 56), 8),
        (SQUARE, 64, (0, 0), 16),
        (SQUARE, 69, (16, 16), 16),
        (SQUARE, 83, (32, 32), 32),
        (Size(96, 64), 13, (8, 8), 8),
        (Size(96, 64), 95, (88, 56), 8),
        (Size(96, 64), 103, (16, 16), 16),
        (Size(96, 64), 125, (64, 32), 32),
    ],
)
def test_an_empty_row_is_a_box_of_one_stride_around_its_cells_corner(
    size: Size, cell: int, center: tuple[int, int], stride: int
) -> None:
    (box,) = decode_cells(np.zeros((1, 4), np.float32), np.array([cell]), size)
    x, y = center
    assert box.tolist() == [x - stride / 2, y - stride / 2, x + stride / 2, y + stride / 2]


def test_offsets_count_in_strides_and_sides_are_exponents() -> None:
    row = np.array([[0.5, 0.25, np.log(2), np.log(3)]], np.float32)
    (box,) = decode_cells(row, np.array([69]), SQUARE)  # stride 16, corner 16, 16
    np.testing.assert_allclose(box, [24 - 16, 20 - 24, 24 + 16, 20 + 24], atol=1e-5)
    assert decode_cells(row, np.array([69]), SQUARE).dtype == np.float32


def test_no_cells_decode_to_no_boxes() -> None:
    assert decode_cells(np.zeros((0, 4), np.float32), np.zeros(0, int), SQUARE).shape == (0, 4)


# ---- people of a grid


def test_a_score_is_objectness_times_the_first_class() -> None:
    rows = grid({3: (0, 0, 0, 0, 0.5, 0.75)})
    (person,) = people_of_grid(rows, SQUARE, 0.5, 0.3)
    assert person == PersonBox(40.0, -8.0, 56.0, 8.0, 0.375)  # twice the letterbox's, and not clipped


@pytest.mark.parametrize(("threshold", "found"), [(0.374, 1), (0.375, 0)])
def test_a_score_has_to_exceed_the_threshold(threshold: float, found: int) -> None:
    assert len(people_of_grid(grid({3: (0, 0, 0, 0, 0.5, 0.75)}), SQUARE, 1.0, threshold)) == found


def test_chairs_are_no_people() -> None:
    rows = grid({3: (0, 0, 0, 0, 1, 0, 1), 40: (0, 0, 0, 0, 1, 0.5, 0.9)}, classes=80)
    assert [person.score for person in people_of_grid(rows, SQUARE, 1.0, 0.3)] == [0.5]


def test_the_most_certain_person_comes_first() -> None:
    rows = grid({0: (0, 0, 0, 0, 0.5, 1), 20: (0, 0, 0, 0, 0.75, 1), 63: (0, 0, 0, 0, 0.25, 1)})
    assert [person.score for person in people_of_grid(rows, SQUARE, 1.0, 0.1)] == [0.75, 0.5, 0.25]


def test_nobody() -> None:
    assert people_of_grid(grid({}), SQUARE, 1.0, 0.0) == []


@pytest.mark.parametrize("count", [0, 83, 85, 8400])
def test_rows_of_another_input_size_are_refused(count: int) -> None:
    with pytest.raises(ModelError, match=f"answers {count} cells; a 64x64 input has 84"):
        people_of_grid(np.zeros((count, 6), np.float32), SQUARE, 1.0, 0.3)


# ---- suppression


@pytest.mark.parametrize(
    ("shift", "kept"),
    [
        (0, [0]),
        (10, [0]),  # 19 / 39 pixels shared
        (11, [0, 1]),  # 18 / 40 is the limit itself
        (29, [0, 1]),  # side by side
    ],
)
def test_boxes_of_29x1_pixels_may_share_45_percent(shift: int, kept: list[int]) -> None:
    """Sides count their last pixel: 0 to 28 is 29 pixels, 0 to 0 is one."""
    boxes = np.array([[0, 0, 28, 0], [shift, 0, 28 + shift, 0]], np.float32)
    assert suppress(boxes, np.array([0.9, 0.8], np.float32)) == kept


def test_a_suppressed_box_suppresses_nobody() -> None:
    boxes = np.array([[0, 0, 28, 0], [10, 0, 38, 0], [20, 0, 48, 0]], np.float32)
    assert suppress(boxes, np.array([0.9, 0.8, 0.7], np.float32)) == [0, 2]


def test_of_equal_boxes_with_equal_scores_one_stays() -> None:
    boxes = np.tile(np.array([[0, 0, 9, 9]], np.float32), (5, 1))
    assert len(suppress(boxes, np.full(5, 0.5, np.float32))) == 1


def test_no_boxes() -> None:
    assert suppress(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) == []


@settings(deadline=None, max_examples=50)
@given(
    corners=arrays(np.float32, (12, 2), elements=st.integers(0, 30)),
    extents=arrays(np.float32, (12, 2), elements=st.integers(0, 30)),
    scores=arrays(np.float32, 12, elements=st.integers(0, 5)),
)
def test_suppression_leaves_the_best_of_each_crowd(
    corners: np.ndarray, extents: np.ndarray, scores: np.ndarray
) -> None:
    boxes = np.concatenate([corners, corners + extents], axis=1)
    kept = suppress(boxes, scores)
    assert scores[kept].tolist() == sorted(scores[kept], reverse=True)
    for i in range(len(boxes)):
        covered_by = [j for j in kept if j != i and overlap(boxes[i], boxes[j]) > NMS_IOU + 1e-6]
        assert not covered_by if i in kept else max(scores[covered_by]) >= scores[i]


# ---- from the photo


@pytest.mark.parametrize("classes", [1, 80])
@pytest.mark.parametrize("size", [(64, 64), (96, 64), (64, 128)])
def test_a_network_of_any_size_and_number_of_classes(
    tmp_path: Path, photo: Image, classes: int, size: tuple[int, int]
) -> None:
    boxes, scores = np.array([[4.0, 8.0, 20.0, 40.0], [30.0, 10.0, 50.0, 42.0]]), np.array([0.5, 0.75])
    session = open_session(tiny_onnx.yolox(tmp_path / "tiny.onnx", boxes, scores, classes, size), "cpu")
    people = look(session, SPEC, photo, 0.3, Timer())
    ratio = min(size[0] / 160, size[1] / 120)
    assert [person.score for person in people] == [0.75, 0.5]
    np.testing.assert_allclose([sides(person) for person in people], boxes[::-1] / ratio, rtol=1e-5)


def test_a_network_with_suppression_in_its_graph(tmp_path: Path, photo: Image) -> None:
    boxes = np.array([[4.0, 8.0, 20.0, 40.0], [4.0, 8.0, 20.0, 40.0]])
    path = tiny_onnx.detections(tmp_path / "tiny.onnx", boxes, np.array([0.5, 0.75]), np.array([0, 0]))
    people = look(open_session(path, "cpu"), SPEC, photo, 0.3, Timer())
    assert people == [PersonBox(10.0, 20.0, 50.0, 100.0, 0.75), PersonBox(10.0, 20.0, 50.0, 100.0, 0.5)]


def test_every_stage_is_timed(tmp_path: Path, photo: Image) -> None:
    session = open_session(tiny_onnx.yolox(tmp_path / "tiny.onnx", np.zeros((0, 4)), np.zeros(0)), "cpu")
    timer = Timer()
    assert look(session, SPEC, photo, 0.3, timer) == []
    assert list(timer.seconds) == ["letterbox", "detector", "nms"]


@pytest.mark.parametrize("photo_size", [(1, 1), (1, 2000), (2000, 1)])
def test_photos_of_odd_shapes(tmp_path: Path, photo_size: tuple[int, int]) -> None:
    session = open_session(tiny_onnx.yolox(tmp_path / "tiny.onnx", np.array([[0, 0, 64, 64]]), np.ones(1)), "cpu")
    (person,) = look(session, SPEC, np.zeros((*photo_size, 3), np.uint8), 0.3, Timer())
    np.testing.assert_allclose(sides(person), [0, 0, max(photo_size), max(photo_size)], atol=1e-3)


@pytest.mark.parametrize(("channels", "first"), [("rgb", 10), ("bgr", 30)])
def test_the_network_sees_bytes_in_the_asked_order(tmp_path: Path, channels: ChannelOrder, first: int) -> None:
    session = open_session(tiny_onnx.seen_colour(tmp_path / "tiny.onnx", (0, 0, 8, 8)), "cpu")
    photo = np.full((64, 64, 3), (10, 20, 30), np.uint8)
    (person,) = look(session, DetectorSpec(channels=channels), photo, 0.0, Timer())
    assert person.score == first


def test_planes_of_a_letterboxed_photo() -> None:
    photo = np.full((32, 64, 3), (10, 20, 30), np.uint8)
    planes = letterbox_planes(photo, SQUARE, "bgr")
    assert planes[0, :, 0, 0].tolist() == [30, 20, 10]
    assert (planes[0, :, 32:] == 114).all()


def test_the_graphs_own_size_wins(tmp_path: Path) -> None:
    fixed = open_session(tiny_onnx.answering(tmp_path / "f.onnx", {"o": np.ones(1, np.float32)}, (1, 3, 32, 96)), "cpu")
    left_open = open_session(tiny_onnx.answering(tmp_path / "o.onnx", {"o": np.ones(1, np.float32)}), "cpu")
    spec = DetectorSpec(input_size=Size(416, 256))
    assert input_size(fixed, spec) == Size(96, 32)
    assert input_size(left_open, spec) == Size(416, 256)
