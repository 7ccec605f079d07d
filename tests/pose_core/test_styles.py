"""Which shapes a person becomes, in which order and colour, and the quirks that are kept on purpose."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest

from pose_core.openpose import OpenPosePerson, OpenPoseScene, keep_parts, openpose_people
from pose_core.styles import PALETTE, STYLES, Disc, Limb, Line, Shape
from pose_core.styles.dwpose import through_fractions
from pose_core.styles.shapes import (
    ANIMAL_COLOUR,
    ANIMAL_EDGES,
    BODY_EDGES,
    FACE_COLOUR,
    FEET_EDGES,
    FEET_JOINT_COLOUR,
    FEET_LIMB_COLOUR,
    HAND_COLOUR,
    HAND_EDGES,
    HAND_JOINT_COLOUR,
    JOINT_COLOUR,
    LIMB_COLOUR,
)
from pose_core.styles.xinsir import thickness
from pose_core.types import Size
from tests.golden.skeleton_maps import figure

SIZE = Size(640, 480)
THRESHOLD = 0.3

every_style = pytest.mark.parametrize("style", STYLES)


def person(x: float = 300.0) -> OpenPosePerson:
    """Somebody of whom everything shows, standing at x."""
    (whole,) = openpose_people(figure(x, 240.0, 1.5)[None])
    return whole


def drawn(style: str, *people: OpenPosePerson, size: Size = SIZE, threshold: float = THRESHOLD) -> list[Shape]:
    return list(STYLES[style](OpenPoseScene(size, people), threshold))


def summary(shapes: list[Shape]) -> list[tuple[str, int]]:
    """Runs of equal kinds: [("Limb", 17), ("Disc", 18), ...]."""
    return [(name, len(list(run))) for name, run in groupby(type(shape).__name__ for shape in shapes)]


def part(count: int, **points: tuple[float, float]) -> np.ndarray:
    """A part of which only the named points (p0, p17) show."""
    rows = np.zeros((count, 3))
    for name, (x, y) in points.items():
        rows[int(name[1:])] = x, y, 0.9
    return rows


def hand_only(hand: np.ndarray) -> OpenPosePerson:
    return OpenPosePerson(body=None, left_hand=hand)


def body_only(**points: tuple[float, float]) -> OpenPosePerson:
    return OpenPosePerson(body=part(18, **points))


# ---- colours


def test_the_palette_in_numbers() -> None:
    assert PALETTE[0].tolist() == [0, 0, 0]
    assert PALETTE[JOINT_COLOUR].tolist() == [255, 0, 0]
    assert PALETTE[JOINT_COLOUR + 1].tolist() == [255, 85, 0]
    assert PALETTE[JOINT_COLOUR + 17].tolist() == [255, 0, 85]
    assert PALETTE[HAND_JOINT_COLOUR].tolist() == [0, 0, 255]
    assert PALETTE[FACE_COLOUR].tolist() == [255, 255, 255]
    assert len(PALETTE) == ANIMAL_COLOUR + len(ANIMAL_EDGES)


def test_limbs_have_their_joints_colours_at_60_percent() -> None:
    full = PALETTE[JOINT_COLOUR : JOINT_COLOUR + 17].astype(int)
    dimmed = PALETTE[LIMB_COLOUR : LIMB_COLOUR + 17].astype(int)
    np.testing.assert_array_equal(dimmed, full * 6 // 10)
    np.testing.assert_array_equal(
        PALETTE[FEET_LIMB_COLOUR : FEET_LIMB_COLOUR + 2], PALETTE[FEET_JOINT_COLOUR:ANIMAL_COLOUR].astype(int) * 6 // 10
    )


def test_hands_go_once_around_the_colour_wheel() -> None:
    """As OpenCV rounds the wheel's floats."""
    wheel = [
        *((255, 0, 0), (255, 77, 0), (255, 153, 0), (255, 229, 0), (204, 255, 0)),
        *((128, 255, 0), (51, 255, 0), (0, 255, 25), (0, 255, 102), (0, 255, 179)),
        *((0, 255, 255), (0, 178, 255), (0, 102, 255), (0, 25, 255), (51, 0, 255)),
        *((128, 0, 255), (204, 0, 255), (255, 0, 230), (255, 0, 153), (255, 0, 77)),
    ]
    assert [tuple(colour) for colour in PALETTE[HAND_COLOUR : HAND_COLOUR + 20].tolist()] == wheel


