"""Photo and boxes in, keypoints out: the same function for every estimator.

crop -> normalise -> network -> codec -> photo pixels, all people of a photo in as few network runs as possible.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32

from pose_core.errors import ModelError
from pose_core.estimators.estimator import EstimatorSpec
from pose_core.geometry import (
    CropRegion,
    crop_image,
    crop_matrix,
    crop_region,
    crop_to_photo,
    fill_tensor,
    normalise_table,
)
from pose_core.schemes import SCHEMES, WHOLE_BODY, convert_scheme
from pose_core.session import Session
from pose_core.skeleton import KEYPOINT_COUNT
from pose_core.timing import Timer
from pose_core.types import Image, PeopleKeypoints, PersonBox


def estimate(
    session: Session, spec: EstimatorSpec, image: Image, boxes: Sequence[PersonBox], timer: Timer
) -> PeopleKeypoints:
    """The 133 keypoints of the person in each box, in photo pixels, with raw scores.

    Points that the network's scheme does not know are 0, 0 with score 0.
    """
    regions = [crop_region(box, spec.input_size) for box in boxes]
    people = np.zeros((len(boxes), KEYPOINT_COUNT, 3), np.float32)
    for start, stop, batch_size in plan_batches(len(boxes), session.batch_sizes):
        with timer("crop"):
            tensor = crop_tensor(image, regions[start:stop], spec, batch_size)
        with timer("pose"):
            outputs = session.run(tensor)
        with timer("decode_pose"):
            points = spec.codec.decode(
                [outputs[name][: stop - start] for name in session.output_names], spec.input_size
            )
            placed = points_of_photo(points, regions[start:stop], spec)
            people[start:stop] = convert_scheme(placed, spec.scheme, WHOLE_BODY)
    return people


def crop_tensor(
    image: Image, regions: Sequence[CropRegion], spec: EstimatorSpec, batch_size: int
) -> Float32[np.ndarray, "batch 3 height width"]:
    """Normalised crops; the rows beyond the people are zero."""
    size, table = spec.input_size, normalise_table(spec.mean, spec.std)
    tensor = np.empty((batch_size, 3, size.height, size.width), np.float32)
    tensor[len(regions) :] = 0
    for region, out in zip(regions, tensor, strict=False):
        fill_tensor(crop_image(image, crop_matrix(region, size), size), table, out)
    return tensor


def points_of_photo(
    points: Float32[np.ndarray, "people points 3"], regions: Sequence[CropRegion], spec: EstimatorSpec
) -> Float32[np.ndarray, "people points 3"]:
    """Crop pixels to photo pixels, scores untouched.

    Raises:
        ModelError: the network answers another number of points than its scheme has.
    """
    expected = len(SCHEMES[spec.scheme])
    if points.shape[1] != expected:
        raise ModelError(f"the estimator answers {points.shape[1]} points; scheme {spec.scheme} has {expected}")
    placed = points.copy()
    placed[..., :2] = crop_to_photo(points[..., :2], regions, spec.input_size)
    return placed


def plan_batches(count: int, sizes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Cut `count` people into batches of the given ascending sizes: start, stop, batch size.

    Full batches of the largest size first, then the smallest size that holds the rest.
    """
    start = 0
    while start < count:
        left = count - start
        batch_size = next((size for size in sizes if size >= left), sizes[-1])
        stop = min(start + batch_size, count)
        yield start, stop, batch_size
        start = stop
