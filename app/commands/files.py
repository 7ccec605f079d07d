"""Files on the command line: which photos are meant, and where results go."""

import glob
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from app.formats import FORMATS
from app.images import SUFFIXES
from pose_core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Job:
    """One photo and the path of its results, without extension.

    Attributes:
        photo: the photo.
        stem: where its results go.
        originals: every photo of the run, none of which a result may replace.
    """

    photo: Path
    stem: Path
    originals: frozenset[Path] = frozenset()


def find_photos(patterns: Sequence[str]) -> list[tuple[Path, Path]]:
    """Photos named by files, folders (searched whole) and globs: each with its name below the folder.

    Raises:
        InvalidInput: a pattern that names nothing.
    """
    found: dict[Path, Path] = {}
    for pattern in patterns:
        path = Path(pattern)
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
            matches = [(file, file.relative_to(path)) for file in inside]
        elif path.is_file():
            matches = [(path, Path(path.name))]
        else:
            named = sorted(Path(name) for name in glob.glob(pattern, recursive=True))  # noqa: PTH207 - ~ and absolute
            matches = [(file, Path(file.name)) for file in named if file.is_file()]
        if not matches:
            raise InvalidInput(f"{pattern!r} names no photo ({', '.join(SUFFIXES)})", field="PHOTO")
        found.update(matches)
    return list(found.items())


def plan(photos: Sequence[tuple[Path, Path]], folder: Path) -> list[Job]:
    """Where the results of each photo go.

    That is its name without extension, or with it where two photos share the rest, or with a number where another
    photo's results have that name already.
    """
    shared = Counter(name.with_suffix("") for _, name in photos)
    originals = frozenset(photo.resolve() for photo, _ in photos)
    taken: set[str] = set()
    jobs = []
    for photo, name in photos:
        alone = name.with_suffix("")
        plain = alone if shared[alone] == 1 else name.with_name(name.name.replace(".", "_"))
        for number in count():
            stem = plain.with_name(f"{plain.name}_{number}") if number else plain
            results = {f"{stem}.{form.extension}" for form in FORMATS.values()}
            if taken.isdisjoint(results):
                break
        taken |= results
        jobs.append(Job(photo, folder / stem, originals))
    return jobs


def result_path(job: Job, extension: str) -> Path:
    """Path of one result.

    Raises:
        InvalidInput: it would overwrite the photo itself, or another of the same run.
    """
    path = job.stem.with_name(f"{job.stem.name}.{extension}")
    if path.exists() and (path.samefile(job.photo) or path.resolve() in job.originals):
        raise InvalidInput(f"{path} would overwrite the photo; choose another folder", field="-o")
    return path
