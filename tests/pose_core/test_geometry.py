"""Every transform: the reference's numbers, numbers by hand, and there and back again."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_core.geometry import (
    CropRegion,
    Fit,
    Placement,
    crop_image,
    crop_matrix,
    crop_region,
    crop_to_photo,
    fill_tensor,
    letterbox,
    letterbox_ratio,
    letterbox_to_photo,
    normalise_table,
    photo_on_canvas,
    photo_to_crop,
    pixel_perfect_resolution,
    place,
    shorter_side_size,
)
from pose_core.types import Image, PersonBox, Size

LOW = Size(192, 256)
HIGH = Size(288, 384)
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
FITS: list[Fit] = ["contain", "cover", "stretch"]

boxes = st.builds(
    lambda left, top, width, height: PersonBox(left, top, left + width, top + height),
    st.floats(-500, 5000),
    st.floats(-500, 5000),
    st.floats(1, 4000),
    st.floats(1, 4000),
)
sizes = st.builds(Size, st.integers(1, 3000), st.integers(1, 3000))
colours = st.integers(0, 255)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:24]


def tensor_of(image: Image) -> np.ndarray:
    tensor = np.empty((3, *image.shape[:2]), np.float32)
    fill_tensor(image, normalise_table(MEAN, STD), tensor)
    return tensor


# ---- parity


@pytest.fixture(scope="module")
def recorded(shared: Path) -> dict[str, Any]:
    oracle: dict[str, Any] = json.loads((shared / "oracles" / "prepost" / "oracle.json").read_text())
    return oracle


@pytest.fixture(scope="module")
def pictures(shared: Path) -> dict[str, Image]:
    """The recordings' pictures, in OpenCV's colour order as they were recorded."""
    paths = (shared / "oracles" / "prepost" / "pictures").glob("*.png")
    return {path.name: np.asarray(cv2.imread(str(path))) for path in paths}


@pytest.fixture(scope="module")
def mmpose(shared: Path) -> dict[str, np.ndarray]:
    return dict(np.load(shared / "oracles" / "dwpose" / "geometry.npz"))


@pytest.mark.shared
@pytest.mark.parametrize("case", range(90))
def test_crops_equal_the_pre_processors(recorded: dict[str, Any], pictures: dict[str, Image], case: int) -> None:
    """Matrix, pixels and network input are the very same bytes."""
    about = recorded["warp"][case]
    size = Size(*about["size"])
    region = crop_region(PersonBox(*about["box"]), size)
    matrix = crop_matrix(region, size)
    crop = crop_image(pictures[about["photo"]], matrix, size)
    assert [region.center_x, region.center_y] == about["center"]
    assert [region.width, region.height] == about["scale"]
    assert matrix.tolist() == about["M"]
    assert digest(crop) == about["crop"]
    assert digest(tensor_of(crop)) == about["tensor_f32"]


@pytest.mark.shared
@pytest.mark.parametrize("case", range(16))
def test_letterbox_equals_the_pre_processors(recorded: dict[str, Any], pictures: dict[str, Image], case: int) -> None:
    about = recorded["letterbox"][case]
    picture = pictures[about["photo"]]
    picture = cv2.resize(picture, None, fx=about["f"], fy=about["f"]) if about["f"] != 1 else picture
    assert digest(picture) == about["src"], "another OpenCV than the recordings'"
    size = Size(640, 640)
    assert letterbox_ratio(Size.of(picture), size) == about["ratio"]
    assert digest(letterbox(picture, size).transpose(2, 0, 1).astype(np.float32)) == about["f32_chw"]


@pytest.mark.shared
@pytest.mark.parametrize(("key", "size"), [("256_192", LOW), ("384_288", HIGH)])
def test_turned_crops_equal_mmpose(mmpose: dict[str, np.ndarray], key: str, size: Size) -> None:
    for i, (box, rotation) in enumerate(zip(mmpose["boxes"], mmpose["rots"], strict=True)):
        region = crop_region(PersonBox(*box.tolist()), size)
        matrix = crop_matrix(region, size, float(rotation))
        np.testing.assert_allclose([region.center_x, region.center_y], mmpose[f"{key}_center"][i], rtol=1e-6)
        np.testing.assert_allclose([region.width, region.height], mmpose[f"{key}_scale"][i], rtol=1e-6)
        np.testing.assert_allclose(matrix[:, :2], mmpose[f"{key}_mat"][i, :, :2], atol=1e-4)
        np.testing.assert_allclose(matrix[:, 2], mmpose[f"{key}_mat"][i, :, 2], atol=1e-3)
        np.testing.assert_allclose(photo_to_crop(mmpose["kps"][i], matrix), mmpose[f"{key}_kps"][i], atol=1e-3)


@pytest.mark.shared
def test_turned_picture_equals_mmpose(mmpose: dict[str, np.ndarray]) -> None:
    size = Size(48, 64)
    crop = crop_image(mmpose["img"], crop_matrix(CropRegion(60.0, 45.0, 90.0, 120.0), size, 30.0), size)
    assert np.abs(crop.astype(int) - mmpose["img_warp_c60_45_s90_120_r30_o48_64"]).max() <= 1


@pytest.mark.shared
def test_back_to_the_photo_equals_mmpose(mmpose: dict[str, np.ndarray]) -> None:
    regions = [crop_region(PersonBox(*mmpose["boxes"][0].tolist()), HIGH)]
    np.testing.assert_allclose(crop_to_photo(mmpose["inv_in"][None], regions, HIGH)[0], mmpose["inv_out"], atol=1e-4)


@pytest.mark.shared
def test_crops_equal_fpd(shared: Path) -> None:
    """FPD's scale is in units of 200 pixels; its inverse is the same three points the other way round."""
    torch = pytest.importorskip("torch")
    cases = torch.load(shared / "oracles" / "fpd_distilpose" / "fpd_data_eval.pt", weights_only=True)["affine"]
    for case in cases:
        (x, y), (width, height) = case["center"], (200 * scale for scale in case["scale"])
        matrix = crop_matrix(CropRegion(x, y, width, height), Size(*case["size"]), case["rot"])
        matrix = cv2.invertAffineTransform(matrix) if case["inv"] else matrix
        np.testing.assert_allclose(matrix, case["matrix"].numpy(), atol=1e-9)


