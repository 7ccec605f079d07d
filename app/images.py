"""Bytes to upright RGB pixels and pictures to PNG bytes; the only place where uploads are decoded.

Uploads are hostile. Format, size and EXIF turn are therefore read here, from the headers alone, before any library sees
the bytes, and the decoder then gets a copy without metadata: text bombs, colour profiles, broken EXIF blocks and the
further frames of an animation never reach one. Nothing global is touched (no `Image.MAX_IMAGE_PIXELS`, no warning
filters), so any number of threads may decode at once.

What a picture looks like afterwards: the first frame, turned by EXIF orientation, laid on white where it is
transparent, 16-bit samples cut to their high byte (as libpng, OpenCV and Pillow's 16-bit RGB do it). Colour profiles
and an orientation that stands only in XMP are ignored.
"""

import binascii
import re
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import islice

import cv2
import numpy as np
import PIL.Image
import simplejpeg
from isal import isal_zlib
from jaxtyping import UInt8
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from pose_core.errors import ImageTooLarge, InvalidImage, InvalidInput, UnsupportedImage
from pose_core.types import Image, Size, SkeletonMap


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an upload may cost.

    Attributes:
        max_bytes: of the file, after base64.
        max_pixels: width times height.
        max_side: width or height in pixels.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_side: int = 16_384


MAX_PARTS = 10_000
"""Chunks or segments of one file; libpng's smallest usual chunks make a file of 20 MiB about 2,600."""

MAX_SCANS = 32
"""Scans of one JPEG. Encoders write about 10; a scan of ten bytes costs as much time as one of megabytes."""


def decode_image(data: bytes, limits: ImageLimits) -> Image:
    """The upright RGB pixels of a JPEG, PNG or WebP file; the content decides, not a name.

    A MemoryError tells about the machine, not about the picture, and passes.

    Raises:
        UnsupportedImage: another format.
        ImageTooLarge: more bytes, pixels or length of a side than allowed, found before decoding.
        InvalidImage: everything else that keeps the bytes from becoming pixels.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"{len(data):,} bytes; at most {limits.max_bytes:,} are allowed", field="image")
    name = _recognise(data)
    chosen = _FORMATS[name]
    try:
        parts = chosen.read(data)
        _check_size(parts.size, limits)
        pixels = chosen.decode(parts)
    except (InvalidImage, MemoryError):
        raise
    except Exception as error:  # a damaged file can make a decoder raise anything
        reason = str(error) or type(error).__name__
        raise InvalidImage(f"damaged {name} file: {reason}", field="image") from error
    if Size.of(pixels) != parts.size:
        raise InvalidImage(f"damaged {name} file: {Size.of(pixels)} in a file that says {parts.size}", field="image")
    return _turn_upright(pixels, _orientation(parts.exif))


def decode_base64(text: str, limits: ImageLimits) -> bytes:
    """The bytes of base64 text or of a base64 data URL; whitespace is skipped.

    Raises:
        ImageTooLarge: the text stands for more bytes than allowed, found before decoding.
        InvalidImage: anything that is not standard base64 with its padding.
    """
    head, comma, body = text.partition(",") if text[:5].lower() == "data:" else ("", "", text)
    if head and not (comma and head.rstrip().lower().endswith(";base64")):
        raise InvalidImage(f"a data URL that starts {head[:40]!r}; valid: data:image/png;base64,...", field="image")
    if not body.isascii():
        raise InvalidImage("characters outside base64; valid: A-Z a-z 0-9 + / and = at the end", field="image")
    packed = body.encode("ascii").translate(None, b" \t\r\n\v\f")
    size = len(packed) * 3 // 4 - packed[-2:].count(b"=")
    if size > limits.max_bytes:
        raise ImageTooLarge(f"base64 of {size:,} bytes; at most {limits.max_bytes:,} are allowed", field="image")
    if not packed:
        raise InvalidImage("empty base64 text; valid: base64 or a data URL", field="image")
    try:
        return binascii.a2b_base64(packed, strict_mode=True)
    except binascii.Error as error:
        raise InvalidImage(f"not base64 ({error}); valid: A-Z a-z 0-9 + / and = at the end", field="image") from error


def encode_png(picture: SkeletonMap | Image, text: Mapping[str, str] | None = None) -> bytes:
    """A PNG file: 8-bit palette for a skeleton map, 24-bit RGB for a photo.

    Maps are compressed as they are, photos as differences to the row above. Together with isal's level 1 this is three
    times faster than OpenCV's writer on photos at the same size, and some twenty times on maps.

    Args:
        picture: at least one pixel.
        text: keyword (1 to 79 printable Latin-1 characters) to text, written as iTXt chunks.

    Raises:
        InvalidInput: a keyword or text that PNG cannot hold.
    """
    if isinstance(picture, SkeletonMap):
        assert picture.indices.max() < len(picture.palette) <= 256
        colour_type, rows = 3, _plain_rows(picture.indices)
        palette = [_png_chunk(b"PLTE", picture.palette.tobytes())]
        size = Size.of(picture.indices)
    else:
        colour_type, rows, palette, size = 2, _difference_rows(picture), [], Size.of(picture)
    header = struct.pack(">IIBBBBB", size.width, size.height, 8, colour_type, 0, 0, 0)
    chunks = [
        _PNG_SIGNATURE,
        _png_chunk(b"IHDR", header),
        *palette,
        *(_text_chunk(keyword, value) for keyword, value in (text or {}).items()),
        _png_chunk(b"IDAT", isal_zlib.compress(rows, level=1)),
        _png_chunk(b"IEND", b""),
    ]
    return b"".join(chunks)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a file says before a pixel is decoded.

    Attributes:
        size: as stored, before the EXIF turn.
        exif: the EXIF block or nothing.
        pixels: the file without metadata.
    """

    size: Size
    exif: bytes
    pixels: bytes


