"""Fuzzes the decoder of uploads with coverage of its Python code; run by hand, for as long as there is patience.

`python -m tests.fuzz.decode FOLDER -max_total_time=300` starts from the files of the bad-input list, keeps what reaches
new code in FOLDER, and ends with the input in a file where anything but a picture or InvalidImage comes out. Needs the
package `atheris`, which no extra brings. Further options are libFuzzer's.
"""

import sys
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["app.images", "PIL"]):
    from app.images import ImageLimits, decode_base64, decode_image

from pose_core.errors import InvalidImage
from tests.app.bad_images import CORPUS

LIMITS = ImageLimits(max_bytes=2**18, max_pixels=2**18)
LARGEST_SEED = 2**14


def decode(data: bytes) -> None:
    """One input: a picture, or as base64 what stands behind a first byte of B."""
    try:
        if data[:1] == b"B":
            data = decode_base64(data[1:].decode("latin-1"), LIMITS)
        image = decode_image(data, LIMITS)
    except InvalidImage:
        return
    height, width, channels = image.shape
    assert image.dtype == np.uint8
    assert channels == 3
    assert height * width <= LIMITS.max_pixels


def write_seeds(folder: Path) -> None:
    """The small files of the bad-input list."""
    folder.mkdir(parents=True, exist_ok=True)
    for specimen in CORPUS:
        data = specimen.build()
        if len(data) <= LARGEST_SEED:
            (folder / specimen.name).write_bytes(data)


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
    atheris.Setup([sys.argv[0], f"-max_len={2 * LARGEST_SEED}", *sys.argv[1:]], decode)
    atheris.Fuzz()
