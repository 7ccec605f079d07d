"""Which photo belongs to which shard, and under which key its results stand: settled once and recorded."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath

from app.batch.files import replacing
from app.batch.sources import Source, stem
from pose_core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class LooseShard:
    """Some photos of a folder.

    Attributes:
        name: of the shard.
        root: the folder.
        photos: key of the results and name below the folder, of each.
    """

    name: str
    root: Path
    photos: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ArchiveShard:
    """All photos of a tar file.

    Attributes:
        name: of the shard.
        path: the file.
    """

    name: str
    path: Path


Shard = LooseShard | ArchiveShard


def archive_shards(source: Source) -> list[Shard]:
    """A shard for each archive, named like it.

    Raises:
        InvalidInput: two have one name.
    """
    found: dict[str, str] = {}
    for archive in source.archives:
        name = stem(archive)
        if name in found:
            raise InvalidInput(f"{found[name]} and {archive} would both become shard {name!r}", field="SOURCE")
        found[name] = archive
    return [ArchiveShard(name, source.root / archive) for name, archive in found.items()]


def loose_shards(source: Source, size: int, record: Path) -> list[Shard]:
    """The photos in the order of their names, cut into shards of `size`.

    What was cut before stays as it is; photos that came since are cut into shards of their own.

    Args:
        source: the photos.
        size: photos of a new shard at the most.
        record: file that remembers the shards, a line of JSON each.
    """
    before = read_record(record, source.root)
    known = {name for shard in before for _, name in shard.photos}
    taken = {key for shard in before for key, _ in shard.photos}
    photos = list(name_keys((name for name in source.photos if name not in known), taken))
    starts = range(0, len(photos), size)
    added = [
        LooseShard(f"shard-{number:06d}", source.root, tuple(photos[start : start + size]))
        for number, start in enumerate(starts, len(before))
    ]
    if added:
        write_record(record, [*before, *added])
    return [*before, *added]


def name_keys(names: Iterable[str], taken: set[str]) -> Iterator[tuple[str, str]]:
    """Each name with a key that no other has; `taken` grows by them.

    A key is the name without extension and with `_` for further dots, because WebDataset readers take what follows the
    first dot for the kind of file; where that is taken the extension is part of it, and a number if need be. It leads
    out of no folder, and is UTF-8 even where the name is not.
    """
    for name in names:
        path = PurePosixPath(*(part for part in PurePosixPath(readable(name)).parts if part not in {"/", ".."}))
        plain = path.with_name(path.stem.replace(".", "_")).as_posix()
        for number in count():
            key = plain if not number else f"{plain}_{path.suffix[1:]}" + (f"_{number}" if number > 1 else "")
            if key not in taken:
                break
        taken.add(key)
        yield key, name


def readable(name: str) -> str:
    """A file name as UTF-8, with `?` for what is none."""
    return name.encode("utf-8", "replace").decode()


def read_record(record: Path, root: Path) -> list[LooseShard]:
    """The shards that were cut before; none where there is no record.

    Raises:
        InvalidInput: the record is damaged.
    """
    if not record.exists():
        return []
    try:
        lines = [json.loads(line) for line in record.read_bytes().splitlines()]
        return [LooseShard(line["name"], root, tuple(line["photos"].items())) for line in lines]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"{record} is damaged: {error}; restore it, or choose another folder", field="DEST"
        ) from error


def write_record(record: Path, shards: Sequence[LooseShard]) -> None:
    """Remember the shards. The standard library's JSON keeps names of files that are no UTF-8."""
    with replacing(record) as partial, partial.open("w", encoding="ascii") as file:
        for shard in shards:
            file.write(json.dumps({"name": shard.name, "photos": dict(shard.photos)}) + "\n")