@dataclass(frozen=True, slots=True)
class _Piece:
    """One segment or chunk of a file, from its marker or length up to the next one."""

    kind: bytes
    start: int
    end: int


def _check_size(size: Size, limits: ImageLimits) -> None:
    pixels = size.width * size.height
    seen = f"{size.width} x {size.height} pixels"
    if not pixels:
        raise InvalidImage(f"{seen}; valid: at least 1 x 1", field="image")
    if pixels > limits.max_pixels or max(size.width, size.height) > limits.max_side:
        allowed = f"at most {limits.max_pixels:,} pixels and {limits.max_side:,} per side"
        raise ImageTooLarge(f"{seen}; {allowed} are allowed", field="image")


def _collect(pieces: Iterator[_Piece]) -> list[_Piece]:
    collected = list(islice(pieces, MAX_PARTS + 1))
    if len(collected) > MAX_PARTS:
        raise InvalidImage(f"more than {MAX_PARTS:,} parts in one file", field="image")
    return collected


# JPEG (ITU-T T.81 annex B)

_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])")  # but for the markers without a length: TEM, RST0..7
_SCAN, _END, _EXIF = b"\xda", b"\xd9", b"\xe1"
_FRAMES = frozenset(bytes([kind]) for kind in range(0xC0, 0xD0)) - {b"\xc4", b"\xc8", b"\xcc"}
_METADATA = frozenset(bytes([kind]) for kind in range(0xE1, 0xF0)) - {b"\xee"} | {b"\xfe"}  # not JFIF, not Adobe


def _jpeg_segments(data: bytes) -> Iterator[_Piece]:
    """Segments up to the end of the image; steps over entropy-coded data and junk as libjpeg does."""
    position = 2
    while (marker := _MARKER.search(data, position)) and marker[1] != _END:
        position = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        yield _Piece(marker[1], marker.start(), position)


def _read_jpeg(data: bytes) -> _Parts:
    segments = _collect(_jpeg_segments(data))
    scans = [piece.start for piece in segments if piece.kind == _SCAN]
    if not scans:
        raise InvalidImage("truncated JPEG file: it ends before the picture", field="image")
    if len(scans) > MAX_SCANS:
        raise InvalidImage(f"a JPEG of {len(scans):,} scans; at most {MAX_SCANS} are allowed", field="image")
    header = [piece for piece in segments if piece.start < scans[0]]
    frame = next((piece for piece in header if piece.kind in _FRAMES), None)
    if frame is None:
        raise InvalidImage("damaged JPEG file: no size before the picture", field="image")
    height, width = struct.unpack_from(">HH", data, frame.start + 5)
    blocks = (data[piece.start + 4 : piece.end] for piece in header if piece.kind == _EXIF)
    exif = next((block for block in blocks if block.startswith(b"Exif\0\0")), b"")
    kept = [data[piece.start : piece.end] for piece in header if piece.kind not in _METADATA]
    return _Parts(Size(width, height), exif, b"".join([data[:2], *kept, data[scans[0] :]]))


def _decode_jpeg(parts: _Parts) -> Image:
    """Through libjpeg-turbo's own interface; Pillow for inks, where it rounds better, and for slightly damaged files.

    Both use the same library and give the same pixels. The buffer bounds what a lying header could make it write.
    """
    buffer = np.empty((parts.size.height, parts.size.width, 3), np.uint8)
    with suppress(ValueError):
        colours = simplejpeg.decode_jpeg_header(parts.pixels)[2]
        if colours not in {"CMYK", "YCCK"}:
            pixels: Image = simplejpeg.decode_jpeg(parts.pixels, "RGB", buffer=buffer)
            return pixels
    return _pillow_pixels(JpegImageFile(BytesIO(parts.pixels)), parts.size)


