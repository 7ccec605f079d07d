"""Uploads become upright RGB pixels or a named error."""

import io
import struct
import tracemalloc
import zlib
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageOps

from app.images import MAX_PARTS, MAX_SCANS, ImageLimits, decode_base64, decode_image
from pose_core.errors import ImageTooLarge, InvalidImage, UnsupportedImage
from pose_core.types import Image, Size
from tests.app.bad_images import (
    CORPUS,
    HEIGHT,
    WIDTH,
    Specimen,
    animation,
    bare_png,
    exif_block,
    jpeg_segment,
    many_scans,
    photo,
    png_chunk,
    png_of_rows,
    saved,
    with_chunk,
    with_segment,
)

LIMITS = ImageLimits()


def pillow_rgb(data: bytes) -> Image:
    return np.array(PIL.Image.open(io.BytesIO(data)).convert("RGB"))


def first_row(data: bytes) -> list[list[int]]:
    pixels: list[list[int]] = decode_image(data, LIMITS)[0].tolist()
    return pixels


def attempt(data: bytes, limits: ImageLimits) -> Image | InvalidImage:
    """What comes of the bytes; any other error passes."""
    try:
        return decode_image(data, limits)
    except InvalidImage as error:
        return error


# The corpus


@pytest.mark.parametrize("specimen", CORPUS, ids=lambda specimen: specimen.name)
def test_every_file_becomes_pixels_or_a_named_error(specimen: Specimen) -> None:
    outcome = attempt(specimen.build(), LIMITS)
    if isinstance(outcome, InvalidImage):
        assert specimen.outcome in {None, type(outcome)}
        assert outcome.field == "image"
        assert str(outcome).startswith("image: ")
        return
    assert specimen.outcome in {None, Size.of(outcome)}
    assert outcome.dtype == np.uint8
    assert outcome.shape[2] == 3
    assert outcome.flags.c_contiguous
    assert outcome.flags.writeable


@pytest.mark.parametrize(
    "specimen", [each for each in CORPUS if each.outcome is ImageTooLarge], ids=lambda specimen: specimen.name
)
def test_what_is_too_large_is_refused_before_it_takes_memory(specimen: Specimen) -> None:
    data = specimen.build()
    tracemalloc.start()
    with pytest.raises(ImageTooLarge, match="at most 50,000,000 pixels and 16,384 per side"):
        decode_image(data, LIMITS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(data) + 2**20


# Limits and messages


def test_limits_include_the_allowed_value() -> None:
    data = saved(photo(), "PNG")
    exact = ImageLimits(max_bytes=len(data), max_pixels=WIDTH * HEIGHT, max_side=WIDTH)
    assert Size.of(decode_image(data, exact)) == Size(WIDTH, HEIGHT)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ImageLimits(max_bytes=100), r"bytes; at most 100 are allowed"),
        (ImageLimits(max_pixels=WIDTH * HEIGHT - 1), r"64 x 48 pixels; at most 3,071 pixels"),
        (ImageLimits(max_side=WIDTH - 1), r"64 x 48 pixels; .* 63 per side"),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_each_limit_holds(kind: str, limits: ImageLimits, message: str) -> None:
    with pytest.raises(ImageTooLarge, match=message):
        decode_image(saved(photo(), kind), limits)


def test_an_unknown_format_is_named_with_the_valid_ones() -> None:
    with pytest.raises(UnsupportedImage, match=r"GIF87a.*; valid: JPEG, PNG, WEBP") as caught:
        decode_image(saved(photo(), "GIF"), LIMITS)
    assert caught.value.choices == ("JPEG", "PNG", "WEBP")


def test_scans_and_parts_are_allowed_up_to_their_limit() -> None:
    jpeg = many_scans(0)
    already = jpeg.count(b"\xff\xda")
    assert Size.of(decode_image(many_scans(MAX_SCANS - already), LIMITS)) == Size(WIDTH, HEIGHT)
    with pytest.raises(InvalidImage, match=f"{MAX_SCANS + 1} scans; at most {MAX_SCANS}"):
        decode_image(many_scans(MAX_SCANS - already + 1), LIMITS)
    comments = jpeg_segment(0xFE, b"") * (MAX_PARTS - 100)
    assert Size.of(decode_image(with_segment(jpeg, comments), LIMITS)) == Size(WIDTH, HEIGHT)


def test_threads_do_not_disturb_each_other() -> None:
    files = [saved(photo(), kind) for kind in ("JPEG", "PNG", "WEBP")] * 20
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(partial(decode_image, limits=LIMITS), files))
    for data, image in zip(files, together, strict=True):
        np.testing.assert_array_equal(image, decode_image(data, LIMITS))


# Turning upright

