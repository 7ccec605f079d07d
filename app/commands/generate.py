"""`skelmap generate`: a photo, a pose or a map to pictures on disk."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from app.commands import options
from app.generation.folders import recognise
from app.generation.generator import Generated, Generator
from app.generation.records import read_record
from app.generation.request import GenerationRequest, check_limits
from app.generation.settings import GenerationSettings
from app.generation.sources import Source, choose_source
from app.generation.table import ModelRow, read_table
from app.models import ModelStore
from app.service import PoseService
from pose_core.errors import InvalidInput


def generate(
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png file; several get a number behind the name.")],
    photo: Annotated[Path | None, typer.Argument(exists=True, dir_okay=False, help="Whose poses are taken.")] = None,
    pose: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Pose JSON instead of a photo.")
    ] = None,
    ready_map: Annotated[
        Path | None, typer.Option("--map", exists=True, dir_okay=False, help="A drawn map instead of a photo.")
    ] = None,
    again: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Make this picture again; options change it.")
    ] = None,
    init_image: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="What to start from instead of noise.")
    ] = None,
    save_map: Annotated[Path | None, typer.Option(help="Write the map to this .png file as well.")] = None,
    prompt: Annotated[str | None, typer.Option("--prompt", "-p", help="What the picture shows.")] = None,
    negative_prompt: Annotated[str | None, typer.Option(help="What it does not show.")] = None,
    model: Annotated[str | None, typer.Option(help="Name in the table, or folder of a saved pipeline.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of the first picture; the next take the next.")] = None,
    steps: Annotated[int | None, typer.Option(help="Denoising steps.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How closely to follow the prompt.")] = None,
    images: Annotated[int | None, typer.Option(help="How many pictures.")] = None,
    width: options.Width = None,
    height: options.Height = None,
    parameters: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Any other parameter of POST /generate.")
    ] = None,
) -> None:
    """Make pictures whose people stand as in a photo. Models: SKELMAP_GENERATION_MODELS, or --model FOLDER."""
    settings = options.generation_settings()
    if output.suffix.lower() != ".png" or not output.parent.is_dir():
        raise InvalidInput("expected a .png file in a folder that is there", field="--output", value=str(output))
    given = options.given(
        prompt=prompt,
        negative_prompt=negative_prompt,
        model=model,
        seed=seed,
        steps=steps,
        guidance=guidance,
        images=images,
        width=width,
        height=height,
    )
    rest = read_pairs(parameters or ())
    sent = {"photo": photo, "pose": pose, "map": ready_map, "init_image": init_image}
    request, source = read_inputs({name: path.read_bytes() for name, path in sent.items() if path}, again, given, rest)
    check_limits(request, settings.limits)
    write_results(make(settings, request, source), output, save_map)


def read_pairs(pairs: Sequence[str]) -> dict[str, str]:
    """`name=value` strings as parameters.

    Raises:
        InvalidInput: one without an equals sign, or with a name that is no parameter.
    """
    given = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in GenerationRequest.model_fields:
            raise InvalidInput("expected NAME=VALUE", field="--set", value=pair, choices=GenerationRequest.model_fields)
        given[name] = value
    return given


def read_inputs(
    files: Mapping[str, bytes], again: Path | None, given: Mapping[str, Any], rest: Mapping[str, str]
) -> tuple[GenerationRequest, Source]:
    """What to make and from what; with `again` what its record says, changed by what was given.

    Args:
        files: the inputs by their kind.
        again: a picture that was made before.
        given: parameters that have options of their own.
        rest: those that have not.

    Raises:
        InvalidInput: too many sources or too few, or a value that cannot be used.
    """
    init, renamed = files.get("init_image"), {name: f"--set {name}" for name in rest}
    if again is None:
        return options.parse(GenerationRequest, renamed, **given, **rest), choose_source(files, init)
    if surplus := [name for name in ("photo", "pose") if name in files]:
        raise InvalidInput("brings its own pose", field="--again", value=surplus[0])
    record = read_record(again.read_bytes())
    recorded = record.request.model_dump(exclude_none=True)
    request = options.parse(GenerationRequest, renamed, **{**recorded, **given, **rest})
    return request, record.source(files.get("map"), init)


def make(settings: GenerationSettings, request: GenerationRequest, source: Source) -> Generated:
    """The pictures, with a progress bar on stderr."""
    pose_settings = options.settings_of()
    service = PoseService(ModelStore(pose_settings), pose_settings)
    generator = Generator(settings, service, offered_models(settings, request.model))
    with tqdm(unit="step", disable=None) as bar:
        return generator.generate(request, source, _Progress(bar))


def offered_models(settings: GenerationSettings, asked: str | None) -> Mapping[str, ModelRow]:
    """The table's models, or the pipeline in a folder where a folder is named.

    Raises:
        InvalidInput: the table cannot be used, or there is neither table nor folder.
        ModelError: the folder holds no pipeline of a known family.
    """
    table = read_table(settings.models) if settings.models else {}
    if asked is not None and asked not in table and Path(asked).is_dir():
        return {asked: recognise(Path(asked))}
    if not table:
        raise InvalidInput("name a folder, or a table in SKELMAP_GENERATION_MODELS", field="--model", value=asked)
    return table


class _Progress:
    """A watch that moves a progress bar."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self._bar = bar

    def step(self, done: int, total: int, preview: Callable[[], bytes] | None) -> None:
        """Show how far it is."""
        del preview
        self._bar.total = total
        self._bar.update(done - self._bar.n)


def write_results(generated: Generated, output: Path, save_map: Path | None) -> None:
    """Write the pictures and say where they are."""
    alone = len(generated.images) == 1
    for number, image in enumerate(generated.images):
        path = output if alone else output.with_stem(f"{output.stem}_{number}")
        path.write_bytes(image)
        typer.echo(f"{path}: seed {generated.seed + number}", err=True)
    if save_map is not None:
        save_map.write_bytes(generated.map)
    for warning in generated.warnings:
        typer.echo(f"warning: {warning}", err=True)