# ---- crops


@pytest.mark.parametrize(
    ("box", "region"),
    [
        (PersonBox(0.0, 0.0, 100.0, 100.0), CropRegion(50.0, 50.0, 125.0, 125 / 0.75)),  # too wide: grows in height
        (PersonBox(10.0, 0.0, 20.0, 200.0), CropRegion(15.0, 100.0, 187.5, 250.0)),  # too high: grows in width
        (PersonBox(0.0, 0.0, 75.0, 100.0), CropRegion(37.5, 50.0, 93.75, 125.0)),  # fits
    ],
)
def test_a_region_is_the_padded_box_in_the_networks_aspect(box: PersonBox, region: CropRegion) -> None:
    assert crop_region(box, LOW) == region
    unpadded = crop_region(box, LOW, padding=1.0)
    assert (unpadded.width * 1.25, unpadded.height * 1.25) == pytest.approx((region.width, region.height))


@settings(deadline=None)
@given(boxes)
def test_a_region_holds_its_box_and_has_the_networks_aspect(box: PersonBox) -> None:
    region = crop_region(box, LOW)
    assert region.width / region.height == pytest.approx(0.75)
    assert region.width >= 1.25 * (box.right - box.left) * (1 - 1e-12)
    assert region.height >= 1.25 * (box.bottom - box.top) * (1 - 1e-12)


def test_the_middle_of_the_region_lands_on_half_the_crop() -> None:
    """No half-pixel shift."""
    matrix = crop_matrix(CropRegion(100.0, 50.0, 96.0, 128.0), LOW)
    np.testing.assert_allclose(matrix, [[2, 0, 192 / 2 - 200], [0, 2, 256 / 2 - 100]], atol=1e-12)


def test_a_turned_region_turns_the_picture_the_other_way() -> None:
    """At 90 degrees the region's upper edge is at the right, so what is right in the photo is up in the crop."""
    matrix = crop_matrix(CropRegion(0.0, 0.0, 192.0, 256.0), LOW, rotation_deg=90.0)
    np.testing.assert_allclose(photo_to_crop(np.array([10.0, 0.0]), matrix), [96, 118], atol=1e-4)


