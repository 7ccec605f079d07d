"""Untrusted bytes to pixels: JPEG, PNG and WebP, within limits, upright, RGB.

Pillow reads the header and nothing else before format and size are known to be allowed. JPEG pixels then come through
libjpeg-turbo's own interface, which gives the same values in a third of the time; everything else through Pillow.
"""

import binascii
import io
import re
import struct
from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8
from PIL import Image as Pillow
from PIL import ImageFile, UnidentifiedImageError

from pose_core.errors import ImageTooLarge, InvalidImage, UnsupportedImage
from pose_core.types import Image

FORMATS = ("JPEG", "PNG", "WEBP")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
"""What files of those formats are called; only where files are looked for, content decides what they are."""

MAX_SCANS = 32
"""Scans of a progressive JPEG: each costs a pass over all pixels, and a small file could hold thousands."""

MAX_PARTS = 10_000
"""Chunks of a PNG or segments of a JPEG: Pillow takes microseconds for each, and a file could hold millions."""

_ORIENTATION = 0x0112
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_SCAN = re.compile(rb"\xff\xda")  # searching is twice as fast as bytes.count

# our own limit decides, before decoding; Pillow's would be a Python warning, which threads cannot catch safely
Pillow.MAX_IMAGE_PIXELS = None
Pillow.init()  # its readers are imported now, not with the first upload


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """What an upload may be.

    Attributes:
        max_bytes: of the file, after base64.
        max_pixels: width times height.
        max_side: width or height in pixels.
    """

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_side: int = 16_384


