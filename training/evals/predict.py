"""What a network says about all the people of a set.

photo and boxes -> crops -> network, also on the mirrored crops -> points in photo pixels. Crops are cut and put back by
the very functions of the service, so a number measured here is a number of the service.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pose_core.codecs import Codec, Heatmap, SimCC
from pose_core.errors import InvalidInput
from pose_core.estimators import SCHEMES, EstimatorSpec
from pose_core.estimators.top_down import crop_tensor, points_of_photo
from pose_core.geometry import CropRegion, crop_region
from pose_core.skeleton import FLIP_ORDER, KEYPOINT_COUNT
from pose_core.types import Image, PersonBox, Size
from training.evals.ground_truth import log_problems
from training.evals.networks import EvalNetwork, Run
from training.evals.records import Floats, Prediction, Predictions
from training.evals.views import PhotoBoxes, Views

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Crop:
    """What the network sees of one person.

    Attributes:
        photo_id: see `training.evals.records.Prediction`.
        id: the same.
        box: the same.
        region: where the crop lies in the photo.
        tensor: (3, height, width) float32, RGB, normalised.
    """

    photo_id: int
    id: int
    box: PersonBox
    region: CropRegion
    tensor: Floats


def predict(
    network: EvalNetwork,
    views: Views,
    *,
    flip: bool = True,
    batch_size: int = 64,
    workers: int = 2,
    progress: bool = True,
) -> Predictions:
    """Find the keypoints of everybody.

    Args:
        network: see `training.evals.networks`.
        views: which boxes of which photos.
        flip: look at each crop also mirrored and average the outputs, as published numbers do; the service does not.
        batch_size: crops per run of the network.
        workers: threads that read and crop photos ahead of the network.
        progress: show a bar.

    Raises:
        InvalidInput: `flip` and a network whose outputs cannot be mirrored.
        ModelError: the network failed, or answers another number of points than its scheme has.
    """
    people: list[Prediction] = []
    problems: list[str] = []
    order = mirrored_order(network.spec.scheme)
    run = partial(run_flipped, network.run, network.spec.codec, order) if flip else network.run
    crops = iterate_crops(views, network.spec, workers, problems)
    total = sum(len(photo.boxes) for photo in views.photos)
    with tqdm(total=total, desc=network.name, unit="person", disable=not progress) as bar:
        for batch in chunks(crops, batch_size):
            people += decode(batch, run(np.stack([crop.tensor for crop in batch])), network.spec)
            bar.update(len(batch))
    log_problems(problems)
    return Predictions(network.name, views.kind, tuple(people), network.spec.scheme, (*views.problems, *problems))


def iterate_crops(views: Views, spec: EstimatorSpec, workers: int, problems: list[str]) -> Iterator[Crop]:
    """Every crop of a set, photo by photo; photos that cannot be read or fit no box are added to `problems`."""
    for photo, crops in zip(views.photos, ahead(partial(crop_people, spec=spec), views.photos, workers), strict=True):
        if isinstance(crops, str):
            kind = "annotations" if views.kind == "annotated" else "detections"
            problems.append(f"{photo.path} {crops}: {kind} {', '.join(map(str, photo.ids))} left out")
        else:
            yield from crops


def crop_people(photo: PhotoBoxes, spec: EstimatorSpec) -> list[Crop] | str:
    """The crops of one photo's boxes, or what is wrong with the photo."""
    image = read_photo(photo)
    if image is None:
        return "is no readable photo"
    if photo.size and Size.of(image) != photo.size:
        found, stated = Size.of(image), photo.size
        return f"has {found.width} x {found.height} pixels, the annotations say {stated.width} x {stated.height}"
    regions = [crop_region(box, spec.input_size) for box in photo.boxes]
    tensors = crop_tensor(image, regions, spec, len(regions))
    rows = zip(photo.ids, photo.boxes, regions, tensors, strict=True)
    return [Crop(photo.photo_id, number, box, region, tensor) for number, box, region, tensor in rows]


def read_photo(photo: PhotoBoxes) -> Image | None:
    """The photo as stored, as in training: an orientation in EXIF is not followed. None if absent or damaged."""
    if not photo.path.is_file():  # OpenCV would say so on stderr
        return None
    image: Image | None = cv2.imread(str(photo.path), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    return image


def run_flipped(run: Run, codec: Codec, order: NDArray[np.intp], crops: Floats) -> list[Floats]:
    """The mean of the outputs for the crops and of those for the mirrored crops, mirrored back (dwpose.md 3)."""
    straight = run(crops)
    mirrored = unmirror(run(np.ascontiguousarray(crops[..., ::-1])), codec, order)
    return [(one + other) * np.float32(0.5) for one, other in zip(straight, mirrored, strict=True)]


def unmirror(outputs: Iterable[Floats], codec: Codec, order: NDArray[np.intp]) -> list[Floats]:
    """Outputs for mirrored crops as they would be for the crops: left and right points and the x axis reversed.

    Reversing SimCC's two bins per pixel puts pixel x half a pixel beside its mirror image width - 1 - x (bin 2x of 2w
    lands on 2 (w - 1 - x) + 1); the reference accepts that.

    Raises:
        InvalidInput: a codec for which nobody has said how to.
    """
    if isinstance(codec, SimCC):
        x_bins, y_bins = outputs
        return [x_bins[:, order, ::-1], y_bins[:, order]]
    if isinstance(codec, Heatmap):
        return [maps[:, order, :, ::-1] for maps in outputs]
    raise InvalidInput(f"no flip test for {type(codec).__name__}; evaluate without", field="flip")


def mirrored_order(scheme: str) -> NDArray[np.intp]:
    """For each point of a scheme where its mirror image stands in that scheme: at the left eye the right eye."""
    points = SCHEMES[scheme]
    return np.searchsorted(points, FLIP_ORDER[points])


def decode(crops: list[Crop], outputs: Iterable[Floats], spec: EstimatorSpec) -> list[Prediction]:
    """Outputs for crops to keypoints in photo pixels."""
    points = spec.codec.decode(list(outputs), spec.input_size)
    keypoints = np.zeros((len(crops), KEYPOINT_COUNT, 3), np.float32)
    keypoints[:, SCHEMES[spec.scheme]] = points_of_photo(points, [crop.region for crop in crops], spec)
    return [
        Prediction(crop.photo_id, crop.id, crop.box, crop.region.width * crop.region.height, row)
        for crop, row in zip(crops, keypoints, strict=True)
    ]


def ahead(function: Callable[[In], Out], items: Iterable[In], workers: int) -> Iterator[Out]:
    """Results in order, computed by threads that stay at most a few items ahead of whoever takes them."""
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Out]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def chunks(items: Iterable[In], size: int) -> Iterator[list[In]]:
    """Lists of `size` items; the last may be shorter."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