# ---- edges


def test_every_point_is_reached_by_its_edges() -> None:
    assert {point for edge in BODY_EDGES for point in edge} == set(range(18))
    assert len(BODY_EDGES) == 17
    assert [HAND_EDGES[i] for i in (0, 3, 4, 19)] == [(0, 1), (3, 4), (0, 5), (19, 20)]
    assert {end for _, end in HAND_EDGES} == set(range(1, 21))
    assert {end for _, end in FEET_EDGES} == set(range(6))


# ---- order


def test_controlnet_draws_person_by_person() -> None:
    body = [("Limb", 17), ("Disc", 18)]
    feet = [("Limb", 6), ("Disc", 6)]
    hands_and_face = [("Line", 20), ("Disc", 21), ("Line", 20), ("Disc", 21 + 70)]
    one = summary(drawn("controlnet", keep_parts(person(), ("body", "hands", "face"))))
    assert one == body + hands_and_face
    assert summary(drawn("controlnet", person(), person())) == (body + feet + hands_and_face) * 2


def test_dwpose_draws_part_by_part() -> None:
    whole = keep_parts(person(), ("body", "hands", "face"))
    hand = [("Line", 20), ("Disc", 21)]
    shapes = drawn("dwpose", whole, whole)
    assert summary(shapes) == [("Limb", 34), ("Disc", 36), *hand * 3, ("Line", 20), ("Disc", 21 + 2 * 68)]
    assert [shape.colour for shape in shapes[:4]] == [LIMB_COLOUR, LIMB_COLOUR, LIMB_COLOUR + 1, LIMB_COLOUR + 1]
    assert [shape.colour for shape in shapes[34:37]] == [JOINT_COLOUR, JOINT_COLOUR, JOINT_COLOUR + 1]


def test_dwpose_draws_all_left_hands_before_the_right_ones() -> None:
    left, right = hand_only(part(21, p0=(10, 10))), OpenPosePerson(body=None, right_hand=part(21, p0=(20, 10)))
    both = replace(left, right_hand=part(21, p0=(30, 10)))
    xs = [shape.x for shape in drawn("dwpose", both, left, right) if isinstance(shape, Disc)]
    assert xs == [10, 10, 30, 20]


def test_with_one_person_dwpose_leaves_out_the_pupils_only() -> None:
    whole = person()
    shapes = drawn("controlnet", whole)
    assert [shape for shape in shapes if shape.colour == FACE_COLOUR][-2:] == shapes[-2:]
    np.testing.assert_allclose(
        [shape[:2] for shape in drawn("dwpose", whole)], [shape[:2] for shape in shapes[:-2]], atol=1e-9
    )
    assert [shape.colour for shape in drawn("dwpose", whole)] == [shape.colour for shape in shapes[:-2]]


@pytest.mark.parametrize(
    ("longest", "times"),
    [(1, 1), (499, 1), (500, 2), (999, 2), (1000, 3), (1999, 3), (2000, 4), (4999, 6), (5000, 7), (20_000, 7)],
)
def test_xinsir_thickens_limbs_with_the_canvas(longest: int, times: int) -> None:
    for size in (Size(longest, 1), Size(1, longest)):
        assert thickness(size) == times
        limbs = [shape for shape in drawn("xinsir", person(), size=size) if isinstance(shape, Limb)]
        assert {limb.half_width for limb in limbs} == {4 * times}


def test_xinsir_is_controlnet_but_for_the_thickness() -> None:
    thin = [shape._replace(half_width=4) if isinstance(shape, Limb) else shape for shape in drawn("xinsir", person())]
    assert thin == drawn("controlnet", person())


# ---- shapes


@every_style
def test_a_limb_goes_from_joint_to_joint(style: str) -> None:
    """Limb 2 is the right upper arm: from point 2 to point 3."""
    limb, *joints = drawn(style, body_only(p2=(64, 32), p3=(128, 96)), size=Size(256, 256))
    assert limb == Limb(64, 32, 128, 96, 4, LIMB_COLOUR + 2)
    assert joints == [Disc(64, 32, 4, JOINT_COLOUR + 2), Disc(128, 96, 4, JOINT_COLOUR + 3)]


