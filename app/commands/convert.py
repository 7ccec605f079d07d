"""`skelmap convert`: a pose document to another dialect."""

from pathlib import Path
from typing import Annotated

import orjson
import typer

from app.commands import options
from app.commands.documents import document_service, read_document
from app.parameters import ConvertParameters
from pose_core.skeleton import PARTS


def convert(
    document: Annotated[Path, typer.Argument(help="Pose JSON in any dialect.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The new file.")],
    dialect: Annotated[str, typer.Option("--to", help="Dialect of the new file.")],
    source_dialect: options.SourceDialect = None,
    frame: options.Frame = None,
    canvas_width: options.CanvasWidth = None,
    canvas_height: options.CanvasHeight = None,
    resolution: options.Resolution = None,
    width: options.Width = None,
    height: options.Height = None,
    fit: options.Fit = None,
    parts: options.Parts = None,
    keypoint_threshold: options.KeypointThreshold = None,
) -> None:
    """Write a pose document in another dialect, with all parts unless told otherwise."""
    parameters = options.parse(
        ConvertParameters,
        {"dialect": "--to", "source_dialect": "--from"},
        dialect=dialect,
        source_dialect=source_dialect,
        frame=frame,
        canvas_width=canvas_width,
        canvas_height=canvas_height,
        resolution=resolution,
        width=width,
        height=height,
        fit=fit,
        parts=parts or PARTS,
        keypoint_threshold=keypoint_threshold,
    )
    output.write_bytes(orjson.dumps(document_service().convert(read_document(document), parameters)))
