"""Pictures become PNG files that Pillow, OpenCV and our own reader agree on."""

import io
import struct

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL.PngImagePlugin import PngImageFile

from app.images import ImageLimits, decode_image
from app.png import encode_png
from pose_core.errors import InvalidInput
from pose_core.types import Image, SkeletonMap
from tests.app.bad_images import photo

PALETTE = np.random.default_rng(1).integers(0, 256, (256, 3), np.uint8)


def read_back(data: bytes) -> Image:
    """The RGB pixels, on which Pillow, OpenCV and our own reader agree."""
    pixels = decode_image(data, ImageLimits())
    np.testing.assert_array_equal(pixels, np.array(PIL.Image.open(io.BytesIO(data)).convert("RGB")))
    np.testing.assert_array_equal(pixels, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB))
    return pixels


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (48, 64), (513, 129)])
@pytest.mark.parametrize("colours", [1, 2, 58, 256])
def test_maps_round_trip(shape: tuple[int, int], colours: int) -> None:
    indices = np.random.default_rng(2).integers(0, colours, shape, np.uint8)
    drawn = SkeletonMap(indices, PALETTE[:colours])
    data = encode_png(drawn)
    np.testing.assert_array_equal(read_back(data), drawn.rgb)
    opened = PIL.Image.open(io.BytesIO(data))
    assert opened.mode == "P"
    assert data[33:41] == struct.pack(">I4s", 3 * colours, b"PLTE")
    np.testing.assert_array_equal(np.array(opened), indices)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (64, 48), (129, 513)])
def test_photos_round_trip(size: tuple[int, int]) -> None:
    image = np.array(photo("RGB", *size))
    np.testing.assert_array_equal(read_back(encode_png(image)), image)


def test_noise_and_views_round_trip() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (200, 300, 3), np.uint8)
    for image in (noise, noise[:, ::-1], noise[::2, 1::3], noise.transpose(1, 0, 2)):
        np.testing.assert_array_equal(read_back(encode_png(image)), image)
    drawn = SkeletonMap(noise[::-1, ::2, 0], PALETTE)
    np.testing.assert_array_equal(read_back(encode_png(drawn)), drawn.rgb)


def test_a_map_takes_fewer_bytes_than_opencvs() -> None:
    drawn = SkeletonMap(np.zeros((512, 512), np.uint8), PALETTE[:58])
    cv2.line(drawn.indices, (20, 30), (400, 450), 5, 9)
    _, peer = cv2.imencode(".png", drawn.rgb)
    assert len(encode_png(drawn)) < len(peer)


@pytest.mark.parametrize("picture", [SkeletonMap(np.zeros((2, 3), np.uint8), PALETTE[:1]), np.array(photo())])
def test_text_is_kept(picture: SkeletonMap | Image) -> None:
    text = {"openpose": '{"people": []}', "Größe mit Leerzeichen": "näher ✓ 人\n" * 500, "empty": "", "x" * 79: "y"}
    opened = PIL.Image.open(io.BytesIO(encode_png(picture, text)))
    assert isinstance(opened, PngImageFile)
    assert opened.text == text
    assert encode_png(picture, {}) == encode_png(picture)
    np.testing.assert_array_equal(read_back(encode_png(picture, text)), read_back(encode_png(picture)))


@pytest.mark.parametrize("keyword", ["", "x" * 80, " a", "a ", "a  b", "a\nb", "a\0b", "人", "a\xa0b", "a\x7f", "a\n"])
def test_keywords_that_png_cannot_hold_are_refused(keyword: str) -> None:
    with pytest.raises(InvalidInput, match=r"text: keyword .* 1 to 79") as caught:
        encode_png(np.array(photo()), {keyword: "value"})
    assert caught.value.field == "text"


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "a\udfff"])
def test_text_that_png_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="text of 'key' holds"):
        encode_png(np.array(photo()), {"key": value})


def test_a_map_with_colours_outside_its_palette_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        encode_png(SkeletonMap(np.full((2, 2), 3, np.uint8), PALETTE[:3]))
