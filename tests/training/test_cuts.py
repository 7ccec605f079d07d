"""Where a photo is cut: always across the person, never to nothing."""

import numpy as np
import pytest

from pose_core.schemes import WHOLE_BODY
from pose_core.types import PersonBox, Size
from training.data.cuts import LEAST_PX, MARGINS, Window, draw_around, draw_window, whole
from training.data.parts import HEAD, points_of

PHOTO = Size(300, 400)
BOX = PersonBox(50.0, 40.0, 250.0, 380.0)


def keypoints_at(points: dict[int, tuple[float, float]]) -> np.ndarray:
    keypoints = np.zeros((133, 3), np.float32)
    for number, place in points.items():
        keypoints[number] = (*place, 1)
    return keypoints


FIGURE = keypoints_at(
    {
        **{number: (150 + 4 * number, 60) for number in range(5)},
        **{number: (100 + 20 * (number % 2), 40 + 30 * (number - 4)) for number in range(5, 17)},
    }
)


def test_windows_cut_the_person(rng: np.random.Generator) -> None:
    cut = 0
    for _ in range(300):
        window = draw_window(FIGURE, BOX, PHOTO, rng)
        left = window.clip(BOX)
        assert 0 <= window.left < window.right <= 300
        assert 0 <= window.top < window.bottom <= 400
        assert min(left.right - left.left, left.bottom - left.top) >= LEAST_PX
        assert left.area <= BOX.area
        cut += left.area < BOX.area
    assert cut > 250, "a margin around half a figure may hold all of it"


def test_portraits_hold_the_head(rng: np.random.Generator) -> None:
    window = draw_around(FIGURE[points_of(HEAD, WHOLE_BODY)], MARGINS["head"], rng)
    assert window is not None
    assert window.left < 150
    assert window.right > 166
    assert window.top < 60 < window.bottom


def test_too_few_labels_make_no_portrait(rng: np.random.Generator) -> None:
    head = keypoints_at({0: (10, 10), 1: (12, 10)})[points_of(HEAD, WHOLE_BODY)]
    assert draw_around(head, MARGINS["head"], rng) is None


def test_without_labels_one_side_is_cut_off(rng: np.random.Generator) -> None:
    for _ in range(50):
        window = draw_window(np.zeros((133, 3), np.float32), BOX, PHOTO, rng)
        edges = [window.left > 0, window.top > 0, window.right < 300, window.bottom < 400]
        assert sum(edges) == 1


def test_a_tiny_person_is_left_whole(rng: np.random.Generator) -> None:
    tiny = PersonBox(10.0, 10.0, 20.0, 20.0)
    assert draw_window(np.zeros((133, 3), np.float32), tiny, PHOTO, rng) == whole(PHOTO)


@pytest.mark.parametrize(("point", "held"), [((9, 9), True), ((10, 9), False), ((0, 0), True), ((-1, 4), False)])
def test_a_window_holds_what_is_on_its_pixels(point: tuple[float, float], *, held: bool) -> None:
    assert Window(0, 0, 10, 10).holds(np.array([point], np.float32)).tolist() == [held]
