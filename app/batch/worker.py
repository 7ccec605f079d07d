"""The work of one shard, wherever it is done: photos in, a shard of results and its row of the manifest out."""

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import cv2

from app.answer import Answer
from app.batch.files import replacing
from app.batch.job import Job
from app.batch.manifest import BadPhoto, File, Row, write_row
from app.batch.outputs import files_of
from app.batch.photos import DamagedShard, Photo, photos_of
from app.batch.plan import Shard
from app.models import ModelStore
from app.service import PoseService
from pose_core.errors import InvalidInput, PoseError
from pose_core.timing import Timer


@dataclass(frozen=True, slots=True)
class Done:
    """A shard is finished; results and row are on disk."""

    row: Row


@dataclass(frozen=True, slots=True)
class Failed:
    """A shard is not finished.

    Attributes:
        reason: why.
        final: whether trying again would not help.
    """

    reason: str
    final: bool = False


@dataclass(frozen=True, slots=True)
class Unusable:
    """No shard can be done here: the networks cannot be loaded. Says why."""

    reason: str


Outcome = Done | Failed | Unusable


class Worker:
    """Does shards, one after the other, with networks that are loaded once."""

    def __init__(self, job: Job, dest: Path) -> None:
        self._job = job
        self._dest = dest
        self._service = PoseService(ModelStore(job.settings), job.settings)
        cv2.setNumThreads(job.settings.threads)

    def work(self, shard: Shard, seen: Callable[[int], None] = lambda _count: None) -> Outcome:
        """Do a shard; `seen` is told how many of its photos are done."""
        parameters = self._job.parameters
        try:
            self._service.models.pipeline(parameters.estimator, parameters.detector)
        except PoseError as error:
            return Unusable(str(error))
        try:
            return Done(do_shard(self._service, self._job, shard, self._dest, seen))
        except DamagedShard as error:
            return Failed(str(error), final=True)
        except (PoseError, OSError) as error:
            return Failed(str(error))


def do_shard(service: PoseService, job: Job, shard: Shard, dest: Path, seen: Callable[[int], None]) -> Row:
    """Write the results of a shard and its row.

    Raises:
        DamagedShard: its archive cannot be read to its end.
        ModelError: a network failed.
        OSError: the system is in trouble.
    """
    photos, people = 0, 0
    bad: list[BadPhoto] = []
    partials: dict[str, Path] = {}
    with ExitStack() as finishing:
        with ExitStack() as closing_writers:
            writers = []
            for extension, open_writer in files_of(job.outputs).items():
                name = f"{shard.name}.{extension}"
                partials[name] = finishing.enter_context(replacing(dest / name))
                writers.append(closing_writers.enter_context(closing(open_writer(partials[name]))))
            for photos, photo in enumerate(photos_of(shard, job.settings.max_bytes), 1):
                answer = answer_photo(service, job, photo)
                if isinstance(answer, BadPhoto):
                    bad.append(answer)
                else:
                    people += len(answer.poses)
                    for writer in writers:
                        writer.add(photo, answer)
                seen(photos)
        files = tuple(File.of(name, partial) for name, partial in partials.items())
    written, networks = photos - len(bad), service.models.loaded()
    row = Row(shard.name, photos, written, people, tuple(bad), files, networks)
    write_row(dest, row)
    return row


def answer_photo(service: PoseService, job: Job, photo: Photo) -> Answer | BadPhoto:
    """Everybody in a photo, or why that cannot be told.

    Raises:
        ModelError: a network failed.
    """
    if photo.trouble:
        return BadPhoto(photo.name, photo.trouble)
    try:
        return service.answer(photo.data, job.parameters, Timer())
    except InvalidInput as error:
        return BadPhoto(photo.name, str(error))
