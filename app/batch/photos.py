"""The photos of a shard, one after the other."""

import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.batch.plan import ArchiveShard, LooseShard, Shard, name_keys, readable
from app.batch.sources import is_photo

GONE: Final = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
"""What is wrong with one file; any other trouble of the system may be over when the shard is tried again."""

END: Final = bytes(tarfile.BLOCKSIZE)
"""What an archive has behind its last member. Python's reader takes any other block there for an end, too."""


class DamagedShard(Exception):
    """An archive that cannot be read to its end; trying again would not help."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One photo.

    Attributes:
        key: its results are named after it.
        name: in its folder or archive.
        data: its bytes; empty where they cannot be had.
        trouble: why they cannot be had.
    """

    key: str
    name: str
    data: bytes = b""
    trouble: str = ""


def photos_of(shard: Shard, max_bytes: int) -> Iterator[Photo]:
    """The photos in their order.

    Args:
        shard: which.
        max_bytes: of a file; a larger one is not read.

    Raises:
        DamagedShard: an archive cannot be read to its end.
        OSError: the system is in trouble.
    """
    return _loose(shard, max_bytes) if isinstance(shard, LooseShard) else _packed(shard, max_bytes)


def _loose(shard: LooseShard, max_bytes: int) -> Iterator[Photo]:
    for key, name in shard.photos:
        try:
            photo = _load(shard.root / name, max_bytes)
        except GONE as error:
            photo = b"", f"cannot be read: {error.strerror}"
        yield Photo(key, readable(name), *photo)


def _load(path: Path, max_bytes: int) -> tuple[bytes, str]:
    trouble = _too_large(path.stat().st_size, max_bytes)
    return (b"" if trouble else path.read_bytes()), trouble


def _packed(shard: ArchiveShard, max_bytes: int) -> Iterator[Photo]:
    taken: set[str] = set()
    try:
        with tarfile.open(shard.path) as archive:
            for member in archive:
                if not (member.isreg() and is_photo(member.name)):
                    continue
                ((key, name),) = name_keys([member.name], taken)
                trouble = _too_large(member.size, max_bytes)
                yield Photo(key, readable(name), b"" if trouble else _read(archive, member), trouble)
            _require_end(archive, shard.path)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise DamagedShard(f"{shard.path} is damaged: {error}") from error


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None  # a regular file
    return file.read()


def _require_end(archive: tarfile.TarFile, path: Path) -> None:
    assert archive.fileobj is not None  # it is open
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(len(END)) != END:
        raise DamagedShard(f"{path} is damaged: it ends after {archive.offset:,} bytes without an end mark")


def _too_large(size: int, max_bytes: int) -> str:
    return f"{size:,} bytes; at most {max_bytes:,} are allowed" if size > max_bytes else ""
