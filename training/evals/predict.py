"""What a network says about all the people of a set.

photo and boxes -> crops -> network, also on the mirrored crops -> points in photo pixels. Crops are cut and put back by
the very functions of the service, so a number measured here is a number of the service.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pose_core.codecs import Codec, Heatmap, Regression, SimCC
from pose_core.errors import InvalidInput
from pose_core.estimators import EstimatorSpec
from pose_core.estimators.top_down import crop_tensor, points_of_photo
from pose_core.geometry import CropRegion, crop_region
from pose_core.schemes import SCHEMES, convert_scheme
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
    order = SCHEMES[network.spec.scheme].flip_order
    run = partial(run_flipped, network.run, network.spec.codec, order) if flip else network.run
    crops = iterate_crops(views, network.spec, workers, problems)
    total = sum(len(photo.boxes) for photo in views.photos)
    with tqdm(total=total, desc=network.name, unit="person", disable=not progress) as bar:
        for batch in chunks(crops, batch_size):
            people += decode(batch, run(np.stack([crop.tensor for crop in batch])), network.spec, views.scheme)
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
    tensors = crop_tensor(image, regions, spec)
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

    Raises:
        InvalidInput: a codec for which nobody has said how to.
    """
    if type(codec) not in UNMIRROR:
        raise InvalidInput(f"no flip test for {type(codec).__name__}; evaluate without", field="flip")
    return UNMIRROR[type(codec)](list(outputs), codec, order)


def unmirror_simcc(outputs: list[Floats], codec: SimCC, order: NDArray[np.intp]) -> list[Floats]:
    """Bins (people, points, bins) of both axes.

    Reversing SimCC's two bins per pixel puts pixel x half a pixel beside its mirror image width - 1 - x (bin 2x of 2w
    lands on 2 (w - 1 - x) + 1); the reference accepts that.
    """
    del codec
    x_bins, y_bins = outputs
    return [x_bins[:, order, ::-1], y_bins[:, order]]


def unmirror_heatmap(outputs: list[Floats], codec: Heatmap, order: NDArray[np.intp]) -> list[Floats]:
    """Maps (people, points, height, width).

    Where cells stand for their first pixel, pixel 4c lies on cell c, and its mirror image w - 1 - 4c on a cell that
    reversing the map puts at c - 1. So the maps are moved one cell to the right, and the first column stays (HRNet's
    rule, also of FPD and DistilPose). Where cells stand for their middle (`cell_offset` 0.5) nothing is to be moved.
    """
    (maps,) = outputs
    unmirrored = maps[:, order, :, ::-1].copy()
    if not codec.cell_offset:
        unmirrored[..., 1:] = unmirrored[..., :-1].copy()
    return [unmirrored]


def unmirror_regression(outputs: list[Floats], codec: Regression, order: NDArray[np.intp]) -> list[Floats]:
    """Fractions of the crop's sides (people, points, 2) and scores (people, points, 1).

    x becomes 1 - x, which is one pixel to the right of the mirror image w - 1 - x; the reference accepts that, too.
    """
    fractions, scores = outputs
    mirrored = fractions[:, order]
    mirrored[..., 0] = 1 - mirrored[..., 0]
    return [mirrored, scores[:, order] if codec.mirrored_scores == "intended" else scores]


UNMIRROR: Final[Mapping[type[Codec], Callable[[list[Floats], Any, NDArray[np.intp]], list[Floats]]]] = {
    SimCC: unmirror_simcc,
    Heatmap: unmirror_heatmap,
    Regression: unmirror_regression,
}
"""By kind of codec: outputs, the codec and the order of the points to outputs; see `unmirror`."""


def decode(crops: list[Crop], outputs: Iterable[Floats], spec: EstimatorSpec, scheme: str) -> list[Prediction]:
    """Outputs for crops to keypoints in photo pixels, in the scheme of the set that they are compared with."""
    points = spec.codec.decode(list(outputs), spec.input_size)
    placed = points_of_photo(points, [crop.region for crop in crops], spec)
    keypoints = convert_scheme(placed, spec.scheme, scheme)
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