@settings(deadline=None)
@given(box=boxes, size=st.sampled_from([LOW, HIGH, Size(64, 64)]), x=st.floats(0, 1), y=st.floats(0, 1))
def test_to_the_crop_and_back(box: PersonBox, size: Size, x: float, y: float) -> None:
    """As exactly as the reference's float32 corners allow."""
    region = crop_region(box, size)
    inside = (region.center_x + (x - 0.5) * region.width, region.center_y + (y - 0.5) * region.height)
    points = np.array([[inside]])
    there = photo_to_crop(points, crop_matrix(region, size))
    np.testing.assert_allclose(crop_to_photo(there, [region], size), points, atol=5e-3)


def test_people_go_back_through_their_own_regions() -> None:
    regions = [CropRegion(0.0, 0.0, 192.0, 256.0), CropRegion(100.0, 50.0, 96.0, 128.0)]
    points = np.tile(np.array([[96.0, 128.0], [0.0, 0.0]], np.float32), (2, 1, 1))
    assert crop_to_photo(points, regions, LOW).tolist() == [[[0, 0], [-96, -128]], [[100, 50], [52, -14]]]


def test_nobody_goes_back_to_nobody() -> None:
    assert crop_to_photo(np.zeros((0, 133, 2), np.float32), [], LOW).shape == (0, 133, 2)


def test_a_crop_at_full_size_is_the_photo_with_black_around(photo: Image) -> None:
    region = CropRegion(80.0, 60.0, 192.0, 256.0)
    crop = crop_image(photo, crop_matrix(region, LOW), LOW)
    np.testing.assert_array_equal(crop[68:188, 16:176], photo)
    assert crop.sum() == photo.sum()


def test_a_crop_between_pixels_is_bilinear() -> None:
    photo = np.zeros((1, 2, 3), np.uint8)
    photo[0, 1] = 200
    crop = crop_image(photo, np.array([[2.0, 0, 0], [0, 2.0, 0]]), Size(4, 1))
    assert crop[0, :, 0].tolist() == [0, 100, 200, 100]  # halfway to 200, 200, and halfway to the black outside


@pytest.mark.parametrize(
    "box",
    [
        PersonBox(5.0, 5.0, 5.0, 5.0),
        PersonBox(9.0, 9.0, 2.0, 3.0),
        PersonBox(1e9, 1e9, 1e9 + 10, 1e9 + 10),
        PersonBox(-1e9, -1e9, 1e9, 1e9),
    ],
    ids=["a point", "inside out", "far away", "huge"],
)
def test_odd_boxes_give_some_crop(photo: Image, box: PersonBox) -> None:
    region = crop_region(box, LOW)
    assert crop_image(photo, crop_matrix(region, LOW), LOW).shape == (256, 192, 3)
    assert np.isfinite(crop_to_photo(np.zeros((1, 1, 2), np.float32), [region], LOW)).all()


def test_a_one_pixel_photo_is_cropped() -> None:
    pixel = np.full((1, 1, 3), 255, np.uint8)
    region = crop_region(PersonBox(0.0, 0.0, 1.0, 1.0), LOW)
    assert crop_image(pixel, crop_matrix(region, LOW), LOW).max() == 255


# ---- letterbox


@pytest.mark.parametrize(
    ("photo_size", "ratio"),
    [(Size(1280, 640), 0.5), (Size(640, 1280), 0.5), (Size(64, 32), 10.0), (Size(1, 1), 640.0)],
)
def test_letterbox_ratio_fits_the_longer_side(photo_size: Size, ratio: float) -> None:
    assert letterbox_ratio(photo_size, Size(640, 640)) == ratio


@settings(deadline=None, max_examples=30)
@given(width=st.integers(1, 300), height=st.integers(1, 300), colour=colours)
def test_letterbox_puts_the_photo_top_left_on_grey(width: int, height: int, colour: int) -> None:
    size = Size(64, 96)
    canvas = letterbox(np.full((height, width, 3), colour, np.uint8), size)
    ratio = letterbox_ratio(Size(width, height), size)
    right, bottom = max(1, int(width * ratio)), max(1, int(height * ratio))
    assert canvas.shape == (96, 64, 3)
    assert (canvas[:bottom, :right] == colour).all()
    assert (canvas[bottom:] == 114).all()
    assert (canvas[:, right:] == 114).all()


def test_a_photo_of_the_networks_size_is_not_touched(photo: Image) -> None:
    np.testing.assert_array_equal(letterbox(photo, Size(160, 120)), photo)


def test_a_sliver_keeps_one_pixel() -> None:
    canvas = letterbox(np.zeros((1, 50_000, 3), np.uint8), Size(64, 64))
    assert (canvas == 0).all(axis=(1, 2)).tolist() == [True] + [False] * 63


