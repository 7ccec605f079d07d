"""What is finished: one row of JSON per shard, in a file of its own, so that many may write at once.

{"shard": "shard-000000", "photos": 1000, "written": 998, "people": 1730,
 "bad": [{"photo": "a/7.jpg", "reason": "..."}, ...],
 "files": [{"name": "shard-000000.tar", "bytes": 4096, "sha256": "..."}], "networks": {"skelmap-t": "<sha256>"}}
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pydantic import TypeAdapter

from app.batch.files import replacing

MANIFEST: Final = "manifest"


@dataclass(frozen=True, slots=True)
class File:
    """A file of results: its name below the folder, its size, and its sha256."""

    name: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, name: str, path: Path) -> Self:
        """What there is to say about the file that will be called `name`."""
        with path.open("rb") as file:
            return cls(name, path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


@dataclass(frozen=True, slots=True)
class BadPhoto:
    """A photo without results, and why."""

    photo: str
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """A finished shard.

    Attributes:
        shard: its name.
        photos: how many it has.
        written: how many of them have results; the others are `bad`.
        people: found in them.
        bad: photos without results.
        files: the results.
        networks: name and sha256 of what computed them.
    """

    shard: str
    photos: int
    written: int
    people: int
    bad: tuple[BadPhoto, ...]
    files: tuple[File, ...]
    networks: dict[str, str]


ROW: Final = TypeAdapter(Row)


def row_path(dest: Path, shard: str) -> Path:
    """Where the row of a shard is."""
    return dest / MANIFEST / f"{shard}.json"


def write_row(dest: Path, row: Row) -> None:
    """Declare a shard finished."""
    with replacing(row_path(dest, row.shard)) as partial:
        partial.write_bytes(ROW.dump_json(row) + b"\n")


def read_row(dest: Path, shard: str) -> Row | None:
    """The row of a finished shard; None where there is none that can be read, or a file is gone or cut short."""
    try:
        row = ROW.validate_json(row_path(dest, shard).read_bytes())
        whole = all((dest / file.name).stat().st_size == file.bytes for file in row.files)
    except (FileNotFoundError, ValueError):
        return None
    return row if whole else None
