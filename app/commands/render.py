"""`skelmap render`: a pose document to a map."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands import options
from app.commands.documents import document_service, read_document
from app.parameters import RenderParameters


def render(
    document: Annotated[Path, typer.Argument(help="Pose JSON in any dialect.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A .png or .svg file.")],
    source_dialect: options.SourceDialect = None,
    frame: options.Frame = None,
    canvas_width: options.CanvasWidth = None,
    canvas_height: options.CanvasHeight = None,
    style: options.Style = None,
    resolution: options.Resolution = None,
    width: options.Width = None,
    height: options.Height = None,
    fit: options.Fit = None,
    parts: options.Parts = None,
    keypoint_threshold: options.KeypointThreshold = None,
) -> None:
    """Draw the map of a pose document."""
    parameters = options.parse(
        RenderParameters,
        {"format": "--output", "source_dialect": "--from"},
        source_dialect=source_dialect,
        frame=frame,
        canvas_width=canvas_width,
        canvas_height=canvas_height,
        style=style,
        resolution=resolution,
        width=width,
        height=height,
        fit=fit,
        parts=parts,
        keypoint_threshold=keypoint_threshold,
        format=output.suffix.lstrip(".").lower(),
    )
    output.write_bytes(document_service().render(read_document(document), parameters))
