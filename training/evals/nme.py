"""NME: the mean error of a face's 68 points in distances of the outer eye corners.

Source: the 300-W challenge, Sagonas et al., ICCV workshops 2013.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from pose_core.skeleton import FACE
from training.evals.pairs import pair_people
from training.evals.records import GroundTruth, Predictions, Score
from training.evals.summary import ErrorSummary, summarise, weighted_rows

OUTER_EYE_CORNERS: Final = (36, 45)
"""Of the 68 points, counted from 0."""

FAILURE: Final = 0.08
"""Error from where a face counts as missed, a common choice for this distance."""


@dataclass(frozen=True, slots=True)
class FaceNme:
    """Errors of faces.

    Attributes:
        faces: over the faces with both outer eye corners labelled.
        points: how many labelled points they have.
        left_out: labelled faces without an outer eye corner or without a prediction.
        labels: a key of `training.evals.pairs.LABELS`.
    """

    counted: ClassVar[str] = "faces"

    faces: ErrorSummary
    points: int
    left_out: int
    labels: str

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"points": self.points, "left out": self.left_out, "labels": self.labels}

    def scores(self) -> tuple[Score, ...]:
        """Mean, median and failures."""
        return self.faces.scores("face")


def evaluate_face_nme(truth: GroundTruth, predictions: Predictions, *, labels: str = "human") -> FaceNme:
    """NME of predictions on annotated boxes.

    The error of a face is the weighted mean over its labelled points; a face counts by their mean weight.

    Raises:
        UnknownChoice: `labels` is not in `training.evals.pairs.LABELS`.
        InvalidInput: predictions on detected boxes.
    """
    pairs = pair_people(truth, predictions, labels)
    distance, weight, true = pairs.distance[:, FACE], pairs.weight[:, FACE], pairs.true[:, FACE]
    left, right = OUTER_EYE_CORNERS
    eyes = np.linalg.norm(true[:, left] - true[:, right], axis=-1)
    usable = pairs.found & (weight[:, left] > 0) & (weight[:, right] > 0) & (eyes > 0)
    error, face_weight = weighted_rows(distance[usable] / eyes[usable, None], weight[usable])
    labelled = (weight > 0).any(axis=-1)
    return FaceNme(
        faces=summarise(error, face_weight, FAILURE),
        points=int(np.count_nonzero(weight[usable])),
        left_out=int(np.count_nonzero(labelled & ~usable)),
        labels=labels,
    )
