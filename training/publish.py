"""From trained weights to a file that can be served, and the lines that make it a name."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from pose_core.errors import ModelError
from pose_core.estimators import EstimatorSpec
from pose_core.estimators.estimator import IMAGENET_MEAN, IMAGENET_STD
from pose_core.estimators.metadata import SPEC_KEY, write_spec
from pose_core.session import open_session
from training.data import load_sources
from training.data.loading import Loading, plain_loader
from training.deployable import Description, load_deployable
from training.export import ExportReport, export_onnx, make_noise, run_torch
from training.models.rtmpose import RtmPose
from training.recipe import Recipe

RECIPE_KEY = "skelmap.recipe"
"""Where a file's metadata say what it was trained with."""

NEAR_PX = 1.0
"""Decoded points of torch and of the file may be this far apart."""

NEAR_SHARE = 0.99
"""How many of the points that a network is sure of must be so near."""


@dataclass(frozen=True, slots=True)
class Published:
    """A file and how it compares with the network it came from.

    Attributes:
        export: the file.
        crops: how many pictures were compared.
        sure: how many of their points have a score of at least the threshold.
        near: share of these within `NEAR_PX` of where torch puts them; 1 if there are none.
        farthest_px: the largest distance among them.
    """

    export: ExportReport
    crops: int
    sure: int
    near: float
    farthest_px: float


def publish(weights: Path, path: Path, image_B3HW: Tensor | None, *, half: bool) -> Published:
    """Write a network as ONNX with its spec in the metadata, and compare logits and decoded points.

    Args:
        weights: of `training.deployable`.
        path: of the ONNX file.
        image_B3HW: normalised crops to compare on; noise if None.
        half: float16 inside.

    Raises:
        ExportMismatchError: the file's logits differ; nothing is written.
        ModelError: the file's points differ; nothing is left.
    """
    network, description = load_deployable(weights)
    image_B3HW = make_noise(network) if image_B3HW is None else image_B3HW
    metadata = {SPEC_KEY: write_spec(description.spec), RECIPE_KEY: description.recipe}
    report = export_onnx(network, path, image_B3HW=image_B3HW, metadata=metadata, half=half)
    published = compare_decoded(network, report, description.spec, image_B3HW)
    if published.near < NEAR_SHARE:
        path.unlink()
        raise ModelError(f"only {published.near:.2%} of the file's points lie within {NEAR_PX} px of torch's")
    return published


def compare_decoded(network: RtmPose, report: ExportReport, spec: EstimatorSpec, image_B3HW: Tensor) -> Published:
    """How far apart the points lie that torch and the file find in the same crops."""
    wanted = spec.codec.decode([output.numpy() for output in run_torch(network, image_B3HW)], spec.input_size)
    outputs = open_session(report.path, "cpu").run(image_B3HW.numpy())
    found = spec.codec.decode([outputs[name] for name in network.onnx_outputs], spec.input_size)
    sure = wanted[..., 2] >= spec.threshold
    distance_px = np.linalg.norm(wanted[..., :2] - found[..., :2], axis=-1)[sure]
    near = float((distance_px <= NEAR_PX).mean()) if sure.any() else 1.0
    farthest = float(distance_px.max(initial=0.0))
    return Published(report, len(image_B3HW), int(sure.sum()), near, farthest)


def real_crops(recipe: Recipe, folder: Path, count: int = 16) -> Tensor:
    """Normalised crops of people of a recipe's validation set, spread over all of it."""
    dataset = load_sources(folder, [recipe.data.val]).dataset
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    spec = Description.of(recipe, 0).spec
    loading = Loading(input_size=recipe.input_size, codec=spec.codec, batch_size=len(chosen), seed=recipe.seed)
    batch = next(plain_loader(dataset.subset(chosen.tolist()), loading).epoch(0))
    return batch.normalised(IMAGENET_MEAN, IMAGENET_STD).image_B3HW


def weights_row(published: Published, description: Description) -> str:
    """The lines to add to `WEIGHTS` in `pose_core/weights.py`."""
    report, size = published.export, description.input_size
    name = report.path.stem
    return f"""\
    "{name}": Weights(
        name="{name}",
        role="estimator",
        architecture="rtmpose",
        url="https://WHERE/YOU/PUBLISH/{report.path.name}",
        data_terms="WHAT THE TRAINING DATA ASK OF USERS",
        input_size=({size.width}, {size.height}),
        size_bytes={report.bytes:_},
        sha256="{report.sha256}",
    ),"""
