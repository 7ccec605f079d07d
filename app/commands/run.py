"""`skelmap run`: photos to maps on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from app.commands import options
from app.commands.files import Job, find_photos, plan, result_path
from app.formats import FORMATS
from app.models import ModelStore
from app.parameters import PoseParameters
from app.service import PoseService
from pose_core.errors import InvalidInput, ModelError, PoseError
from pose_core.timing import Timer


def run(
    photos: Annotated[list[str], typer.Argument(metavar="PHOTO...", help="Photos, folders or globs.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")],
    png: Annotated[bool, typer.Option("--png/--no-png", help="Write the map.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Write all keypoints and scores.")] = False,
    openpose: Annotated[bool, typer.Option("--openpose", help="Write the pose document of --dialect.")] = False,
    npz: Annotated[bool, typer.Option("--npz", help="Write keypoints and boxes as a numpy archive.")] = False,
    overlay: Annotated[bool, typer.Option("--overlay", help="Write the skeletons drawn on the photo.")] = False,
    svg: Annotated[bool, typer.Option("--svg", help="Write the map as a vector graphic.")] = False,
    estimator: options.Estimator = None,
    detector: options.Detector = None,
    device: options.Device = None,
    threads: options.Threads = None,
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
    """Write the skeleton map of every photo. A photo that fails is reported and skipped; the exit code is 1 then."""
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
    wanted = {"png": png, "json": json, "openpose": openpose, "npz": npz, "overlay": overlay, "svg": svg}
    if not any(wanted.values()):
        raise InvalidInput("leaves nothing to write", field="--no-png", choices=[f"--{name}" for name in wanted])
    jobs = plan(find_photos(photos), output)
    service = PoseService(ModelStore(settings), settings)
    service.models.pipeline()
    failures = work_off(service, jobs, parameters, [name for name, asked in wanted.items() if asked])
    for photo, reason in failures:
        typer.echo(f"failed: {photo}: {reason}", err=True)
    typer.echo(f"{len(jobs) - len(failures)} of {len(jobs)} photos done, results in {output}", err=True)
    if failures:
        raise typer.Exit(1)


def work_off(
    service: PoseService, jobs: Sequence[Job], parameters: PoseParameters, formats: Sequence[str]
) -> list[tuple[Path, str]]:
    """Do every job; the photos that failed, with the reason."""
    failures = []
    for job in tqdm(jobs, unit="photo", disable=None):
        try:
            write_results(service, job, parameters, formats)
        except ModelError:
            raise
        except (PoseError, OSError) as error:
            failures.append((job.photo, str(error)))
    return failures


def write_results(service: PoseService, job: Job, parameters: PoseParameters, formats: Sequence[str]) -> None:
    """Estimate one photo and write its results; nothing is written where anything fails before.

    Raises:
        PoseError: the photo cannot be used.
        OSError: it cannot be read, or a result cannot be written.
    """
    answer = service.answer(job.photo.read_bytes(), parameters, Timer())
    results = {result_path(job, FORMATS[name].extension): FORMATS[name].write(answer) for name in formats}
    job.stem.parent.mkdir(parents=True, exist_ok=True)
    for path, content in results.items():
        path.write_bytes(content)
