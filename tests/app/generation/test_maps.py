"""The map is drawn at the picture's size, in the family's style, from a photo, a pose or a ready map."""

import io

import numpy as np
import orjson
import pytest
from PIL import Image as Pillow

from app.generation.families import FAMILIES
from app.generation.limits import GenerationLimits
from app.generation.maps import Drawing, draw_map, picture_size
from app.generation.request import GenerationRequest
from app.generation.sources import Source
from app.parameters import PoseParameters
from app.service import PoseService
from pose_core.errors import InvalidInput, InvalidPoseData, NoPersonFound, UnsupportedImage
from pose_core.timing import Timer
from pose_core.types import Image, Size
from tests.app.generation.conftest import ask
from tests.app.scenery import read_png, write_png


def drawing(service: PoseService, family: str = "sd15", **changes: object) -> Drawing:
    return Drawing(ask(**changes), FAMILIES[family], GenerationLimits(), service)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("source", [Size(640, 480), Size(333, 777), Size(4000, 100), Size(1, 1)])
def test_sizes_are_aligned_and_near_what_the_family_was_trained_with(family: str, source: Size) -> None:
    record, limits = FAMILIES[family], GenerationLimits(max_side_px=16384)
    size = picture_size(source, GenerationRequest(prompt="x"), record, limits)
    assert size.width % record.size_multiple == size.height % record.size_multiple == 0
    assert size.width * size.height == pytest.approx(record.pixels, rel=0.05)
    assert size.width / size.height == pytest.approx(source.width / source.height, rel=0.1)


def test_one_side_keeps_the_aspect_ratio_and_two_are_taken_as_they_are() -> None:
    family, limits = FAMILIES["flux"], GenerationLimits()
    wide = Size(400, 200)
    assert picture_size(wide, GenerationRequest(prompt="x", width=512), family, limits) == Size(512, 256)
    assert picture_size(wide, GenerationRequest(prompt="x", height=512), family, limits) == Size(1024, 512)
    assert picture_size(wide, GenerationRequest(prompt="x", width=64, height=320), family, limits) == Size(64, 320)


def test_a_side_that_was_left_open_keeps_to_the_limits() -> None:
    with pytest.raises(InvalidInput, match=r"height: the picture would be 4096x512; 2048 per side"):
        picture_size(Size(800, 100), GenerationRequest(prompt="x", height=512), FAMILIES["sd15"], GenerationLimits())


@pytest.mark.parametrize(("family", "style"), [("sd15", "controlnet"), ("sdxl", "xinsir"), ("sdxl-union", "xinsir")])
def test_the_map_of_a_photo_is_that_of_post_pose_in_the_familys_style(
    family: str, style: str, service: PoseService, png: bytes
) -> None:
    drawn = draw_map(Source("photo", png), drawing(service, family, width=640, height=480))
    expected = service.answer(png, PoseParameters(width=640, height=480, style=style), Timer()).map_png()
    assert drawn.png == expected
    assert np.array_equal(read_png(drawn.png), drawn.rgb)


def test_thick_and_thin_maps_differ(service: PoseService, png: bytes) -> None:
    thin, thick = (
        draw_map(Source("photo", png), drawing(service, family, width=640, height=480)).rgb
        for family in ("sd15", "sdxl")
    )
    assert thick.any(axis=2).sum() > 1.2 * thin.any(axis=2).sum()


@pytest.mark.parametrize("parts", ["body", "body,feet,hands,face"])
def test_the_pose_of_a_map_draws_the_same_map(parts: str, service: PoseService, png: bytes) -> None:
    wish = drawing(service, parts=parts, width=320, height=192, fit="cover", keypoint_threshold=0.55)
    first = draw_map(Source("photo", png), wish)
    again = draw_map(Source("pose", orjson.dumps(first.pose)), drawing(service, parts=parts, width=320, height=192))
    assert again.png == first.png
    assert again.pose == first.pose


def test_a_ready_map_is_taken_as_it_is(service: PoseService, photo: Image) -> None:
    exact = draw_map(Source("map", write_png(photo[:64, :64])), drawing(service))
    assert np.array_equal(exact.rgb, photo[:64, :64])
    assert (exact.pose, exact.warnings) == (None, ())
    resized = draw_map(Source("map", write_png(photo)), drawing(service))
    assert resized.rgb.shape == (64, 64, 3)
    assert resized.warnings == ("the map of 160x120 was resized to 64x64",)


def test_a_pose_with_nobody_in_it_is_refused_or_drawn_black(service: PoseService) -> None:
    empty = Source("pose", b'{"people": [], "canvas_width": 64, "canvas_height": 64}')
    with pytest.raises(NoPersonFound, match="pose: nobody in it"):
        draw_map(empty, drawing(service))
    black = draw_map(empty, drawing(service, on_empty="blank"))
    assert not black.rgb.any()
    assert black.warnings == ("nobody is in the map: it is black",)


@pytest.mark.parametrize("data", [b"{", b"3", b'{"people": 1}', b'{"people": [{"pose_keypoints_2d": [1]}]}'])
def test_a_document_that_is_no_pose_is_refused(data: bytes, service: PoseService) -> None:
    with pytest.raises(InvalidPoseData):
        draw_map(Source("pose", data), drawing(service))


@pytest.mark.parametrize("kind", ["photo", "map"])
def test_bytes_that_are_no_picture_are_refused(kind: str, service: PoseService) -> None:
    with pytest.raises(UnsupportedImage, match=f"^{kind}: not a readable image"):
        draw_map(Source(kind, b"GIF89a"), drawing(service))  # type: ignore[arg-type]


def test_maps_are_opaque_files_of_the_size_asked_for(service: PoseService, png: bytes) -> None:
    drawn = draw_map(Source("photo", png), drawing(service, "flux", width=96, height=160))
    with Pillow.open(io.BytesIO(drawn.png)) as opened:
        assert opened.size == (96, 160)
