"""`skelmap batch`: photos by the million to shards of results."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from app.batch.crews.actors import Actors, connected, room_for
from app.batch.crews.crew import Crew, work_off
from app.batch.crews.processes import Processes
from app.batch.destination import begin, leading, shards_of
from app.batch.job import Job
from app.batch.manifest import MANIFEST, Row, read_row
from app.batch.outputs import OUTPUTS, check_outputs
from app.batch.plan import Shard
from app.batch.progress import Progress
from app.batch.sources import find_source
from app.batch.worker import Done, Failed
from app.commands import options
from app.models import ModelStore
from app.parameters import PoseParameters
from app.settings import Settings
from pose_core.session import CPU

GPU_WORKERS = 2
"""Processes that share a GPU: while one reads and draws, another computes."""

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C ended."""


def batch(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Folder or glob of photos or of tar shards.")],
    dest: Annotated[Path, typer.Argument(metavar="DEST", help="Folder for the shards of results; made if missing.")],
    output: Annotated[str, typer.Option(help=f"What to write, with commas: {', '.join(OUTPUTS)}.")] = "png",
    shard_size: Annotated[int, typer.Option(min=1, max=1_000_000, help="Loose photos of one shard.")] = 1000,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes or actors. [default: one per core, or two on a GPU]")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Do it on a Ray cluster: host:port, auto, or local.")
    ] = None,
    gpus_per_worker: Annotated[float, typer.Option(min=0, help="With --ray: GPUs of one worker, such as 0.5.")] = 0,
    estimator: options.Estimator = None,
    detector: options.Detector = None,
    device: options.Device = None,
    threads: Annotated[int, typer.Option(min=1, max=256, help="CPU threads of one worker's networks.")] = 1,
    style: options.Style = None,
    resolution: options.Resolution = None,
    width: options.Width = None,
    height: options.Height = None,
    fit: options.Fit = None,
    parts: options.Parts = None,
    dialect: options.Dialect = None,
    keypoint_threshold: options.KeypointThreshold = None,
    person_threshold: options.PersonThreshold = None,
    max_people: options.MaxPeople = None,
    order: options.Order = None,
    on_empty: options.OnEmpty = None,
) -> None:
    """Do photos by the million, shard by shard. After whatever stopped it, the same command goes on where it was."""
    parameters = options.parse(
        PoseParameters,
        style=style,
        resolution=resolution,
        width=width,
        height=height,
        fit=fit,
        parts=parts,
        dialect=dialect,
        keypoint_threshold=keypoint_threshold,
        person_threshold=person_threshold,
        max_people=max_people,
        order=order,
        on_empty=on_empty,
    )
    settings = options.settings_of(estimator=estimator, detector=detector, device=device, threads=threads)
    job = Job(check_outputs(output), parameters, anywhere(settings))
    dest = dest.absolute()
    found = find_source(source, dest)
    with hired(job, dest, workers, ray, gpus_per_worker) as crew, leading(dest):
        begin(dest, found, job)
        failed = finish(crew, dest, shards_of(dest, found, shard_size))
    if failed:
        raise typer.Exit(1)


def anywhere(settings: Settings) -> Settings:
    """The same networks, for workers that are in other folders."""
    files = {name: getattr(settings, name) for name in ("estimator", "detector")}
    paths = {name: str(Path(file).absolute()) for name, file in files.items() if file.endswith(".onnx")}
    return settings.model_copy(update=paths)


@contextmanager
def hired(job: Job, dest: Path, workers: int | None, ray: str | None, gpus: float) -> Iterator[Crew]:
    """Workers here or on a cluster; none is started before there is something to do."""
    if ray is None:
        with closing(Processes(job, dest, workers or usual_workers(job))) as processes:
            yield processes
    else:
        cpus = job.settings.threads
        with (
            connected(ray),
            closing(Actors(job, dest, workers or room_for(cpus, gpus), cpus=cpus, gpus=gpus)) as actors,
        ):
            yield actors


def usual_workers(job: Job) -> int:
    """How many processes use this machine well, by what its networks run on.

    Raises:
        PoseError: the networks cannot be loaded.
    """
    pipeline = ModelStore(job.settings).pipeline(job.parameters.estimator, job.parameters.detector)
    cores = len(os.sched_getaffinity(0))
    return max(1, cores // job.settings.threads) if pipeline.estimator.provider == CPU else GPU_WORKERS


def finish(crew: Crew, dest: Path, shards: Sequence[Shard]) -> int:
    """Do what is not finished yet, and say what came of it; how many shards failed.

    Raises:
        ModelError: a worker cannot load the networks.
    """
    finished = {shard.name: row for shard in shards if (row := read_row(dest, shard.name))}
    todo = [shard for shard in shards if shard.name not in finished]
    failed, start = 0, time.perf_counter()
    try:
        with closing(Progress(todo)) as progress:
            for shard, event in work_off(crew, todo):
                progress.tell((shard, event))
                if isinstance(event, Done):
                    finished[shard.name] = event.row
                elif isinstance(event, Failed):
                    failed += 1
                    typer.echo(f"failed: {shard.name}: {event.reason}", err=True)
    except KeyboardInterrupt:
        typer.echo(f"stopped with {len(finished)} of {len(shards)} shards finished; the same command goes on", err=True)
        raise typer.Exit(INTERRUPTED) from None
    now = sum(finished[shard.name].photos for shard in todo if shard.name in finished)
    typer.echo(summary(list(finished.values()), len(shards), dest), err=True)
    if now:
        typer.echo(f"{now} of them now, {now / (time.perf_counter() - start):.1f} photos/s", err=True)
    return failed


def summary(rows: Sequence[Row], shards: int, dest: Path) -> str:
    """What there is in the end, in a line."""
    photos, written = sum(row.photos for row in rows), sum(row.written for row in rows)
    bad = f", {photos - written} bad ones are listed in {dest / MANIFEST}" if photos > written else ""
    return f"{written} of {photos} photos done, in {len(rows)} of {shards} shards in {dest}{bad}"
