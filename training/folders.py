"""Folders that are complete whenever somebody finds them under their name."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

PARTIAL: Final = ".partial-"
"""How the name of something begins that is being written or deleted."""


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A neighbouring folder to fill; it becomes `folder` if the block succeeds and disappears if not."""
    partial = folder.with_name(f"{PARTIAL}{folder.name}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        flush([*partial.iterdir(), partial])
        remove_folder(folder)
        partial.rename(folder)
        flush([folder.parent])
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Delete a folder, if there is one, so that a reader never finds it half empty under its name."""
    if folder.exists():
        doomed = folder.with_name(f"{PARTIAL}{folder.name}-old")
        shutil.rmtree(doomed, ignore_errors=True)  # of a process that was killed in the next but one line
        folder.rename(doomed)
        shutil.rmtree(doomed)


def flush(paths: Iterable[Path]) -> None:
    """Wait until files and folders have reached the disk."""
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
