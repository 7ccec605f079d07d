"""NME: the mean error of a face's 68 points in distances of the outer eye corners.

Source: the 300-W challenge, Sagonas et al., ICCV workshops 2013.
"""

from typing import Final

import numpy as np

from training.evals.pairs import pair_people
from training.evals.part_errors import PartErrors, measure_part
from training.evals.records import Floats, GroundTruth, Predictions

OUTER_EYE_CORNERS: Final = (36, 45)
"""Of the 68 points, counted from 0."""

FAILURE: Final = 0.08
"""Error from where a face counts as missed, a common choice for this distance."""


def evaluate_face_nme(truth: GroundTruth, predictions: Predictions, *, labels: str = "human") -> PartErrors:
    """NME of predictions on annotated boxes.

    The error of a face is the weighted mean over its labelled points; a face counts by their mean weight. A face
    without both outer eye corners is left out.

    Raises:
        UnknownChoice: `labels` is not in `training.evals.pairs.LABELS`.
        InvalidInput: predictions on detected boxes.
    """
    faces = measure_part(pair_people(truth, predictions, labels), "face", measure_eye_distance)
    return PartErrors("faces", {"face": faces.summarise(FAILURE)}, faces.points, faces.left_out, labels)


def measure_eye_distance(points: Floats, weight: Floats) -> Floats:
    """Distance of the outer eye corners of each row; 0 without both. See `training.evals.part_errors.Measure`."""
    left, right = OUTER_EYE_CORNERS
    distance = np.linalg.norm(points[:, left] - points[:, right], axis=-1)
    return np.where((weight[:, left] > 0) & (weight[:, right] > 0), distance, 0.0)