@settings(deadline=None)
@given(photo_size=sizes, box=boxes)
def test_into_the_letterbox_and_back(photo_size: Size, box: PersonBox) -> None:
    ratio = letterbox_ratio(photo_size, Size(640, 416))
    corners = np.array([[box.left, box.top, box.right, box.bottom]])
    np.testing.assert_allclose(letterbox_to_photo(corners * ratio, ratio), corners, rtol=1e-12, atol=1e-9)


def test_boxes_stay_float32() -> None:
    assert letterbox_to_photo(np.ones((1, 4), np.float32), 0.3).dtype == np.float32
    assert letterbox_to_photo(np.ones((0, 4), np.float32), 0.3).shape == (0, 4)


# ---- canvases


@pytest.mark.parametrize(
    ("fit", "placement"),
    [
        ("contain", Placement(2.0, 2.0, 50.0, 0.0)),
        ("cover", Placement(3.0, 3.0, 0.0, -50.0)),
        ("stretch", Placement(3.0, 2.0)),
    ],
)
def test_a_photo_of_100x100_on_a_canvas_of_300x200(fit: Fit, placement: Placement) -> None:
    assert place(Size(100, 100), Size(300, 200), fit) == placement


@pytest.mark.parametrize("fit", FITS)
def test_a_rounded_canvas_is_filled_exactly(fit: Fit) -> None:
    """640 x 427 at a third is 213.3 x 142.3."""
    assert place(Size(640, 427), Size(213, 142), fit) == Placement(213 / 640, 142 / 427)
    assert place(Size(213, 142), Size(640, 427), fit) == Placement(640 / 213, 427 / 142)


@settings(deadline=None)
@given(photo_size=sizes, canvas=sizes, fit=st.sampled_from(FITS))
def test_where_the_corners_of_a_photo_lie(photo_size: Size, canvas: Size, fit: Fit) -> None:
    placement = place(photo_size, canvas, fit)
    corners = np.array([[0.0, 0.0, 0.5], [photo_size.width, photo_size.height, 0.5]])
    (left, top, score), (right, bottom, _) = placement.apply(corners)
    assert score == 0.5
    assert (left + right, top + bottom) == pytest.approx((canvas.width, canvas.height))  # centred
    if fit != "cover":
        assert right - left <= canvas.width + 1e-6
        assert bottom - top <= canvas.height + 1e-6
    if fit != "contain":
        assert right - left >= canvas.width - 1e-6
        assert bottom - top >= canvas.height - 1e-6
    assert min(abs(right - left - canvas.width), abs(bottom - top - canvas.height)) < 1e-6  # touches two edges


@settings(deadline=None)
@given(photo_size=sizes, canvas=sizes, fit=st.sampled_from(["contain", "cover"]))
def test_distortion_stays_within_a_pixel(photo_size: Size, canvas: Size, fit: Fit) -> None:
    """Of the photo or of the canvas, whichever is larger: what rounding a side to whole pixels can do."""
    placement = place(photo_size, canvas, fit)
    distortion_px = abs(placement.scale_x - placement.scale_y) * max(photo_size.width, photo_size.height)
    assert distortion_px <= max(1, placement.scale_x, placement.scale_y)


@settings(deadline=None)
@given(photo_size=sizes, resolution=st.integers(1, 2048))
def test_the_shorter_side_becomes_the_resolution(photo_size: Size, resolution: int) -> None:
    size = shorter_side_size(photo_size, resolution)
    assert min(size.width, size.height) == resolution
    assert place(photo_size, size, "contain") == place(photo_size, size, "stretch")


def test_shorter_side_rounds_half_to_even() -> None:
    assert shorter_side_size(Size(5, 2), 1) == Size(2, 1)
    assert shorter_side_size(Size(2, 7), 1) == Size(1, 4)


@pytest.mark.parametrize(
    ("target", "resolutions"),
    [
        (Size(512, 512), (384, 512, 512)),  # contain, cover, stretch
        (Size(1024, 512), (512, 768, 768)),
        (Size(512, 1024), (384, 1024, 1024)),
        (Size(640, 480), (480, 480, 480)),
        (Size(3, 5), (2, 5, 5)),  # 2.25
        (Size(2, 5), (2, 5, 5)),  # 1.5, rounded half to even
        (Size(1, 1), (1, 1, 1)),
    ],
)
def test_pixel_perfect_is_what_needs_no_further_scaling(target: Size, resolutions: tuple[int, ...]) -> None:
    assert tuple(pixel_perfect_resolution(Size(640, 480), target, fit) for fit in FITS) == resolutions


