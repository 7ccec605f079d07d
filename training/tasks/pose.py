"""Pose estimation: crops of people in, keypoints out."""

from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

import cv2
import numpy as np
from torch import Tensor

from pose_core.errors import UnknownChoice
from pose_core.estimators.estimator import IMAGENET_MEAN, IMAGENET_STD
from pose_core.estimators.metadata import SPEC_KEY, write_spec
from pose_core.session import Device, open_session
from pose_core.skeleton import BODY
from training.contracts import Evaluate
from training.data import load_sources
from training.data.coco_wholebody import OPTIONS
from training.data.loading import Loader, Loading, plain_loader, training_loader
from training.data.records import Dataset, Picture, options_of
from training.data.records import Person as Sample
from training.deployable import Description
from training.distributed import World
from training.evals import GroundTruth, read_ground_truth
from training.evals.coco_wholebody_ap import AREA_OF_BOX
from training.evals.networks import EvalNetwork, onnx_network, torch_network
from training.evals.predict import predict
from training.evals.records import Person, Photo
from training.evals.report import Report, evaluate
from training.evals.validation import make_evaluate
from training.evals.views import Views, annotated_boxes, detected_boxes
from training.export import ExportReport, run_torch
from training.models import ESTIMATORS, Network
from training.recipe import Recipe
from training.tasks.task import Measurement, Published, Task

NEAR_PX = 1.0
"""Decoded points of torch and of the file may be this far apart."""


def build_batches(recipe: Recipe, folder: Path, world: World) -> Loader:
    """The training data of one process.

    Raises:
        InvalidInput: a source that is not what it should be, or nobody to learn from.
    """
    loading = Loading(
        input_size=recipe.input_size,
        codec=recipe.codec,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        rank=world.rank,
        world=world.size,
        workers=recipe.data.workers,
        steps_per_epoch=recipe.steps_per_epoch,
    )
    dataset = load_sources(folder, recipe.data.train, recipe.scheme).dataset
    return training_loader(dataset, recipe.data, loading)


def build_evaluate(recipe: Recipe, folder: Path, scratch: Path, progress: bool) -> Evaluate:  # noqa: FBT001 - see `Task`
    """All metrics on the annotated boxes, with flip test."""
    truth, views = read_validation(recipe, folder, scratch)
    workers = max(recipe.data.workers, 1)
    return make_evaluate(truth, views, spec=recipe.spec, headline=recipe.headline, workers=workers, progress=progress)


def read_validation(
    recipe: Recipe, folder: Path, scratch: Path, detections: Path | None = None
) -> tuple[GroundTruth, Views]:
    """The validation set of a recipe and the boxes to look at.

    Args:
        recipe: says which set.
        folder: of the data.
        scratch: where drawn pictures may be written.
        detections: a COCO results file of a detector; the annotated boxes if None.

    Raises:
        InvalidInput: the set is not what it should be, or has an option that does not exist.
    """
    source = recipe.data.val
    as_written = source.dataset == "coco_wholebody"
    if as_written:
        below = str(options_of(source, OPTIONS)["below"])
        truth, images = read_ground_truth(folder / source.annotations, below=below), folder / source.images
    else:
        truth, images = truth_of(load_sources(folder, [source]).dataset, scratch), scratch
    if detections is not None:
        return truth, detected_boxes(truth, images, detections)
    return truth, annotated_boxes(truth, images, clip=as_written)


def load_file(name: str, device: str) -> EvalNetwork:
    """See `Task.from_file`."""
    return onnx_network(name, require_device(device))


def require_device(device: str) -> Device:
    """A device that onnxruntime can be asked for.

    Raises:
        UnknownChoice: it is none.
    """
    if device not in get_args(Device):
        raise UnknownChoice("device", device, get_args(Device))
    return cast("Device", device)


def wrap(network: Network, name: str, description: Description) -> EvalNetwork:
    """See `Task.from_weights`."""
    return torch_network(network, name, description.spec)