UPRIGHT = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("order", ["<", ">"], ids=["intel", "motorola"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_png_orientation(orientation: int, order: str) -> None:
    chunk = png_chunk(b"eXIf", exif_block(orientation, order))
    data = png_of_rows(3, [b"\1\2\3", b"\4\5\6"], 8, 0, chunk)
    assert decode_image(data, LIMITS)[..., 0].tolist() == UPRIGHT[orientation]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_orientation_is_the_one_pillow_knows(orientation: int, kind: str) -> None:
    data = saved(photo(), kind, exif=b"Exif\0\0" + exif_block(orientation))
    expected = ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(data))).convert("RGB")
    np.testing.assert_array_equal(decode_image(data, LIMITS), np.array(expected))


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"no tiff at all",
        exif_block(0),
        exif_block(9),
        exif_block(6)[:9],
        exif_block(6)[:15],
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_broken_exif_block_turns_nothing(block: bytes, kind: str) -> None:
    plain = saved(photo(), kind)
    if kind == "JPEG":
        marked = with_segment(plain, jpeg_segment(0xE1, b"Exif\0\0" + block))
    else:
        marked = with_chunk(plain, b"eXIf", block)
    np.testing.assert_array_equal(decode_image(marked, LIMITS), decode_image(plain, LIMITS))


# Known pixels


def test_sixteen_bits_keep_their_high_byte() -> None:
    grey = png_of_rows(3, [struct.pack(">3H", 0, 0x80FF, 0xFFFF)], 16, 0)
    rgb = png_of_rows(1, [struct.pack(">3H", 0x0100, 0x80FF, 0xFFFF)], 16, 2)
    rgba = png_of_rows(2, [struct.pack(">8H", 0x0100, 0x80FF, 0xFFFF, 0xFFFF, 1, 1, 1, 0)], 16, 6)
    grey_alpha = png_of_rows(2, [struct.pack(">4H", 0x80FF, 0xFFFF, 0, 0)], 16, 4)
    assert first_row(grey) == [[0] * 3, [128] * 3, [255] * 3]
    assert first_row(rgb) == [[1, 128, 255]]
    assert first_row(rgba) == [[1, 128, 255], [255] * 3]
    assert first_row(grey_alpha) == [[128] * 3, [255] * 3]


def test_few_bits_reach_white() -> None:
    assert first_row(png_of_rows(4, [b"\xa0"], 1, 0)) == [[255] * 3, [0] * 3, [255] * 3, [0] * 3]
    assert first_row(png_of_rows(4, [b"\x1b"], 2, 0)) == [[0] * 3, [85] * 3, [170] * 3, [255] * 3]
    assert first_row(png_of_rows(2, [b"\x2f"], 4, 0)) == [[34] * 3, [255] * 3]


def test_transparency_shows_white() -> None:
    palette = png_chunk(b"PLTE", bytes([10, 20, 30, 40, 50, 60]))
    alphas = png_chunk(b"tRNS", b"\x80\0")
    assert first_row(png_of_rows(2, [b"\0\1"], 8, 3, palette, alphas)) == [[132, 137, 142], [255] * 3]
    assert first_row(png_of_rows(2, [b"\0\1"], 8, 3, palette)) == [[10, 20, 30], [40, 50, 60]]
    key = png_chunk(b"tRNS", b"\0\2")
    assert first_row(png_of_rows(3, [b"\1\2\3"], 8, 0, key)) == [[1] * 3, [255] * 3, [3] * 3]
    assert first_row(png_of_rows(2, [b"\x08\x80\x10\xff"], 8, 4)) == [[131] * 3, [16] * 3]
    key = png_chunk(b"tRNS", b"\0\1\0\2\0\3")
    assert first_row(png_of_rows(2, [b"\1\2\3\3\2\1"], 8, 2, key)) == [[255] * 3, [3, 2, 1]]


def test_alpha_is_blended_like_the_reference() -> None:
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.dstack([colour, colour, colour, alpha]).astype(np.uint8)
    data = saved(PIL.Image.fromarray(rgba), "PNG")
    share = rgba[:, :, 3:].astype(np.float32) / 255.0
    reference = (rgba[:, :, :3].astype(np.float32) * share + 255.0 * (1.0 - share)).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(decode_image(data, LIMITS), reference)


def test_jpeg_inks_are_adobes_inverted_ones() -> None:
    inks = PIL.Image.new("CMYK", (16, 16), (10, 200, 30, 40))
    adobe = saved(inks, "JPEG", quality=100)
    plain = adobe[:2] + adobe[adobe.index(b"\xff\xdb") :]
    for data in (adobe, plain):
        np.testing.assert_array_equal(decode_image(data, LIMITS), pillow_rgb(data))
        np.testing.assert_allclose(decode_image(data, LIMITS)[0, 0], [206, 46, 189], atol=2)


def test_a_second_frame_is_never_seen() -> None:
    first = np.array(photo("RGB", 64, 64))
    np.testing.assert_array_equal(decode_image(animation("PNG"), LIMITS), first)
    np.testing.assert_array_equal(decode_image(animation("WEBP", lossless=True), LIMITS), first)


def test_a_short_pixel_stream_is_no_crash() -> None:
    data = bare_png(4, 100, 8, 0, zlib.compress(b"\0\1\2\3\4" * 10))
    assert first_row(data) == [[1] * 3, [2] * 3, [3] * 3, [4] * 3]


