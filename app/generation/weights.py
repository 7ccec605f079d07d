"""Files of a model before anything reads them: safetensors only, whole, and as their checksums say.

Nothing here needs torch or diffusers.
"""

import hashlib
import json
import re
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pose_core.errors import ModelError, WeightsCorrupt

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
"""Endings of files that run code when they are read."""

SUMS = "SHA256SUMS"
"""A file beside the weights as `sha256sum` writes it; what it lists is compared."""

_HEADER_BYTES = 100 * 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_folder(folder: Path, *, sums: bool) -> None:
    """Refuse a model folder that cannot be read safely, naming the file.

    Args:
        folder: a pipeline or one network in diffusers' format.
        sums: whether to read every byte whose checksum is known.

    Raises:
        ModelError: a part of the model has pickled weights only.
        WeightsCorrupt: a file is cut off, damaged, missing, or not what its checksum says.
    """
    for part in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        weights = sorted(part.glob("*.safetensors"))
        pickles = sorted(path.name for path in part.iterdir() if path.suffix in PICKLES)
        if pickles and not weights and part != folder:
            raise ModelError(f"{part / pickles[0]} is refused: reading it can run code; only .safetensors are loaded")
        for path in weights:
            check_safetensors(path)
    if sums:
        check_sums(folder)


def check_safetensors(path: Path) -> None:
    """Compare the length of a file with what its header promises.

    The header is a little-endian 64-bit length and that many bytes of JSON; each tensor in it has `data_offsets` behind
    the header.

    Raises:
        WeightsCorrupt: the header cannot be read, or promises another length.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _HEADER_BYTES):
            raise WeightsCorrupt(f"{path} is cut off or damaged: its header does not fit into {size:,} bytes")
        promised = 8 + length + _data_bytes(path, file.read(length))
    if promised != size:
        raise WeightsCorrupt(f"{path} is cut off or damaged: {size:,} bytes, {promised:,} are promised")


def _data_bytes(path: Path, header: bytes) -> int:
    try:
        tensors: Mapping[str, Any] = json.loads(header)
        return max(
            (int(tensor["data_offsets"][1]) for key, tensor in tensors.items() if key != "__metadata__"), default=0
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsCorrupt(f"{path} is damaged: its header cannot be read") from error


def check_sums(folder: Path) -> None:
    """Compare every file whose checksum is known.

    Raises:
        WeightsCorrupt: a file is missing, outside the folder, or another one.
    """
    for path, expected in (*_listed(folder), *_cached(folder)):
        if not path.is_file() or ".." in path.relative_to(folder).parts:
            raise WeightsCorrupt(f"{path} is missing, although {SUMS} lists it")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            raise WeightsCorrupt(f"{path} is damaged: its sha256 is {found} and should be {expected}")


def _listed(folder: Path) -> Iterator[tuple[Path, str]]:
    """The lines `<sha256>  <name>` of SHA256SUMS; a `*` before a name says that it was read as bytes."""
    sums = folder / SUMS
    for line in sums.read_text("utf-8").splitlines() if sums.is_file() else ():
        expected, _, name = line.strip().partition(" ")
        if name:
            yield folder / name.strip().removeprefix("*"), expected.lower()


def _cached(folder: Path) -> Iterator[tuple[Path, str]]:
    """The weights of a folder in the cache of the Hugging Face hub: links to files that are named by their sha256."""
    for path in sorted(folder.rglob("*.safetensors")):
        if path.is_symlink() and _SHA256.fullmatch(name := path.resolve().name):
            yield path, name
