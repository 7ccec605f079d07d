"""Detection: whole pictures in, boxes of people out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.detectors import DEFAULT_THRESHOLD, Detector, load_detector
from pose_core.detectors.yolox import decode_cells
from pose_core.errors import InvalidInput
from pose_core.session import open_session
from pose_core.types import Image
from training.contracts import DetectionBatch, Evaluate
from training.data import load_scenes
from training.data.loading import BatchLoader, Feeding
from training.data.scene_batches import plain_scene_loader, scene_loader
from training.data.scenes import LoadedScenes, Scene
from training.deployable import Description
from training.distributed import World
from training.evals.detection import Found, Truth, evaluate_detection
from training.evals.detectors import find_people, torch_detector
from training.evals.report import Report, flatten
from training.evals.validation import headline_first
from training.export import ExportReport, run_torch
from training.models import DETECTORS
from training.models.yolox import YoloX
from training.recipe import Recipe
from training.tasks.pose import require_device
from training.tasks.task import Measurement, Published, Task

ARCHITECTURE: Final = "yolox"
ARCHITECTURE_KEY: Final = "skelmap.architecture"
"""Where a file's metadata say how to decode it."""

PHOTO_PX: Final = 640.0
"""Longer side of the photos of COCO; people are large or small as if every photo were of that size."""

NEAR_PX: Final = 1.0
"""Edges of boxes of torch and of the file may be this far apart."""


def build_batches(recipe: Recipe, folder: Path, world: World) -> BatchLoader[DetectionBatch]:
    """The training data of one process.

    Raises:
        InvalidInput: a source that is not what it should be, or no picture to learn from.
    """
    feeding = Feeding(
        input_size=recipe.input_size,
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        rank=world.rank,
        world=world.size,
        workers=recipe.data.workers,
        steps_per_epoch=recipe.steps_per_epoch,
    )
    return scene_loader(load_scenes(folder, recipe.data.train), recipe.data, feeding)


def build_evaluate(recipe: Recipe, folder: Path, scratch: Path, progress: bool) -> Evaluate:  # noqa: FBT001 - see `Task`
    """Curves on the validation photos, in no other way than the service would look at them."""
    del scratch
    loaded = load_scenes(folder, [recipe.data.val])
    require_measurable(loaded, recipe.headline)

    def run(network: nn.Module) -> Mapping[str, float]:
        detector = torch_detector(network, recipe.input_size, "evaluation")
        return headline_first(flatten(report_on(detector, loaded, progress=progress)), recipe.headline)

    return run


def require_measurable(loaded: LoadedScenes, headline: str) -> None:
    """Find out before the first step whether the headline is a number, from a detector that is right.

    Raises:
        InvalidInput: there is nobody in the pictures, or the headline is none of the numbers.
    """
    if not any(len(scene.box_M4) for scene in loaded.scenes):
        raise InvalidInput(f"nobody to look for in {loaded.name}", field="validation data")
    right = [Found(scene.box_M4, np.ones(len(scene.box_M4))) for scene in loaded.scenes]
    result = evaluate_detection(truth_of(loaded), right)
    headline_first(flatten(Report(loaded.name, "labels", {}, {"detection": result})), headline)


def report_on(detector: Detector, loaded: LoadedScenes, *, progress: bool = False) -> Report:
    """Precision and recall of a detector on annotated pictures.

    Raises:
        InvalidImage: a picture cannot be read.
    """
    found = find_people(detector, photos_of(loaded), progress=progress)
    result = evaluate_detection(truth_of(loaded), found)
    counts: dict[str, int | str] = {
        "photos": len(loaded.scenes),
        "people": sum(len(scene.box_M4) for scene in loaded.scenes),
        "detections": sum(len(one.score_D) for one in found),
        "problems": len(loaded.bad),
    }
    return Report(loaded.name, detector.name, counts, {"detection": result})


def photos_of(loaded: LoadedScenes) -> list[Path | Image]:
    """Files, or the pixels of drawn pictures."""
    pictures = [scene.picture for scene in loaded.scenes]
    return [picture.file if picture.pixels is None else picture.pixels for picture in pictures]


def truth_of(loaded: LoadedScenes) -> Sequence[Truth]:
    """Who is where; people are measured as if the photo were as large as those of COCO."""
    return [Truth(scene.box_M4, scene.ignore_R4, photo_scale(scene)) for scene in loaded.scenes]


def photo_scale(scene: Scene) -> float:
    """By how much larger a photo of `PHOTO_PX` is."""
    return PHOTO_PX / max(scene.picture.size.width, scene.picture.size.height)


def load_file(name: str, device: str) -> Detector:
    """See `Task.from_file`."""
    return load_detector(name, require_device(device))


def wrap(network: YoloX, name: str, description: Description) -> Detector:
    """See `Task.from_weights`."""
    return torch_detector(network, description.input_size, name)


def measure(detector: Detector, recipe: Recipe, folder: Path, scratch: Path, how: Measurement) -> Report:
    """A detector on a recipe's validation data."""
    del scratch
    return report_on(detector, load_scenes(folder, [recipe.data.val]), progress=how.progress)


# The exported file


def metadata(description: Description) -> Mapping[str, str]:
    """How to decode the file; its size is in the graph, and pixels are BGR from 0 to 255 as in all files of YOLOX."""
    del description
    return {ARCHITECTURE_KEY: ARCHITECTURE}


def compare_boxes(network: YoloX, report: ExportReport, description: Description, image_B3HW: Tensor) -> Published:
    """How far apart the edges of boxes lie that torch and the file find in the same pictures, before suppression."""
    size = description.input_size
    wanted = run_torch(network, image_B3HW)[0].numpy()
    found = open_session(report.path, "cpu").run(image_B3HW.numpy())[network.onnx_outputs[0]]
    picture_S, cell_S = np.nonzero(wanted[..., 4] * wanted[..., 5] > DEFAULT_THRESHOLD)
    edges = [decode_cells(rows[picture_S, cell_S, :4], cell_S, size) for rows in (wanted, found)]
    distance_px = np.abs(edges[0] - edges[1]).max(axis=1, initial=0.0)
    near = float((distance_px <= NEAR_PX).mean()) if len(distance_px) else 1.0
    return Published(report, len(image_B3HW), len(distance_px), near, float(distance_px.max(initial=0.0)))


def real_pictures(recipe: Recipe, folder: Path, count: int) -> Tensor:
    """Pictures of a recipe's validation set as the network is fed them, spread over all of it."""
    loaded = load_scenes(folder, [recipe.data.val])
    chosen = np.linspace(0, len(loaded.scenes) - 1, min(count, len(loaded.scenes))).astype(int)
    some = loaded._replace(scenes=tuple(loaded.scenes[index] for index in chosen))
    feeding = Feeding(input_size=recipe.input_size, batch_size=len(chosen), seed=recipe.seed)
    return next(plain_scene_loader(some, feeding).epoch(0)).prepared(torch.contiguous_format).image_B3HW


DETECTION = Task(
    called="person detector",
    models=DETECTORS,
    role="detector",
    batches=build_batches,
    evaluation=build_evaluate,
    from_file=load_file,
    from_weights=wrap,
    measure=measure,
    metadata=metadata,
    compare=compare_boxes,
    real_pictures=real_pictures,
)
