"""The commands for trained networks: how good is it, and how does it become a file that can be served?"""

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer

from pose_core.errors import InvalidInput
from training.assemble import find_weights
from training.evals.joint_rates import Curve, plot_curves
from training.evals.report import Report, curves_of, format_table, write_json
from training.measure import Measurement, load_candidate, measure
from training.publish import describe_agreement, publish, real_crops, weights_row
from training.published import DEFAULT_SIZE, Known
from training.recipes import find_recipe
from training.tasks import TASKS
from training.terminal import DATA, Chosen, Data, require_place

Model = Annotated[str | None, typer.Option(help="Which network a published checkpoint is, such as rtmpose-l.")]
InputSize = Annotated[str, typer.Option(help="Width and height that such a network sees.")]


def eval_(
    network: Annotated[
        str, typer.Argument(metavar="NETWORK", help="A run, a checkpoint, a .safetensors, .pth or .onnx file.")
    ],
    *,
    data: Data = DATA,
    recipe: Annotated[
        str | None, typer.Option(help="Whose validation data to use. [default: what the network was trained with]")
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Boxes of a detector, a COCO results file, instead of the annotated ones.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write all numbers to this JSON file, too.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the curves of PCK and PCKh into this picture.")] = None,
    model: Model = None,
    size: InputSize = DEFAULT_SIZE,
    flip: Annotated[bool, typer.Option(help="Look at every crop mirrored, too, as published numbers do.")] = True,
    device: Chosen = "auto",
) -> None:
    """Measure a network: AP as published, PCK, and the errors of faces and hands."""
    for place in (output, plot):
        if place:
            require_place(place)
    candidate = load_candidate(network, data, device, Known(model, size))
    wanted = find_recipe(recipe) if recipe else candidate.recipe
    if wanted is None:
        raise InvalidInput("the file does not say what it was trained on; name a recipe", field="recipe")
    with tempfile.TemporaryDirectory() as scratch:
        how = Measurement(detections, flip, sys.stderr.isatty())
        report = measure(candidate, wanted, data, Path(scratch), how)
    typer.echo(format_table(report))
    if output:
        write_json(report, output)
    if plot:
        plot_curves(require_curves(report), plot)


def require_curves(report: Report) -> dict[str, Curve]:
    """The curves of a report.

    Raises:
        InvalidInput: nothing in it has one.
    """
    if not (curves := curves_of(report)):
        raise InvalidInput("nothing that was measured has a curve", field="plot")
    return curves


def export(
    path: Annotated[Path, typer.Argument(metavar="NETWORK", help="A run, a checkpoint, a .safetensors or .pth file.")],
    *,
    output: Annotated[Path | None, typer.Option(help="The ONNX file. [default: RECIPE.onnx]")] = None,
    precision: Annotated[
        Literal["float32", "float16", "float16-weights"],
        typer.Option(help="float16: half the size, for GPUs; float16-weights: half the size, computed in float32."),
    ] = "float32",
    keep_norms: Annotated[
        bool, typer.Option("--keep-norms", help="Batch norms stay, so that training can go on from the file.")
    ] = False,
    silence: Annotated[
        list[int] | None,
        typer.Option(help="A point, counted from 0, that no label taught: its score becomes 0. Can be repeated."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data folder; the file is then compared on real crops instead of noise.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(help="Whose real crops. [default: what the network was trained with]")
    ] = None,
    model: Model = None,
    size: InputSize = DEFAULT_SIZE,
) -> None:
    """Write an ONNX file that computes the same, and the row that gives it a name."""
    if output:
        require_place(output)
    weights = find_weights(str(path), path.parent)
    description = Known(model, size).describe(weights)
    crops = None if data is None else real_crops(find_recipe(recipe or description.recipe), data)
    target = output or Path(f"{description.recipe}.onnx")
    published = publish(
        weights,
        target,
        crops,
        precision=precision,
        keep_norms=keep_norms,
        silence=silence or (),
        description=description,
    )
    report = published.export
    errors = ", ".join(f"{name} {error:.1e}" for name, error in report.errors.items())
    kind = "noise (--data gives real crops)" if crops is None else "real crops"
    typer.echo(f"{report.path}: {report.bytes:_} bytes, sha256 {report.sha256}")
    typer.echo(f"compared with torch on {published.crops} pictures of {kind}: relative error of {errors};")
    typer.echo(describe_agreement(published))
    variable = f"SKELMAP_{TASKS[description.task].role.upper()}"
    typer.echo(f"serve it: {variable}={report.path} skelmap serve\nor give it a name in pose_core/weights.py:")
    typer.echo(weights_row(published, description))