def measure(network: EvalNetwork, recipe: Recipe, folder: Path, scratch: Path, how: Measurement) -> Report:
    """All metrics of a network on a recipe's validation data; see `read_validation`."""
    truth, views = read_validation(recipe, folder, scratch, how.detections)
    return evaluate(truth, predict(network, views, flip=how.flip, progress=how.progress))


def truth_of(dataset: Dataset, scratch: Path) -> GroundTruth:
    """A training set as ground truth; pictures that are no files are written to `scratch`."""
    photos = tuple(
        Photo(number, str(picture_file(picture, scratch).absolute()), picture.size)
        for number, picture in enumerate(dataset.pictures)
    )
    people = zip(dataset, dataset.picture_N.tolist(), strict=True)
    annotations = tuple(annotated(person, photo_id) for person, photo_id in people)
    return GroundTruth(dataset.name, photos, annotations, scheme=dataset.scheme)


def picture_file(picture: Picture, scratch: Path) -> Path:
    """Where a picture lies; a drawn one is written first."""
    if picture.pixels is None:
        return picture.file
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / f"{picture.file.name}.png"
    cv2.imwrite(str(path), cv2.cvtColor(picture.pixels, cv2.COLOR_RGB2BGR))
    return path


def annotated(sample: Sample, photo_id: int) -> Person:
    """A person of a training set as one of the ground truth; the area is that of UBody's evaluation."""
    box, points = sample.box, sample.keypoints.astype(np.float64)
    width, height = box.right - box.left, box.bottom - box.top
    return Person(
        id=sample.annotation_id,
        photo_id=photo_id,
        box=(box.left, box.top, width, height),
        area=AREA_OF_BOX * width * height,
        crowd=False,
        body_points=int(np.count_nonzero(points[BODY, 2] > 0)),
        keypoints=points,
        head_px=sample.head_px,
    )


# The exported file


def metadata(description: Description) -> Mapping[str, str]:
    """The spec, so that the file is served by its path alone."""
    return {SPEC_KEY: write_spec(description.spec)}


def compare_decoded(network: Network, report: ExportReport, description: Description, image_B3HW: Tensor) -> Published:
    """How far apart the points lie that torch and the file find in the same crops."""
    spec = description.spec
    wanted = spec.codec.decode([output.numpy() for output in run_torch(network, image_B3HW)], spec.input_size)
    outputs = open_session(report.path, "cpu").run(image_B3HW.numpy())
    found = spec.codec.decode([outputs[name] for name in network.onnx_outputs], spec.input_size)
    sure = wanted[..., 2] >= spec.threshold
    distance_px = np.linalg.norm(wanted[..., :2] - found[..., :2], axis=-1)[sure]
    near = float((distance_px <= NEAR_PX).mean()) if sure.any() else 1.0
    farthest = float(distance_px.max(initial=0.0))
    return Published(report, len(image_B3HW), int(sure.sum()), near, farthest)


def real_crops(recipe: Recipe, folder: Path, count: int) -> Tensor:
    """Normalised crops of people of a recipe's validation set, spread over all of it."""
    dataset = load_sources(folder, [recipe.data.val], recipe.scheme).dataset
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    loading = Loading(input_size=recipe.input_size, codec=recipe.codec, batch_size=len(chosen), seed=recipe.seed)
    batch = next(plain_loader(dataset.subset(chosen.tolist()), loading).epoch(0))
    return batch.normalised(IMAGENET_MEAN, IMAGENET_STD).image_B3HW


POSE = Task(
    called="pose estimator",
    models=ESTIMATORS,
    role="estimator",
    batches=build_batches,
    evaluation=build_evaluate,
    from_file=load_file,
    from_weights=wrap,
    measure=measure,
    metadata=metadata,
    compare=compare_decoded,
    real_pictures=real_crops,
)
