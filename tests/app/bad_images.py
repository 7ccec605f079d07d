"""Uploads as strangers send them: odd, broken and hostile image files, each with what must become of it.

Everything is generated, nothing is stored. Files are built on demand, because some of them unpack to gigabytes.
`python -m tests.app.bad_images FOLDER` writes all of them for other programs to be tested with.
"""

import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from isal import isal_zlib
from PIL import Image

from pose_core.errors import ImageTooLarge, InvalidImage, UnsupportedImage
from pose_core.types import Size

WIDTH, HEIGHT = 64, 48
WHOLE = Size(WIDTH, HEIGHT)
TURNED = Size(HEIGHT, WIDTH)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class Specimen:
    """One file of the corpus.

    Attributes:
        name: category and what is special, for the test's name.
        build: makes the bytes.
        outcome: size of the decoded picture, or exactly the error, or None where both InvalidImage and a picture of
            any size are right.
    """

    name: str
    build: Callable[[], bytes]
    outcome: Size | type[InvalidImage] | None


@cache
def photo(mode: str = "RGB", width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Smooth noise, the same at every call."""
    noise = np.random.default_rng(7).integers(0, 256, (6, 8, 4), np.uint8)
    smooth = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    if mode == "I;16":
        return Image.fromarray(smooth[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(smooth, "RGBA").convert(mode)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file."""
    file = BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def exif_block(orientation: int, order: str = "<") -> bytes:
    """A TIFF header and a directory with the orientation as its only entry."""
    start = b"II*\0" if order == "<" else b"MM\0*"
    return start + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def jpeg_segment(marker: int, payload: bytes) -> bytes:
    """A marker segment."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segment(jpeg: bytes, segment: bytes) -> bytes:
    """The segment behind the start of the image."""
    return jpeg[:2] + segment + jpeg[2:]


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    """A chunk with its checksum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def with_chunk(png: bytes, kind: bytes, payload: bytes) -> bytes:
    """The chunk behind IHDR."""
    return png[:33] + png_chunk(kind, payload) + png[33:]


def bare_png(width: int, height: int, depth: int, colour_type: int, packed: bytes, *between: bytes) -> bytes:
    """A PNG from its parts; `packed` is the compressed stream, `between` stands before it."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0))
    return b"".join([PNG_SIGNATURE, header, *between, png_chunk(b"IDAT", packed), png_chunk(b"IEND", b"")])


def png_of_rows(width: int, rows: list[bytes], depth: int, colour_type: int, *between: bytes) -> bytes:
    """A PNG whose unfiltered rows are given as bytes."""
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    return bare_png(width, len(rows), depth, colour_type, packed, *between)


def deflated(byte: bytes, count: int) -> bytes:
    """A zlib stream of one byte repeated, made without holding it unpacked."""
    squeezer, block = isal_zlib.compressobj(level=1), byte * 2**20
    full = [squeezer.compress(block) for _ in range(count // len(block))]
    return b"".join([*full, squeezer.compress(byte * (count % len(block))), squeezer.flush()])


def black_png(side: int, depth: int, colour_type: int, channels: int = 1) -> bytes:
    """A black square; megapixels in kilobytes."""
    return bare_png(side, side, depth, colour_type, deflated(b"\0", side * (1 + side * channels * depth // 8)))


def animation(kind: str, **options: object) -> bytes:
    """Eight turned frames."""
    frames = [photo("RGB", 64, 64).rotate(45 * step) for step in range(8)]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], **options)


@cache
def long_animation(frames: int) -> bytes:
    """A GIF of tiny frames, no two alike."""
    tiny = [Image.new("L", (8, 8), step % 256) for step in range(frames)]
    return saved(tiny[0], "GIF", save_all=True, append_images=tiny[1:])


def apng_with_two_controls() -> bytes:
    """An APNG whose animation header comes twice, about which Pillow warns."""
    return with_chunk(animation("PNG"), b"acTL", struct.pack(">II", 8, 0))


def many_scans(scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated."""
    jpeg = saved(photo("L"), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * scans + b"\xff\xd9"


def patched(data: bytes, start: int, replacement: bytes) -> bytes:
    """The file with some bytes overwritten."""
    return data[:start] + replacement + data[start + len(replacement) :]


def _orientations() -> Iterator[Specimen]:
    for orientation in range(1, 9):
        exif = b"Exif\0\0" + exif_block(orientation)
        build = partial(saved, photo(), "JPEG", exif=exif)
        yield Specimen(f"orientation-{orientation}", build, WHOLE if orientation < 5 else TURNED)
    jpeg = saved(photo(), "JPEG")
    broken = jpeg_segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff")
    yield Specimen("orientation-broken-block", partial(with_segment, jpeg, broken), WHOLE)


def _colours() -> Iterator[Specimen]:
    hidden = photo("RGBA").copy()
    hidden.putalpha(0)
    yield Specimen("colour-cmyk-jpeg", partial(saved, photo("CMYK"), "JPEG"), WHOLE)
    yield Specimen("colour-grey-jpeg", partial(saved, photo("L"), "JPEG"), WHOLE)
    yield Specimen("colour-progressive-jpeg", partial(saved, photo(), "JPEG", progressive=True), WHOLE)
    yield Specimen("colour-alpha-0-png", partial(saved, hidden, "PNG"), WHOLE)
    yield Specimen("colour-palette-alpha-png", partial(saved, photo("P"), "PNG", transparency=b"\0\x80"), WHOLE)
    for mode in ("1", "L", "LA", "I;16", "P", "RGB", "RGBA"):
        yield Specimen(f"colour-{mode}-png", partial(saved, photo(mode), "PNG"), WHOLE)
    for mode in ("RGB", "RGBA"):
        yield Specimen(f"colour-{mode}-webp", partial(saved, photo(mode), "WEBP"), WHOLE)
        yield Specimen(f"colour-{mode}-lossless-webp", partial(saved, photo(mode), "WEBP", lossless=True), WHOLE)


def _other_formats() -> Iterator[Specimen]:
    for kind in ("BMP", "TIFF", "GIF", "PPM"):
        yield Specimen(f"format-{kind}", partial(saved, photo(), kind), UnsupportedImage)
    texts = {
        "avif": b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(100),
        "text": b"hello, world\n",
        "html": b"<!doctype html><title>404</title>",
        "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "pdf": b"%PDF-1.7\n",
        "riff-sound": b"RIFF\x24\0\0\0WAVEfmt " + bytes(32),
        "byte": b"\xff",
    }
    for name, data in texts.items():
        yield Specimen(f"format-{name}", partial(bytes, data), UnsupportedImage)
    stubs = {"empty": b"", "jpeg-start": b"\xff\xd8", "png-start": PNG_SIGNATURE, "webp-start": b"RIFF\4\0\0\0WEBP"}
    for name, data in stubs.items():
        yield Specimen(f"nothing-{name}", partial(bytes, data), InvalidImage)


def _shapes() -> Iterator[Specimen]:
    for width, height in ((1, 1), (1, 8000), (8000, 1)):
        for kind in ("PNG", "JPEG", "WEBP"):
            build = partial(saved, photo("RGB", width, height), kind)
            yield Specimen(f"shape-{width}x{height}-{kind}", build, Size(width, height))


def _animations() -> Iterator[Specimen]:
    yield Specimen("animated-webp", partial(animation, "WEBP"), Size(64, 64))
    yield Specimen("animated-png", partial(animation, "PNG"), Size(64, 64))
    yield Specimen("animated-png-default-apart", partial(animation, "PNG", default_image=True), Size(64, 64))
    yield Specimen("animated-gif", partial(animation, "GIF"), UnsupportedImage)
    yield Specimen("animated-gif-2000-frames", partial(long_animation, 2000), UnsupportedImage)
    yield Specimen("animated-png-invalid", apng_with_two_controls, Size(64, 64))


def _damaged() -> Iterator[Specimen]:
    jpeg, png, webp = (saved(photo("RGB", 480, 640), kind) for kind in ("JPEG", "PNG", "WEBP"))
    for name, data in (("jpeg", jpeg), ("png", png), ("webp", webp)):
        for share in (0.1, 0.5, 0.9, 0.999):
            build = partial(bytes, data[: int(len(data) * share)])
            yield Specimen(f"truncated-{name}-{share:.1%}", build, InvalidImage)
    yield Specimen("truncated-jpeg-end-marker", partial(bytes, jpeg[:-2]), InvalidImage)
    yield Specimen("truncated-png-end-chunk", partial(bytes, png[:-12]), InvalidImage)
    middle, size = len(jpeg) // 2, Size(480, 640)
    noise = np.random.default_rng(3).bytes(200)
    yield Specimen("damaged-jpeg-middle", partial(patched, jpeg, middle, noise), None)
    flipped = bytes([png[len(png) // 2] ^ 0xFF])
    yield Specimen("damaged-png-byte", partial(patched, png, len(png) // 2, flipped), InvalidImage)
    yield Specimen("damaged-png-no-palette", partial(png_of_rows, 2, [b"\0\1"], 8, 3), InvalidImage)
    yield Specimen("damaged-png-depth-7", partial(png_of_rows, 2, [b"\0\1"], 7, 0), InvalidImage)
    yield Specimen("damaged-png-not-zlib", partial(bare_png, 2, 1, 8, 0, b"no zlib"), InvalidImage)
    for name, data in (("jpeg", jpeg), ("png", png), ("webp", webp)):
        junk = b"PK" + np.random.default_rng(4).bytes(1000)
        yield Specimen(f"junk-behind-{name}", partial(bytes, data + junk), size)


def _bombs() -> Iterator[Specimen]:
    yield Specimen("bomb-pixels-16000-png", partial(black_png, 16_000, 1, 0), ImageTooLarge)
    yield Specimen("bomb-pixels-30000-png", partial(black_png, 30_000, 1, 0), ImageTooLarge)
    yield Specimen("bomb-pixels-12000-rgb-png", partial(black_png, 12_000, 8, 2, 3), ImageTooLarge)
    wide = Image.new("L", (65_500, 200))
    yield Specimen("bomb-side-65500-jpeg", partial(saved, wide, "JPEG", quality=1), ImageTooLarge)
    for side, error in ((0, InvalidImage), (60_000, ImageTooLarge), (2**31 - 1, ImageTooLarge)):
        yield Specimen(f"lie-{side}-png", partial(bare_png, side, side, 8, 0, b""), error)
    webp = saved(photo("RGBA"), "WEBP")
    yield Specimen("lie-largest-webp", partial(patched, webp, 24, b"\xff" * 6), ImageTooLarge)
    jpeg, png = saved(photo(), "JPEG"), saved(photo(), "PNG")
    size_at = jpeg.index(b"\xff\xc0") + 5
    yield Specimen("lie-largest-jpeg", partial(patched, jpeg, size_at, b"\xff" * 4), ImageTooLarge)
    yield Specimen("lie-larger-jpeg", partial(patched, jpeg, size_at, b"\4\0\4\0"), None)
    yield Specimen("lie-0-jpeg", partial(patched, jpeg, size_at, b"\0\0"), InvalidImage)
    text = b"comment\0\0" + deflated(b"A", 100 * 10**6)
    profile = b"icc\0\0" + deflated(b"\0", 50 * 10**6)
    yield Specimen("bomb-text-png", partial(with_chunk, png, b"zTXt", text), None)
    yield Specimen("bomb-profile-png", partial(with_chunk, png, b"iCCP", profile), None)
    yield Specimen("bomb-chunks-png", partial(bytes, png[:33] + png_chunk(b"aaAa", b"") * 100_000), InvalidImage)
    flood = jpeg_segment(0xFE, b"") * 100_000
    yield Specimen("bomb-segments-jpeg", partial(with_segment, jpeg, flood), InvalidImage)
    yield Specimen("bomb-chunks-webp", partial(bytes, webp + b"JUNK\0\0\0\0" * 100_000), None)
    yield Specimen("bomb-scans-jpeg", partial(many_scans, 1000), InvalidImage)


CORPUS: tuple[Specimen, ...] = tuple(
    specimen
    for category in (_orientations, _colours, _other_formats, _shapes, _animations, _damaged, _bombs)
    for specimen in category()
)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for specimen in CORPUS:
        (folder / specimen.name).write_bytes(specimen.build())