@every_style
def test_a_bone_goes_from_joint_to_joint(style: str) -> None:
    bone, *joints = drawn(style, hand_only(part(21, p19=(64, 32), p20=(128, 96))), size=Size(256, 256))
    assert bone == Line(64, 32, 128, 96, HAND_COLOUR + 19)
    assert joints == [Disc(64, 32, 4, HAND_JOINT_COLOUR), Disc(128, 96, 4, HAND_JOINT_COLOUR)]


@every_style
def test_a_face_is_white_dots(style: str) -> None:
    shapes = drawn(style, OpenPosePerson(body=None, face=part(70, p67=(64, 32))), size=Size(256, 256))
    assert shapes == [Disc(64, 32, 3, FACE_COLOUR)]


@every_style
def test_nobody_is_nothing(style: str) -> None:
    assert drawn(style) == []
    assert drawn(style, OpenPosePerson(body=None), OpenPosePerson(body=np.zeros((18, 3)))) == []


# ---- what shows


@every_style
def test_a_hidden_joint_takes_its_limbs_with_it(style: str) -> None:
    hidden = person()
    assert hidden.body is not None
    hidden.body[1, 2] = THRESHOLD - 0.01  # the neck, where five limbs meet
    shapes = drawn(style, keep_parts(hidden, ["body"]))
    assert summary(shapes) == [("Limb", 12), ("Disc", 17)]
    assert LIMB_COLOUR not in {shape.colour for shape in shapes}


@every_style
def test_everything_hides_above_its_score(style: str) -> None:
    assert drawn(style, person(), threshold=0.91) == []
    assert drawn(style, person(), threshold=0.0) == drawn(style, person(), threshold=0.89)


@every_style
@pytest.mark.parametrize(
    ("x", "y", "shows"), [(1.0, 1.0, True), (0.99, 50.0, False), (50.0, 0.99, False), (-5.0, 9.0, False)]
)
def test_hands_and_faces_leave_out_the_first_row_and_column(style: str, x: float, y: float, *, shows: bool) -> None:
    """A quirk of the reference; bodies do not have it."""
    away = {"p1": (64.0, 64.0)}
    hand, face = part(21, p0=(x, y), **away), part(70, p0=(x, y), **away)
    shapes = drawn(style, replace(hand_only(hand), face=face), size=Size(256, 256))
    assert summary(shapes) == ([("Line", 1), ("Disc", 4)] if shows else [("Disc", 2)])
    assert len(drawn(style, body_only(p0=(x, y), **away))) == 3


# ---- feet


@every_style
def test_feet_are_drawn_only_when_they_are_there(style: str) -> None:
    with_feet, without = person(), keep_parts(person(), ("body", "hands", "face"))
    extra = len(drawn(style, with_feet)) - len(drawn(style, without))
    assert extra == 6 + 6
    colours = {shape.colour for shape in drawn(style, without)}
    assert not colours & set(range(FEET_LIMB_COLOUR, FEET_JOINT_COLOUR + 2))


@every_style
def test_feet_hang_on_their_own_ankles(style: str) -> None:
    whole = person()
    assert whole.body is not None
    assert whole.feet is not None
    left_ankle, right_ankle = whole.body[13, :2], whole.body[10, :2]
    limbs = [s for s in drawn(style, keep_parts(whole, ("body", "feet"))) if isinstance(s, Limb)][-6:]
    assert [limb.colour for limb in limbs] == [FEET_LIMB_COLOUR] * 3 + [FEET_LIMB_COLOUR + 1] * 3
    starts = [left_ankle, whole.feet[0, :2], left_ankle, right_ankle, whole.feet[3, :2], right_ankle]
    np.testing.assert_allclose([limb[:2] for limb in limbs], starts)
    np.testing.assert_allclose([limb[2:4] for limb in limbs], whole.feet[[0, 1, 2, 3, 4, 5], :2])


@every_style
def test_feet_without_a_body_are_toes_and_heels(style: str) -> None:
    assert summary(drawn(style, keep_parts(person(), ["feet"]))) == [("Limb", 2), ("Disc", 6)]


