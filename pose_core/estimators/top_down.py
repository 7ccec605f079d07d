"""Photo and boxes in, keypoints out: the same function for every estimator.

crop -> normalise -> network -> codec -> photo pixels.
"""

from collections.abc import Sequence
from typing import Final

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
from pose_core.steps import NetworkRun, Steps, require_finite
from pose_core.timing import Timer
from pose_core.types import Image, PeopleKeypoints, PersonBox

MAX_CROPS: Final = 32
"""People of a photo handed to the network together: each crop is a megabyte or so that waits in memory."""


def estimate(
    session: Session, spec: EstimatorSpec, image: Image, boxes: Sequence[PersonBox], timer: Timer
) -> Steps[PeopleKeypoints]:
    """The 133 keypoints of the person in each box, in photo pixels, with raw scores.

    Points that the network's scheme does not know are 0, 0 with score 0.
    """
    regions = [crop_region(box, spec.input_size) for box in boxes]
    people = np.zeros((len(boxes), KEYPOINT_COUNT, 3), np.float32)
    for start in range(0, len(boxes), MAX_CROPS):
        together = regions[start : start + MAX_CROPS]
        with timer("crop"):
            tensor = crop_tensor(image, together, spec)
        outputs = yield NetworkRun(session, tensor, "pose")
        with timer("decode_pose"):
            points = spec.codec.decode([outputs[name] for name in session.output_names], spec.input_size)
            require_finite(points, session)
            placed = points_of_photo(points, together, spec)
            people[start : start + MAX_CROPS] = convert_scheme(placed, spec.scheme, WHOLE_BODY)
    return people


def crop_tensor(
    image: Image, regions: Sequence[CropRegion], spec: EstimatorSpec
) -> Float32[np.ndarray, "people 3 height width"]:
    """Normalised crops."""
    size, table = spec.input_size, normalise_table(spec.mean, spec.std)
    tensor = np.empty((len(regions), 3, size.height, size.width), np.float32)
    for region, out in zip(regions, tensor, strict=True):
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