@settings(deadline=None)
@given(photo_size=sizes, target=sizes)
def test_a_pixel_perfect_map_touches_or_covers_its_target(photo_size: Size, target: Size) -> None:
    inside = shorter_side_size(photo_size, pixel_perfect_resolution(photo_size, target, "contain"))
    around = shorter_side_size(photo_size, pixel_perfect_resolution(photo_size, target, "cover"))
    longest = max(photo_size.width, photo_size.height) / min(photo_size.width, photo_size.height)
    slack = 1 + longest  # the shorter side is rounded to whole pixels, and the longer one grows with it
    assert inside.width <= target.width + slack
    assert inside.height <= target.height + slack
    assert around.width >= target.width - slack
    assert around.height >= target.height - slack


def test_the_photo_lies_where_it_was_placed() -> None:
    white = np.full((10, 10, 3), 255, np.uint8)
    canvas = Size(30, 20)
    contained = photo_on_canvas(white, place(Size(10, 10), canvas, "contain"), canvas)
    assert (contained[:, 5:25] == 255).all()
    assert not contained[:, :5].any()
    assert not contained[:, 25:].any()
    for fit in ("cover", "stretch"):
        assert (photo_on_canvas(white, place(Size(10, 10), canvas, fit), canvas) == 255).all()


def test_covering_cuts_the_middle_out() -> None:
    rows = np.repeat(np.arange(10, dtype=np.uint8), 30).reshape(10, 10, 3)
    assert photo_on_canvas(rows, place(Size(10, 10), Size(10, 4), "cover"), Size(10, 4))[:, 0, 0].tolist() == [
        3,
        4,
        5,
        6,
    ]


def test_a_photo_of_the_canvas_size_is_not_touched(photo: Image) -> None:
    np.testing.assert_array_equal(photo_on_canvas(photo, Placement(1.0, 1.0), Size(160, 120)), photo)


def test_shrinking_averages() -> None:
    checkers = (np.indices((8, 8)).sum(axis=0) % 2 * 200).astype(np.uint8)
    photo = np.repeat(checkers[..., None], 3, axis=-1)
    assert (photo_on_canvas(photo, Placement(0.25, 0.25), Size(2, 2)) == 100).all()


@settings(deadline=None, max_examples=50)
@given(
    photo_size=st.builds(Size, st.integers(1, 40), st.integers(1, 40)),
    canvas=st.builds(Size, st.integers(1, 40), st.integers(1, 40)),
    fit=st.sampled_from(FITS),
)
def test_every_photo_fits_on_every_canvas(photo_size: Size, canvas: Size, fit: Fit) -> None:
    white = np.full((photo_size.height, photo_size.width, 3), 255, np.uint8)
    picture = photo_on_canvas(white, place(photo_size, canvas, fit), canvas)
    assert picture.shape == (canvas.height, canvas.width, 3)
    assert picture.any()
    if fit != "contain":
        assert (picture == 255).all()


def test_a_sliver_covers_a_canvas() -> None:
    """Enlarged as a whole it would take 12 GB."""
    sliver = np.full((1, 16_384, 3), 9, np.uint8)
    canvas = Size(512, 512)
    assert (photo_on_canvas(sliver, place(Size.of(sliver), canvas, "cover"), canvas) == 9).all()


# ---- network input


def test_normalising_looks_up_what_arithmetic_gives() -> None:
    image = np.arange(256 * 3, dtype=np.uint16).reshape(16, 16, 3).astype(np.uint8)
    expected = ((image.astype(np.float64) - MEAN) / STD).astype(np.float32).transpose(2, 0, 1)
    np.testing.assert_array_equal(tensor_of(image), expected)


def test_fill_tensor_writes_into_its_own_person_only() -> None:
    batch = np.full((3, 3, 4, 2), 7, np.float32)
    fill_tensor(np.zeros((4, 2, 3), np.uint8), normalise_table((0.0, 1.0, 2.0), (1.0, 1.0, 2.0)), batch[1])
    assert (batch[[0, 2]] == 7).all()
    assert batch[1, :, 0, 0].tolist() == [0, -1, -1]
