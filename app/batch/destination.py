"""The folder of the results: one batch, one process that leads it.

job.json             what is computed; another job is refused
plan.jsonl           which loose photos belong to which shard
NAME.tar, .parquet   results of a shard
manifest/NAME.json   its row, written last
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from app.batch.files import replacing, sweep
from app.batch.job import Job
from app.batch.plan import Shard, archive_shards, loose_shards
from app.batch.sources import Source
from pose_core.errors import InvalidInput

JOB: Final = "job.json"
PLAN: Final = "plan.jsonl"
LOCK: Final = ".lock"


@contextmanager
def leading(dest: Path) -> Iterator[None]:
    """Be the only process that leads a batch in this folder, which is made and swept of what killed ones left.

    The lock is the system's own and ends with the process, however that ends.

    Raises:
        InvalidInput: another process leads one, or this is no folder.
    """
    try:
        dest.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise InvalidInput(f"{dest} is no folder", field="DEST") from error
    with (dest / LOCK).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            raise InvalidInput(f"{dest} is being worked on by process {lock.read().strip()}", field="DEST") from error
        lock.truncate(0)
        lock.write(f"{os.getpid()} on {os.uname().nodename}\n")
        lock.flush()
        sweep(dest)
        yield
        sweep(dest)  # of workers that were lost meanwhile


def begin(dest: Path, source: Source, job: Job) -> None:
    """Record what is computed, or make sure that it is the same as before.

    Raises:
        InvalidInput: it is not.
    """
    now: Mapping[str, Any] = {"source": str(source.root), **job.describe()}
    path = dest / JOB
    if not path.exists():
        with replacing(path) as partial:
            partial.write_bytes(orjson.dumps(now, option=orjson.OPT_INDENT_2))
        return
    try:
        before = dict(orjson.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{path} is damaged: {error}; choose another folder", field="DEST") from error
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            was, is_now = before.get(name), now.get(name)
            raise InvalidInput(
                f"{dest} was begun with {name} {was!r}, now it is {is_now!r}; choose another folder", field="DEST"
            )


def shards_of(dest: Path, source: Source, size: int) -> list[Shard]:
    """All shards of the source; see `plan`.

    Raises:
        InvalidInput: two shards have one name, or the plan is damaged.
    """
    return archive_shards(source) if source.archives else loose_shards(source, size, dest / PLAN)
