"""Options that several subcommands share, and how options become parameters."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from app.generation.settings import GenerationSettings
from app.problems import describe, sentence
from app.settings import Settings
from pose_core.dialects import DIALECTS
from pose_core.errors import InvalidInput
from pose_core.skeleton import PARTS
from pose_core.styles import STYLES

Model = TypeVar("Model", bound=BaseModel)

Estimator = Annotated[str | None, typer.Option(help="Name, or path of an ONNX file. [env: SKELMAP_ESTIMATOR]")]
Detector = Annotated[
    str | None, typer.Option(help="Name, whole-image, or path of an ONNX file. [env: SKELMAP_DETECTOR]")
]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda; cuda never falls back. [env: SKELMAP_DEVICE]")]
Threads = Annotated[int | None, typer.Option(help="CPU threads per network, 0: all cores. [env: SKELMAP_THREADS]")]
Style = Annotated[str | None, typer.Option(help=f"How the map is drawn: {', '.join(STYLES)}.")]
Resolution = Annotated[int | None, typer.Option(help="Shorter side of the map in pixels.")]
Width = Annotated[int | None, typer.Option(help="Width of the map in pixels.")]
Height = Annotated[int | None, typer.Option(help="Height of the map in pixels.")]
Fit = Annotated[str | None, typer.Option(help="contain, cover or stretch, where width and height change the aspect.")]
Parts = Annotated[str | None, typer.Option(help=f"What to draw, with commas: {','.join(PARTS)}.")]
KeypointThreshold = Annotated[float | None, typer.Option(help="Score from which a point shows.")]
PersonThreshold = Annotated[float | None, typer.Option(help="Score a detected person has to exceed.")]
MaxPeople = Annotated[int | None, typer.Option(help="How many people at the most.")]
Order = Annotated[str | None, typer.Option(help="score, area or left_to_right.")]
OnEmpty = Annotated[str | None, typer.Option(help="blank, full_frame or error.")]
Dialect = Annotated[str | None, typer.Option(help=f"Of pose JSON: {', '.join(DIALECTS)}.")]
SourceDialect = Annotated[str | None, typer.Option("--from", help="Dialect of the document; default: recognised.")]
Frame = Annotated[int | None, typer.Option(help="Which picture of a document with several.")]
CanvasWidth = Annotated[int | None, typer.Option(help="Width the coordinates refer to, where the document is silent.")]
CanvasHeight = Annotated[int | None, typer.Option(help="Height the coordinates refer to, likewise.")]


def given(**options: object) -> dict[str, Any]:
    """The options that were set."""
    return {name: value for name, value in options.items() if value is not None}


def parse(model: type[Model], renamed: Mapping[str, str] = {}, /, **options: object) -> Model:
    """Options as a parameter record; `renamed` holds the options that are not called like their parameter.

    Raises:
        InvalidInput: a value that cannot be used.
    """
    try:
        return model.model_validate(given(**options))
    except ValidationError as error:
        finding = describe(error)[0]
        option = renamed.get(finding["field"]) or f"--{finding['field']}".replace("_", "-")
        raise InvalidInput(sentence({**finding, "field": option})) from error


def settings_of(**options: object) -> Settings:
    """The environment's settings with the given options over them.

    Raises:
        InvalidInput: a value that cannot be used.
    """
    try:
        return Settings(**given(**options))
    except ValidationError as error:
        finding = describe(error)[0]
        name, variable = finding["field"], f"SKELMAP_{finding['field'].upper()}"
        field = f"--{name.replace('_', '-')} or {variable}" if name in options else variable
        raise InvalidInput(sentence({**finding, "field": field})) from error


def generation_settings() -> GenerationSettings:
    """The environment's settings of generation.

    Raises:
        InvalidInput: a value that cannot be used.
    """
    try:
        return GenerationSettings()
    except ValidationError as error:
        finding = describe(error)[0]
        variable = f"SKELMAP_GENERATION_{finding['field'].upper()}"
        raise InvalidInput(sentence({**finding, "field": variable})) from error
