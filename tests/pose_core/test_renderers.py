"""Pixels: the peers' maps, our own golden ones, single shapes by hand, and the three surfaces agreeing."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest

from pose_core.openpose import OpenPosePerson, OpenPoseScene, keep_parts, openpose_people
from pose_core.renderers import render_map, render_overlay, render_svg
from pose_core.renderers.raster import limb_polygon
from pose_core.skeleton import Part
from pose_core.styles import PALETTE, STYLES, Disc, Limb, Line, Shape
from pose_core.styles.shapes import HAND_COLOUR, JOINT_COLOUR, LIMB_COLOUR
from pose_core.types import Image, Size
from tests.golden import skeleton_maps

SIZE = Size(40, 30)
FLAGS: dict[Part, str] = {"body": "body", "hands": "hand", "face": "face"}
GOLDEN = Path(__file__).parents[1] / "golden"

every_style = pytest.mark.parametrize("style", STYLES)


def drawn(*shapes: Shape, size: Size = SIZE) -> np.ndarray:
    """The colour numbers of a map."""
    return render_map(shapes, size).indices


def golden_shapes(style: str) -> list[Shape]:
    return list(STYLES[style](skeleton_maps.scene(), skeleton_maps.THRESHOLD))


# ---- parity


@pytest.fixture(scope="module")
def render(shared: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    folder = shared / "oracles" / "render"
    return json.loads((folder / "index.json").read_text()), dict(np.load(folder / "inputs.npz"))


@pytest.mark.shared
@pytest.mark.parametrize("case", range(26))
def test_maps_equal_the_peers(render: tuple[dict[str, Any], dict[str, np.ndarray]], case: int) -> None:
    """The demo of the DWPose authors has no switches: it always draws body, hands and face."""
    index, inputs = render
    about = index["cases"][case]
    name, size = about["name"], Size(about["W"], about["H"])
    keypoints = np.concatenate([inputs[f"{name}_kp"], inputs[f"{name}_sc"].astype(np.float64)[..., None]], axis=-1)
    people = openpose_people(keypoints)
    asked = [part for part, flag in FLAGS.items() if about[flag]]
    for peer, style, parts in (
        ("sdwebui", "controlnet", asked),
        ("comfy_canvas", "xinsir" if about["xinsr"] else "controlnet", asked),
        ("idea", "dwpose", list(FLAGS)),
    ):
        scene = OpenPoseScene(size, tuple(keep_parts(person, parts) for person in people))
        rgb = render_map(STYLES[style](scene, 0.3), size).rgb
        digest = hashlib.sha256(rgb.tobytes()).hexdigest()[:24]
        assert digest == index["sha256_24_of_RGB_bytes"][f"{name}.{peer}"].split()[0], peer


# ---- golden


@every_style
def test_maps_equal_the_golden_ones(style: str) -> None:
    golden = cv2.imread(str(GOLDEN / f"{style}.png"))
    assert golden is not None
    rendered = render_map(golden_shapes(style), skeleton_maps.SIZE).rgb
    np.testing.assert_array_equal(rendered, golden[..., ::-1])


# ---- single shapes


def test_an_empty_map_is_black() -> None:
    empty = render_map([], SIZE)
    assert empty.rgb.shape == (30, 40, 3)
    assert not empty.rgb.any()


def test_a_disc_is_filled_to_its_radius() -> None:
    number = JOINT_COLOUR + 3
    row = drawn(Disc(20.9, 10.9, 4, number))[10]  # 20.9 is cut to 20
    assert np.flatnonzero(row).tolist() == list(range(16, 25))
    assert set(row[16:25].tolist()) == {number}
    assert render_map([Disc(20.0, 10.0, 4, number)], SIZE).rgb[10, 20].tolist() == [255, 255, 0]


def test_coordinates_are_cut_towards_zero() -> None:
    np.testing.assert_array_equal(drawn(Disc(-0.9, 5.9, 3, 1)), drawn(Disc(0.0, 5.0, 3, 1)))


def test_a_line_is_two_pixels_wide_and_rounded() -> None:
    columns = (drawn(Line(10.0, 10.0, 10.0, 20.0, HAND_COLOUR)) > 0).sum(axis=1)
    assert set(columns[10:21].tolist()) <= {2, 3}
    assert columns[:9].sum() == columns[22:].sum() == 0


def test_a_limb_is_an_ellipse_between_its_ends() -> None:
    limb = drawn(Limb(5.0, 15.0, 35.0, 15.0, 4, LIMB_COLOUR)) > 0
    assert limb[15, 5:36].all()
    assert limb[:, 20].sum() == 9  # twice the half width, and the middle
    assert limb[:, 5].sum() < 5
    assert limb.sum() == pytest.approx(np.pi * 15.5 * 4.5, rel=0.1)


@pytest.mark.parametrize(
    ("limb", "width", "height"),
    [
        (Limb(0.0, 0.0, 20.0, 0.0, 4, 1), 20, 8),
        (Limb(0.0, 0.0, 0.0, 20.0, 4, 1), 8, 20),
        (Limb(5.0, 5.0, 5.0, 5.0, 4, 1), 0, 8),  # a point: as high as any limb, but without width
    ],
)
def test_a_limbs_polygon_reaches_from_end_to_end(limb: Limb, width: int, height: int) -> None:
    assert np.ptp(limb_polygon(limb), axis=0).tolist() == [width, height]


def test_a_limb_is_cut_to_whole_pixels_and_degrees() -> None:
    """Half the length, the middle and the angle lose their fractions, as in the reference."""
    exact = limb_polygon(Limb(20.0, 0.0, 0.0, 0.0, 4, 1))
    np.testing.assert_array_equal(limb_polygon(Limb(20.25, 0.5, 0.25, 0.25, 4, 1)), exact)


def test_later_shapes_cover_earlier_ones() -> None:
    lower, upper = Disc(10.0, 10.0, 4, 1), Disc(12.0, 10.0, 4, 2)
    assert drawn(lower, upper)[10, 11] == 2
    assert drawn(upper, lower)[10, 11] == 1


def test_later_people_cover_earlier_ones() -> None:
    def at(x: float) -> OpenPosePerson:
        (person,) = openpose_people(skeleton_maps.figure(x, 128.0, 1.0)[None])
        return person

    def nose(*people: OpenPosePerson) -> list[int]:
        size = Size(192, 256)
        return render_map(STYLES["controlnet"](OpenPoseScene(size, people), 0.3), size).rgb[28, 101].tolist()

    assert nose(at(100), at(107)) == [255, 255, 255]  # the edge of the second face
    assert nose(at(107), at(100)) == [255, 0, 0]  # the first nose


# ---- far away and tiny


@every_style
def test_a_one_pixel_canvas(style: str) -> None:
    rgb = render_map(golden_shapes(style), Size(1, 1)).rgb
    assert rgb.shape == (1, 1, 3)


@every_style
def test_an_extreme_canvas(style: str) -> None:
    scene = OpenPoseScene(Size(5000, 2), skeleton_maps.scene().people)
    assert render_map(STYLES[style](scene, 0.3), scene.size).indices.shape == (2, 5000)


@every_style
@pytest.mark.parametrize("far", [1e9, -1e9, 1e300])
def test_far_away_points_are_drawn_quickly(style: str, far: float) -> None:
    (person,) = skeleton_maps.scene().people[:1]
    assert person.body is not None
    assert person.left_hand is not None
    person.body[::2, 0] = far
    person.left_hand[::2, 1] = far
    start = time.perf_counter()
    indices = render_map(STYLES[style](OpenPoseScene(SIZE, (person,)), 0.3), SIZE).indices
    assert indices.shape == (30, 40)
    assert time.perf_counter() - start < 1


# ---- the surfaces agree


@every_style
def test_numbers_drawn_are_colours_drawn(style: str) -> None:
    """Drawing colour numbers loses nothing against drawing RGB on black."""
    size = skeleton_maps.SIZE
    black = np.zeros((size.height, size.width, 3), np.uint8)
    np.testing.assert_array_equal(
        render_overlay(golden_shapes(style), black), render_map(golden_shapes(style), size).rgb
    )


def test_an_overlay_changes_the_drawn_pixels_of_a_copy(photo: Image) -> None:
    before = photo.copy()
    shapes: list[Shape] = [Disc(30.0, 40.0, 4, JOINT_COLOUR), Limb(80.0, 60.0, 120.0, 90.0, 4, LIMB_COLOUR)]
    over = render_overlay(shapes, photo)
    skeleton = render_map(shapes, Size.of(photo))
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(over[skeleton.indices == 0], photo[skeleton.indices == 0])
    np.testing.assert_array_equal(over[skeleton.indices > 0], skeleton.rgb[skeleton.indices > 0])


def test_an_overlay_of_nobody_is_the_photo(photo: Image) -> None:
    over = render_overlay([], photo)
    np.testing.assert_array_equal(over, photo)
    assert not np.shares_memory(over, photo)


def test_the_palette_is_shared_and_black_first() -> None:
    assert render_map([], SIZE).palette is PALETTE
    assert len(PALETTE) < 256


# ---- svg


def parse(svg: str) -> list[tuple[str, dict[str, str]]]:
    """Tag and attributes of the document and of everything in it."""
    root = ET.fromstring(svg)  # noqa: S314 - written by us
    return [(element.tag.removeprefix("{http://www.w3.org/2000/svg}"), element.attrib) for element in root.iter()]


@every_style
def test_a_vector_graphic_has_one_element_per_shape(style: str) -> None:
    kinds = {Limb: "ellipse", Disc: "circle", Line: "line"}
    shapes = golden_shapes(style)
    document, background, *elements = parse(render_svg(shapes, skeleton_maps.SIZE))
    assert document == ("svg", {"width": "384", "height": "512", "viewBox": "0 0 384 512"})
    assert background == ("rect", {"width": "100%", "height": "100%", "fill": "#000000"})
    assert [tag for tag, _ in elements] == [kinds[type(shape)] for shape in shapes]
    for (_, attributes), shape in zip(elements, shapes, strict=True):
        colour = attributes.get("fill") or attributes["stroke"]
        assert colour == "#{:02x}{:02x}{:02x}".format(*PALETTE[shape.colour].tolist())


def test_a_line_has_its_width_on_every_surface() -> None:
    line = Line(10.0, 5.0, 10.0, 25.0, HAND_COLOUR, 5)
    by_opencv = cv2.line(np.zeros((SIZE.height, SIZE.width), np.uint8), (10, 5), (10, 25), HAND_COLOUR, 5)
    np.testing.assert_array_equal(drawn(line), by_opencv)
    ((_, attributes),) = parse(render_svg([line], SIZE))[2:]
    assert attributes["stroke-width"] == "5"


def test_vector_coordinates_are_not_cut() -> None:
    svg = render_svg([Disc(1.25, 2.5, 4, 1), Line(0.0, 0.5, 10.75, 20.0, 2), Limb(0.0, 1.0, 3.0, 5.0, 4, 3)], SIZE)
    circle, line, ellipse = (attributes for _, attributes in parse(svg)[2:])
    assert circle == {"cx": "1.25", "cy": "2.50", "r": "4", "fill": "#ff0000"}
    assert line == {
        "x1": "0.00",
        "y1": "0.50",
        "x2": "10.75",
        "y2": "20.00",
        "stroke": "#ff5500",
        "stroke-width": "2",
    }
    assert ellipse == {
        "cx": "1.50",
        "cy": "3.00",
        "rx": "2.50",
        "ry": "4",
        "fill": "#ffaa00",
        "transform": "rotate(-126.87 1.50 3.00)",
    }


def test_a_vector_graphic_of_nobody() -> None:
    assert [tag for tag, _ in parse(render_svg([], Size(1, 1)))] == ["svg", "rect"]