# PNG (W3C, third edition)

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def _png_chunks(data: bytes) -> Iterator[_Piece]:
    position, kind = len(_PNG_SIGNATURE), b""
    while kind != b"IEND":
        if len(data) < position + 12:
            raise InvalidImage("truncated PNG file: it ends before its IEND chunk", field="image")
        length, kind = struct.unpack_from(">I4s", data, position)
        yield _Piece(kind, position, position + 12 + length)
        position += 12 + length


def _read_png(data: bytes) -> _Parts:
    """Keeps what libpng needs for the pixels; the animation chunks go too, which leaves the first picture."""
    chunks = _collect(_png_chunks(data))
    kept = [piece for piece in chunks if piece.kind in _PNG_PIXELS]
    kinds = [piece.kind for piece in kept]
    if kinds[0] != b"IHDR" or b"IDAT" not in kinds or chunks[-1].end > len(data):
        raise InvalidImage("truncated or damaged PNG file", field="image")
    width, height, _, colour_type = struct.unpack_from(">IIBB", data, 16)
    if colour_type == 3 and b"PLTE" not in kinds:
        raise InvalidImage("damaged PNG file: no palette", field="image")
    for piece in kept:
        (stored,) = struct.unpack_from(">I", data, piece.end - 4)
        if isal_zlib.crc32(data[piece.start + 4 : piece.end - 4]) != stored:
            raise InvalidImage(f"damaged PNG file: wrong checksum in {piece.kind!r}", field="image")
    exif = next((data[piece.start + 8 : piece.end - 4] for piece in chunks if piece.kind == b"eXIf"), b"")
    pixels = b"".join([_PNG_SIGNATURE, *(data[piece.start : piece.end] for piece in kept)])
    return _Parts(Size(width, height), exif, pixels)


def _decode_png(parts: _Parts) -> Image:
    return _pillow_pixels(PngImageFile(BytesIO(parts.pixels)), parts.size)


# WebP (RFC 9649)


def _webp_chunks(data: bytes) -> Iterator[_Piece]:
    position = 12
    while len(data) >= position + 8:
        kind, length = struct.unpack_from("<4sI", data, position)
        yield _Piece(kind, position, position + 8 + length)
        position += 8 + length + length % 2


def _read_webp(data: bytes) -> _Parts:
    chunks = _collect(_webp_chunks(data))
    exif = next((data[piece.start + 8 : piece.end] for piece in chunks if piece.kind == b"EXIF"), b"")
    return _Parts(_webp_size(data), exif, data)