def decode_image(data: bytes, limits: ImageLimits) -> Image:
    """The upright RGB pixels of the first picture in a file; its content decides the format, not a name.

    Transparency is blended over white, 16 bits per channel are cut to 8.

    Raises:
        UnsupportedImage: not a JPEG, PNG or WebP.
        ImageTooLarge: more bytes, pixels or length of a side than allowed, found before decoding.
        InvalidImage: everything else that keeps the bytes from becoming pixels.
    """
    if len(data) > limits.max_bytes:
        raise ImageTooLarge(f"{len(data):,} bytes; at most {limits.max_bytes:,} are allowed", field="image")
    try:
        _check_parts(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            _check_size(_webp_size(data), limits)
        with Pillow.open(io.BytesIO(data), formats=FORMATS) as opened:
            _check_size(opened.size, limits)
            pixels = _jpeg_pixels(opened, data) if opened.format == "JPEG" else _pillow_pixels(opened)
            return _turn_upright(pixels, _orientation(opened))
    except UnidentifiedImageError as error:
        raise _unrecognised(data) from error
    except (InvalidImage, MemoryError):
        raise
    except Exception as error:  # a damaged file can make a decoder raise anything
        raise InvalidImage(f"the file is damaged: {error or type(error).__name__}", field="image") from error


def _unrecognised(data: bytes) -> InvalidImage:
    if not data:
        return InvalidImage("the file is empty", field="image", choices=FORMATS)
    if data.startswith((_JPEG, _PNG)) or data[8:12] == b"WEBP":
        return InvalidImage("the file is damaged: its header cannot be read", field="image")
    return UnsupportedImage(f"not a readable image; it starts with {data[:8]!r}", field="image", choices=FORMATS)


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels or max(width, height) > limits.max_side:
        allowed = f"at most {limits.max_pixels:,} pixels and {limits.max_side:,} per side are allowed"
        raise ImageTooLarge(f"{width} x {height} pixels; {allowed}", field="image")


def _check_parts(data: bytes) -> None:
    """Refuse what would keep or fill a decoder although the file is small, before Pillow opens it."""
    if data.startswith(_JPEG):
        _check_jpeg_parts(data)
    elif data.startswith(_PNG):
        _check_png_parts(data)


def _check_jpeg_parts(data: bytes) -> None:
    position, segments = 2, 0
    while data[position : position + 1] == b"\xff" and data[position + 1 : position + 2] != b"\xda":
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        segments += 1
        if segments > MAX_PARTS:
            raise InvalidImage(f"a JPEG of more than {MAX_PARTS:,} segments", field="image")
    if any(islice(_SCAN.finditer(data, position), MAX_SCANS, None)):
        scans = data.count(b"\xff\xda", position)
        raise InvalidImage(f"a JPEG of {scans:,} scans; at most {MAX_SCANS} are allowed", field="image")


def _check_png_parts(data: bytes) -> None:
    position, chunks, kind = len(_PNG), 0, b""
    while kind != b"IEND":
        if len(data) < position + 12:
            raise InvalidImage("the PNG is truncated: it ends before its IEND chunk", field="image")
        length, kind = struct.unpack_from(">I4s", data, position)
        position += 12 + length
        chunks += 1
        if chunks > MAX_PARTS:
            raise InvalidImage(f"a PNG of more than {MAX_PARTS:,} chunks", field="image")


def _webp_size(data: bytes) -> tuple[int, int]:
    """Width and height from the first chunk, because Pillow's WebP reader makes room for all pixels when it opens."""
    if data[12:16] == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return bits % 2**14 + 1, (bits >> 14) % 2**14 + 1
    return int.from_bytes(data[26:28], "little") % 2**14, int.from_bytes(data[28:30], "little") % 2**14


def _orientation(opened: ImageFile.ImageFile) -> int:
    """The EXIF orientation; 1, as stored, where there is none or it cannot be read."""
    try:
        return int(opened.getexif().get(_ORIENTATION, 1))
    except (SyntaxError, ValueError, TypeError, struct.error):  # what Pillow raises for damaged blocks
        return 1


def _jpeg_pixels(opened: ImageFile.ImageFile, data: bytes) -> Image:
    """RGB and grey through libjpeg-turbo itself; Pillow for CMYK and for what that refuses but can be shown."""
    width, height = opened.size
    if opened.mode in {"RGB", "L"}:
        try:
            # the buffer bounds what a header that contradicts Pillow's reading could make it write
            pixels: Image = simplejpeg.decode_jpeg(data, "RGB", buffer=np.empty((height, width, 3), np.uint8))
        except ValueError:
            return _pillow_pixels(opened)
        if pixels.shape == (height, width, 3):
            return pixels
    return _pillow_pixels(opened)


def _pillow_pixels(opened: ImageFile.ImageFile) -> Image:
    """RGB without Pillow's own ways, which are to clip 16-bit grey and to show what transparent pixels hide."""
    if opened.mode == "I;16":
        return np.repeat((np.asarray(opened) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if opened.has_transparency_data:
        return _on_white(np.asarray(opened.convert("RGBA")))
    return np.array(opened.convert("RGB"))


def _on_white(rgba: UInt8[np.ndarray, "height width 4"]) -> Image:
    """Blended over white: rgb * a + 255 * (1 - a) in float32, truncated, like HWC3 of the reference pre-processors."""
    blended = np.empty((*rgba.shape[:2], 3), np.uint8)
    alpha = rgba[..., 3].astype(np.float32) / 255.0
    white = 255.0 * (1.0 - alpha)
    for channel in range(3):
        blended[..., channel] = rgba[..., channel].astype(np.float32) * alpha + white
    return blended


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
"""For each EXIF orientation whether to transpose, then what to flip: 1 left-right, 0 top-bottom, -1 both."""


def _turn_upright(image: Image, orientation: int) -> Image:
    transposed, flipped = _TURNS.get(orientation, _TURNS[1])
    turned = cv2.transpose(image) if transposed else image
    return turned if flipped is None else cv2.flip(turned, flipped)


def decode_base64(text: str, limits: ImageLimits) -> bytes:
    """The bytes of base64 text or of a base64 data URL; whitespace is skipped.

    Raises:
        ImageTooLarge: the text stands for more bytes than allowed, found before decoding.
        InvalidImage: anything that is not standard base64 with its padding.
    """
    text = text.lstrip()
    head, comma, body = text.partition(",") if text[:5].lower() == "data:" else ("", "", text)
    if head and not (comma and head.rstrip().lower().endswith(";base64")):
        raise InvalidImage(f"a data URL that starts {head[:40]!r}; valid: data:image/png;base64,...", field="image")
    if not head and text.lower().startswith(("http://", "https://")):
        raise InvalidImage("not base64 but a URL, which is not loaded; valid: base64 or a data URL", field="image")
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