# ---- odd coordinates


@pytest.mark.parametrize("style", ["controlnet", "xinsir"])
def test_a_part_within_the_first_pixel_is_taken_for_normalised(style: str) -> None:
    """Each part is judged on its own, by the points that show."""
    body = part(18, p0=(0.5, 0.25), p14=(-1.0, 1.0))
    body[17] = 500, 400, 0.1
    limb, *joints = drawn(style, OpenPosePerson(body=body, left_hand=part(21, p0=(320, 240))))
    assert limb[:4] == (320, 120, -640, 480)
    assert [joint[:2] for joint in joints] == [(320, 120), (-640, 480), (320, 240)]


@pytest.mark.parametrize("style", ["controlnet", "xinsir"])
def test_one_shown_point_outside_makes_pixels_of_all(style: str) -> None:
    assert drawn(style, body_only(p0=(0.5, 0.25), p5=(1.5, 0.5)))[0][:2] == (0.5, 0.25)


def test_dwpose_takes_every_coordinate_for_pixels() -> None:
    assert drawn("dwpose", body_only(p0=(0.5, 0.25)))[0][:2] == (0.5, 0.25)


def test_dwpose_rounds_through_fractions_of_the_canvas() -> None:
    """A quirk of the reference, which moves some whole coordinates to the pixel before."""
    columns = np.arange(1001.0)
    pixels = np.stack([columns, columns], axis=-1)
    rounded = through_fractions(pixels, np.ones(1001, bool), Size(1001, 1024))
    np.testing.assert_allclose(rounded, pixels, rtol=1e-15)
    moved = np.flatnonzero(rounded[:, 0].astype(int) < columns)
    assert moved[:3].tolist() == [255, 503, 507]
    np.testing.assert_array_equal(rounded[:, 1], columns)  # a power of two is exact


@every_style
@pytest.mark.parametrize("far", [1e9, -1e9, 1e300])
def test_far_away_coordinates_are_pulled_back(style: str, far: float) -> None:
    limb, *_ = drawn(style, body_only(p0=(far, 50.0), p1=(100.0, 50.0)))
    assert abs(limb[0]) == abs(limb[2]) or limb[0] == 100
    assert max(abs(value) for value in limb[:4]) == 2**24


@pytest.mark.parametrize("style", STYLES)
def test_animals_are_lines_between_points_that_show(style: str) -> None:
    """Eyes, nose, neck and tail: the triangle of the head, the neck and the back."""
    animal = np.zeros((17, 3))
    animal[:5] = (10, 10, 1), (30, 10, 0.3), (20, 20, 0.9), (20, 40, 0.5), (90, 40, 0.29)
    scene = OpenPoseScene(Size(100, 100), (), (animal,))
    assert list(STYLES[style](scene, 0.3)) == [
        Line(10, 10, 30, 10, ANIMAL_COLOUR, 5),
        Line(30, 10, 20, 20, ANIMAL_COLOUR + 1, 5),
        Line(10, 10, 20, 20, ANIMAL_COLOUR + 2, 5),
        Line(20, 20, 20, 40, ANIMAL_COLOUR + 3, 5),
    ]
    (back,) = list(STYLES[style](scene, 0.2))[4:]
    assert back == Line(20, 40, 90, 40, ANIMAL_COLOUR + 10, 5)


@pytest.mark.parametrize("style", STYLES)
def test_an_animal_of_which_nothing_shows(style: str) -> None:
    assert list(STYLES[style](OpenPoseScene(Size(9, 9), (), (np.zeros((17, 3)),)), 0.0)) == []


def test_every_line_of_an_animal_has_a_colour() -> None:
    animal = np.column_stack([np.arange(34).reshape(17, 2), np.ones(17)])
    lines = list(STYLES["controlnet"](OpenPoseScene(Size(40, 40), (), (animal,)), 0.3))
    assert [line.colour for line in lines] == [ANIMAL_COLOUR + number for number in range(17)]
    assert PALETTE[ANIMAL_COLOUR].tolist() == [255, 255, 255]
    assert PALETTE[ANIMAL_COLOUR + 16].tolist() == [150, 150, 150]