# Against Pillow


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(64, 48), (65, 47), (7, 5), (1, 1)])
def test_jpeg_equals_pillow(mode: str, progressive: bool, subsampling: int, size: tuple[int, int]) -> None:  # noqa: FBT001
    data = saved(photo(mode, *size), "JPEG", progressive=progressive, subsampling=subsampling, quality=83)
    np.testing.assert_array_equal(decode_image(data, LIMITS), pillow_rgb(data))


def test_rgb_and_restarting_jpegs_equal_pillow() -> None:
    for options in ({"keep_rgb": True}, {"restart_marker_rows": 1}, {"optimize": True}, {"comment": b"\xff\xda" * 50}):
        data = saved(photo(), "JPEG", **options)
        np.testing.assert_array_equal(decode_image(data, LIMITS), pillow_rgb(data))


def test_a_jpeg_with_junk_before_a_marker_is_read_by_pillow() -> None:
    data = saved(photo(), "JPEG")
    damaged = data[:-2] + b"\0\1\2" + data[-2:]
    np.testing.assert_array_equal(decode_image(damaged, LIMITS), decode_image(data, LIMITS))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize("size", [(64, 200), (3, 64), (3, 65), (1, 1)])
def test_lossless_files_return_their_pixels(kind: str, size: tuple[int, int]) -> None:
    data = saved(photo("RGB", *size), kind, lossless=True)
    np.testing.assert_array_equal(decode_image(data, LIMITS), np.array(photo("RGB", *size)))


# Anything at all

STARTS = (
    saved(photo(), "JPEG", exif=b"Exif\0\0" + exif_block(6)),
    saved(photo(), "JPEG", progressive=True),
    saved(photo("CMYK"), "JPEG"),
    saved(photo("RGBA"), "PNG"),
    saved(photo("P"), "PNG", transparency=b"\0\x80"),
    saved(photo("I;16"), "PNG"),
    animation("PNG"),
    animation("WEBP"),
    saved(photo("RGBA"), "WEBP", exif=exif_block(8)),
    saved(photo("RGB"), "WEBP"),
)
SMALL = ImageLimits(max_pixels=2**18)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A picture with a few of its bytes replaced, cut out, repeated or added; mostly in the first bytes."""
    data = bytearray(draw(st.sampled_from(STARTS)))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, min(60, len(data))) | st.integers(0, len(data)))
        end = start + draw(st.integers(0, 40))
        data[start:end] = draw(st.binary(max_size=8) | st.just(bytes(data[start:end]) * 3))
    return bytes(data)


def checked_png(data: bytes) -> bytes:
    """The file with right checksums, so that changes get past them."""
    position, repaired = 8, data[:8]
    while len(data) >= position + 12:
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        repaired += data[position:end] + struct.pack(">I", zlib.crc32(data[position + 4 : end]))
        position = end + 4
    return repaired


@settings(deadline=None, max_examples=400)
@given(mutations(), st.booleans())
def test_mutated_pictures_become_pixels_or_invalid_image(data: bytes, repair: bool) -> None:  # noqa: FBT001
    if repair and data.startswith(b"\x89PNG"):
        data = checked_png(data)
    outcome = attempt(data, SMALL)
    if isinstance(outcome, InvalidImage):
        assert outcome.field == "image"
    else:
        assert outcome.dtype == np.uint8
        assert outcome.shape[0] * outcome.shape[1] <= SMALL.max_pixels


# Base64


@pytest.mark.parametrize(
    "wrapped",
    ["{}", "data:image/png;base64,{}", "DATA:;BASE64,{}", "data:image/png;name=a.png;base64, {}\n", " \n{}\r\n\t"],
)
def test_base64_is_found(wrapped: str) -> None:
    data = bytes(range(256))
    assert decode_base64(wrapped.format(b64encode(data).decode()), LIMITS) == data


def test_base64_may_be_broken_into_lines() -> None:
    text = b64encode(bytes(range(256))).decode()
    assert decode_base64("\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)), LIMITS) == bytes(range(256))


@given(st.binary(max_size=50).filter(bool))
def test_base64_round_trip_at_the_limit(data: bytes) -> None:
    text = b64encode(data).decode()
    assert decode_base64(text, ImageLimits(max_bytes=len(data))) == data
    with pytest.raises(ImageTooLarge, match=f"base64 of {len(data)} bytes; at most {len(data) - 1}"):
        decode_base64(text, ImageLimits(max_bytes=len(data) - 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("data:image/png;base64,", "empty"),
        ("data:image/png,AAAA", r"data URL that starts 'data:image/png'"),
        ("data:image/png;base64", "data URL"),
        ("data:,AAAA", "data URL"),
        ("AAA", "not base64"),
        ("=AAA", "not base64"),
        ("AA=A", "not base64"),
        ("A-_A", "not base64"),
        ("http://example.org/a.png", "not base64"),
        ("AAAé", "outside base64"),
        ("\ud800AAA", "outside base64"),
    ],
)
def test_other_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidImage, match=f"^image: .*{message}.*valid: ") as caught:
        decode_base64(text, LIMITS)
    assert caught.value.field == "image"
