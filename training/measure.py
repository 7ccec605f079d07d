"""How good the network of a recipe is: its validation data, during the run and afterwards."""

from pathlib import Path
from typing import NamedTuple, cast, get_args

import cv2
import numpy as np
import onnx

from pose_core.errors import UnknownChoice
from pose_core.session import Device
from pose_core.skeleton import BODY
from pose_core.weights import WEIGHTS, resolve
from training.assemble import find_weights
from training.checkpoints import read_snapshot
from training.contracts import Evaluate
from training.data import load_sources
from training.data.records import Dataset, Picture
from training.data.records import Person as Sample
from training.deployable import load_deployable
from training.distributed import choose_device
from training.evals import GroundTruth, read_ground_truth
from training.evals.coco_wholebody_ap import AREA_OF_BOX
from training.evals.networks import EvalNetwork, onnx_network, torch_network
from training.evals.predict import predict
from training.evals.records import Person, Photo
from training.evals.report import Report, evaluate
from training.evals.validation import make_evaluate
from training.evals.views import Views, annotated_boxes, detected_boxes
from training.publish import RECIPE_KEY
from training.recipe import Recipe
from training.recipes import find_recipe


def build_evaluate(recipe: Recipe, folder: Path, scratch: Path, *, progress: bool) -> Evaluate:
    """What the loop calls after every few epochs: all metrics on the annotated boxes, with flip test.

    Args:
        recipe: says which data, and which number comes first.
        folder: of the data.
        scratch: where drawn pictures may be written.
        progress: whether to show a bar.
    """
    truth, views = read_validation(recipe, folder, scratch)
    workers = max(recipe.data.workers, 1)
    return make_evaluate(truth, views, headline=recipe.headline, workers=workers, progress=progress)


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
        InvalidInput: the set is not what it should be.
    """
    source = recipe.data.val
    if source.dataset == "coco_wholebody":
        truth, images = read_ground_truth(folder / source.annotations), folder / source.images
    else:
        truth, images = truth_of(load_sources(folder, [source]).dataset, scratch), scratch
    return truth, annotated_boxes(truth, images) if detections is None else detected_boxes(truth, images, detections)


class Candidate(NamedTuple):
    """A network to measure, and the recipe it was trained with; None where it does not say."""

    network: EvalNetwork
    recipe: Recipe | None


def load_candidate(name: str, folder: Path, device: str) -> Candidate:
    """Whatever can be evaluated.

    Args:
        name: an ONNX file or a name in `pose_core.weights.WEIGHTS`; or what `training.assemble.find_weights` finds.
        folder: of the data.
        device: where to compute.

    Raises:
        PoseError: there is no such network, or it cannot be used.
    """
    if name in WEIGHTS or name.endswith(".onnx"):
        if device not in get_args(Device):
            raise UnknownChoice("device", device, get_args(Device))
        network = onnx_network(name, cast("Device", device))
        return Candidate(network, recipe_of(read_metadata(resolve(name)).get(RECIPE_KEY)))
    weights = find_weights(name, folder)
    snapshot = weights.parent / "state.json"
    built, description = load_deployable(weights)
    recipe = read_snapshot(weights.parent).recipe if snapshot.is_file() else recipe_of(description.recipe)
    return Candidate(torch_network(built.to(choose_device(device)), name, description.spec), recipe)


def recipe_of(name: str | None) -> Recipe | None:
    """The recipe of a name, if it is one of ours."""
    try:
        return find_recipe(name) if name else None
    except UnknownChoice:
        return None


def read_metadata(path: Path) -> dict[str, str]:
    """What an ONNX file says of itself."""
    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}


class Measurement(NamedTuple):
    """How to measure: boxes of a detector instead of annotated ones, flip test, a bar."""

    detections: Path | None = None
    flip: bool = True
    progress: bool = False


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
    return GroundTruth(dataset.name, photos, tuple(annotated(person, photo_id) for person, photo_id in people))


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
    )