def _webp_size(data: bytes) -> Size:
    """The canvas, from the first chunk: extended, lossless or lossy."""
    if len(data) < 30:
        raise InvalidImage("truncated WebP file: it ends before the picture", field="image")
    if data[12:16] == b"VP8X":
        return Size(int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Size(bits % 2**14 + 1, (bits >> 14) % 2**14 + 1)
    width, height = struct.unpack_from("<HH", data, 26)
    return Size(width % 2**14, height % 2**14)


def _decode_webp(parts: _Parts) -> Image:
    return _pillow_pixels(WebPImageFile(BytesIO(parts.pixels)), parts.size)


# All formats


@dataclass(frozen=True, slots=True)
class _Format:
    """How to recognise, read and decode one file format."""

    signature: re.Pattern[bytes]
    read: Callable[[bytes], _Parts]
    decode: Callable[[_Parts], Image]


_FORMATS = {
    "JPEG": _Format(re.compile(rb"\xff\xd8"), _read_jpeg, _decode_jpeg),
    "PNG": _Format(re.compile(re.escape(_PNG_SIGNATURE)), _read_png, _decode_png),
    "WebP": _Format(re.compile(rb"RIFF....WEBP", re.DOTALL), _read_webp, _decode_webp),
}

_REFUSED = {
    "GIF": re.compile(rb"GIF8[79]a"),
    "BMP": re.compile(rb"BM"),
    "TIFF": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "AVIF or HEIC": re.compile(rb"....ftyp(avi|hei|hev|mi|ms)", re.DOTALL),
    "JPEG XL": re.compile(rb"\xff\x0a|....JXL ", re.DOTALL),
    "JPEG 2000": re.compile(rb"\xff\x4f\xff\x51|....jP  ", re.DOTALL),
    "PDF or PostScript": re.compile(rb"%PDF|%!PS"),
    "markup such as SVG or HTML": re.compile(rb"(\xef\xbb\xbf)?\s*<"),
}
"""Not decoded; only for telling the user what was sent."""


def _recognise(data: bytes) -> str:
    """The name of an accepted format."""
    name = next((name for name, accepted in _FORMATS.items() if accepted.signature.match(data)), None)
    if name is not None:
        return name
    if not data:
        raise InvalidImage("the file is empty", field="image", choices=_FORMATS)
    refused = (name for name, signature in _REFUSED.items() if signature.match(data))
    seen = next(refused, f"an unknown format that starts {data[:8]!r}")
    raise UnsupportedImage(seen, field="image", choices=_FORMATS)


def _pillow_pixels(opened: ImageFile, expected: Size) -> Image:
    """Any Pillow image as RGB, in bands: five times faster than at once, and without a second copy in memory."""
    if opened.size != (expected.width, expected.height):
        raise ValueError(f"{opened.size} in a file that says {expected}")
    pixels = np.empty((expected.height, expected.width, 3), np.uint8)
    for top in range(0, expected.height, 64):
        bottom = min(top + 64, expected.height)
        pixels[top:bottom] = _band_pixels(opened.crop((0, top, expected.width, bottom)))
    return pixels


def _band_pixels(band: PIL.Image.Image) -> Image:
    """RGB without Pillow's own ways, which are to clip 16-bit grey and to show what transparent pixels hide."""
    if band.mode == "I;16":
        return np.repeat((np.asarray(band) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if band.has_transparency_data:
        return _on_white(np.asarray(band.convert("RGBA")))
    return np.asarray(band.convert("RGB"))


def _on_white(rgba: UInt8[np.ndarray, "height width 4"]) -> Image:
    """Blended over white: rgb * a + 255 * (1 - a) in float32, truncated, like HWC3 of the reference pre-processors."""
    blended = np.empty((*rgba.shape[:2], 3), np.uint8)
    alpha = rgba[..., 3].astype(np.float32) / 255.0
    white = 255.0 * (1.0 - alpha)
    for channel in range(3):
        blended[..., channel] = rgba[..., channel].astype(np.float32) * alpha + white
    return blended


# EXIF orientation: whether to transpose, then which axes to flip (cv2.flip: 1 left-right, 0 top-bottom, -1 both)

_TURNS: dict[int, tuple[bool, int | None]] = {
    1: (False, None),
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}


def _turn_upright(image: Image, orientation: int) -> Image:
    transposed, flipped = _TURNS[orientation]
    turned = cv2.transpose(image) if transposed else image
    return turned if flipped is None else cv2.flip(turned, flipped)


def _orientation(exif: bytes) -> int:
    """Orientation 1 to 8 of an EXIF block; 1 (as stored) where it says none or cannot be read."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (directory,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, directory)
        for entry in range(directory + 2, directory + 2 + 12 * count, 12):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if tag == 0x0112:
                return value if value in _TURNS else 1
    except struct.error:  # the block is shorter than it says
        pass
    return 1


# Writing PNG

_KEYWORD = re.compile(r"(?=.{1,79}\Z)[!-~\xa1-\xff]+( [!-~\xa1-\xff]+)*\Z")
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def _plain_rows(indices: UInt8[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height 1+width"]:
    """Rows behind their filter byte, filter 0: as they are."""
    rows = np.zeros((indices.shape[0], 1 + indices.shape[1]), np.uint8)
    rows[:, 1:] = indices
    return rows


def _difference_rows(image: Image) -> UInt8[np.ndarray, "height 1+3*width"]:
    """Rows behind their filter byte, filter 2: modulo 256 minus the row above, which for the first row is 0."""
    flat = image.reshape(len(image), -1)
    rows = np.empty((flat.shape[0], 1 + flat.shape[1]), np.uint8)
    rows[:, 0] = 2
    rows[0, 1:] = flat[0]
    np.subtract(flat[1:], flat[:-1], out=rows[1:, 1:])
    return rows


def _png_chunk(kind: bytes, payload: bytes) -> bytes:
    checksum = isal_zlib.crc32(payload, isal_zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(payload)), kind, payload, struct.pack(">I", checksum)))


def _text_chunk(keyword: str, text: str) -> bytes:
    """An uncompressed iTXt chunk without a language."""
    if not _KEYWORD.match(keyword):
        message = f"keyword {keyword!r}; valid: 1 to 79 printable Latin-1 characters, single spaces only inside"
        raise InvalidInput(message, field="text")
    if _NOT_TEXT.search(text):
        raise InvalidInput(f"text of {keyword!r} holds a NUL or half a surrogate pair", field="text")
    return _png_chunk(b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode())
