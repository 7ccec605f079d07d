"""What is to be worked on: loose photos, or tar shards as WebDataset packs them."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from app.images import SUFFIXES
from pose_core.errors import InvalidInput

ARCHIVES = (".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True, slots=True)
class Source:
    """Files below a folder, by their sorted names with slashes.

    Attributes:
        root: the folder.
        photos: loose photos; empty where there are archives.
        archives: tar shards; empty where there are loose photos.
    """

    root: Path
    photos: tuple[str, ...] = ()
    archives: tuple[str, ...] = ()


def find_source(given: str, dest: Path) -> Source:
    """The photos or archives that a folder (searched whole), a file or a glob names.

    Names are relative to the folder, or to the part of the glob before its first wildcard, so that they stay the same
    when files are added.

    Args:
        given: as on the command line.
        dest: where results go; nothing of it can be a source.

    Raises:
        InvalidInput: nothing is there, both kinds are, or results are among it.
    """
    root, names = _walk(given)
    photos = tuple(sorted(name for name in names if is_photo(name)))
    archives = tuple(sorted(name for name in names if is_archive(name)))
    if not photos and not archives:
        kinds = ", ".join((*SUFFIXES, *ARCHIVES))
        raise InvalidInput(f"{given!r} names no photo and no shard ({kinds})", field="SOURCE")
    if photos and archives:
        found = f"{len(photos)} photos such as {photos[0]} and {len(archives)} shards such as {archives[0]}"
        raise InvalidInput(f"{given!r} names {found}; name one kind with a glob", field="SOURCE")
    inside = dest.resolve()
    if own := next((name for name in photos or archives if (root / name).resolve().is_relative_to(inside)), None):
        raise InvalidInput(f"{root / own} lies in the folder of the results; choose another", field="DEST")
    return Source(root, photos, archives)


def is_photo(name: str) -> bool:
    """Whether a file is named like a photo."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def is_archive(name: str) -> bool:
    """Whether a file is named like a tar shard."""
    return name.lower().endswith(ARCHIVES)


def stem(archive: str) -> str:
    """The name of a shard without what makes it an archive."""
    ending = next(ending for ending in sorted(ARCHIVES, key=len, reverse=True) if archive.lower().endswith(ending))
    return archive[: -len(ending)]


def _walk(given: str) -> tuple[Path, list[str]]:
    path = Path(given)
    if path.is_dir():
        return path.resolve(), list(_files_below(path))
    if path.is_file():
        return path.resolve().parent, [path.name]
    fixed = fixed_part(given)
    matches = (Path(name) for name in glob.glob(given, recursive=True))  # noqa: PTH207 - absolute patterns, too
    return fixed.resolve(), [match.relative_to(fixed).as_posix() for match in matches if match.is_file()]


def fixed_part(pattern: str) -> Path:
    """The folder of a glob before its first wildcard."""
    parts = Path(pattern).parts
    wild = next((number for number, part in enumerate(parts) if glob.has_magic(part)), len(parts) - 1)
    return Path(*parts[:wild])


def _files_below(folder: Path) -> Iterator[str]:
    for place, _, files in os.walk(folder):
        below = Path(place).relative_to(folder)
        yield from ((below / name).as_posix() for name in files)
