"""PCK@0.2 as it is stated for Leeds Sports Pose: errors in lengths of the torso, left shoulder to right hip.

Sources: Yang and Ramanan, TPAMI 2013; the evaluation of Fast Human Pose Estimation, arXiv 1811.05419, section 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from training.evals.joint_rates import (
    Curve,
    column_rates,
    columns_of,
    count_labels,
    joint_numbers,
    joint_rates,
    pooled_curve,
    thresholds_to,
)
from training.evals.pairs import pair_people, relative_to
from training.evals.pck import measure_torso
from training.evals.records import GroundTruth, Predictions, Score

THRESHOLD: Final = 0.2


@dataclass(frozen=True, slots=True)
class PckTorso:
    """Shares of joints close enough.

    Attributes:
        columns: column -> rate at 0.2, the mean of its joints' rates; None without a labelled joint.
        curve: shares of all joints of everybody at 0, 0.01, ... 0.2.
        joints: column -> how many labelled joints were compared; `mean` for all of them.
        people: how many persons they belong to.
        left_out: labelled people without a prediction or without both ends of the torso.
        labels: a key of `training.evals.pairs.LABELS`.
    """

    counted: ClassVar[str] = "joints"

    columns: Mapping[str, float | None]
    curve: Curve
    joints: Mapping[str, int]
    people: int
    left_out: int
    labels: str

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"people": self.people, "left out": self.left_out, "labels": self.labels}

    def scores(self) -> tuple[Score, ...]:
        """Every column and the mean at 0.2, then the area under the curve."""
        count = self.joints["mean"]
        return (
            *(Score(column, "PCK@0.2", rate, self.joints[column]) for column, rate in self.columns.items()),
            Score("mean", "PCK@0.2", self.curve.at(THRESHOLD) if count else None, count),
            Score("mean", "AUC", self.curve.area if count else None, count),
        )


def evaluate_pck_torso(truth: GroundTruth, predictions: Predictions, *, labels: str = "human") -> PckTorso:
    """PCK@0.2 of predictions on annotated boxes: of the 14 joints of LSP, those that the set has and the network knows.

    Args:
        truth: the annotated set.
        predictions: on its boxes.
        labels: a key of `training.evals.pairs.LABELS`.

    Raises:
        UnknownChoice: there are no such labels.
        InvalidInput: predictions on detected boxes.
    """
    pairs = pair_people(truth, predictions, labels)
    relative, weight, left_out = relative_to(measure_torso(pairs), pairs)
    counting, columns = joint_numbers(truth.scheme), columns_of(truth.scheme)
    return PckTorso(
        columns=column_rates(joint_rates(relative <= THRESHOLD, weight), columns),
        curve=pooled_curve(relative[:, counting], weight[:, counting], thresholds_to(THRESHOLD)),
        joints={**count_labels(weight, columns), "mean": int(np.count_nonzero(weight[:, counting]))},
        people=len(relative),
        left_out=left_out,
        labels=labels,
    )
