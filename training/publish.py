"""From trained weights to a file that can be served, and the lines that make it a name."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from pose_core.errors import InvalidInput, ModelError
from training.deployable import Description, build_described, read_description
from training.export import export_onnx, make_noise, replacing
from training.models.rtmpose import RtmPose
from training.recipe import Recipe
from training.tasks import TASKS, Published

RECIPE_KEY = "skelmap.recipe"
"""Where a file's metadata say what it was trained with."""

NEAR_SHARE = 0.99
"""How many of the points or boxes that a network is sure of must be within a pixel of torch's."""

PICTURES = 16
"""So many real pictures are compared."""


def publish(
    weights: Path,
    path: Path,
    image_B3HW: Tensor | None,
    *,
    precision: str,
    keep_norms: bool = False,
    silence: Sequence[int] = (),
    description: Description | None = None,
) -> Published:
    """Write a network as ONNX with its spec in the metadata, and compare outputs, raw and decoded.

    Args:
        weights: of `training.deployable`.
        path: of the ONNX file.
        image_B3HW: prepared pictures to compare on; noise if None.
        precision: see `training.export.PRECISIONS`.
        keep_norms: see `training.export.export_onnx`.
        silence: points of a pose estimator that score 0, see `training.models.rtmcc_head.RtmccHead.silence`.
        description: of the network; what the weights say by default.

    Raises:
        ExportMismatchError: the file's outputs differ; an older file of that name stays.
        ModelError: the file's points or boxes differ; the same.
        InvalidInput: points to silence that the network does not have, or of another network than RTMPose.
    """
    description = description or read_description(weights)
    network = build_described(weights, description)
    if silence:
        if not isinstance(network, RtmPose):
            raise InvalidInput(f"the head of {description.model} has no points to silence", field="silence")
        network.head.silence(silence)
    task = TASKS[description.task]
    image_B3HW = make_noise(network) if image_B3HW is None else image_B3HW
    metadata = {**task.metadata(description), RECIPE_KEY: description.recipe}
    with replacing(path) as partial:
        report = export_onnx(
            network, partial, image_B3HW=image_B3HW, metadata=metadata, keep_norms=keep_norms, precision=precision
        )
        published = task.compare(network, report, description, image_B3HW)
        if published.near < NEAR_SHARE:
            raise ModelError(f"only {published.near:.2%} of what the file finds lies within a pixel of torch's")
    return replace(published, export=replace(report, path=path))


def describe_agreement(published: Published) -> str:
    """How well file and network agree on what they find, in words."""
    if not published.sure:
        return "it is sure of no point or box in these, so that what it finds was not compared"
    return (
        f"of {published.sure} points or boxes it is sure of {published.near:.2%} lie within a pixel, "
        f"the farthest {published.farthest_px:.1f} px away"
    )


def real_crops(recipe: Recipe, folder: Path, count: int = PICTURES) -> Tensor:
    """Prepared pictures of a recipe's validation set, spread over all of it."""
    return TASKS[recipe.task].real_pictures(recipe, folder, count)


def weights_row(published: Published, description: Description) -> str:
    """The lines to add to `WEIGHTS` in `pose_core/weights.py`."""
    report, size, task = published.export, description.input_size, TASKS[description.task]
    name = report.path.stem
    return f"""\
    "{name}": Weights(
        name="{name}",
        role="{task.role}",
        architecture="{description.model.partition("-")[0]}",
        url="https://WHERE/YOU/PUBLISH/{report.path.name}",
        data_terms="WHAT THE TRAINING DATA ASK OF USERS",
        input_size=({size.width}, {size.height}),
        size_bytes={report.bytes:_},
        sha256="{report.sha256}",
    ),"""
