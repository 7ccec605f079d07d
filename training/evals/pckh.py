"""PCKh of MPII: the share of joints that lie within half of 0.6 of the diagonal of the head's box.

Source: Andriluka et al., CVPR 2014, and three programs whose "Mean" is not the same number (`CONVENTIONS`): the
official MATLAB evaluation, HRNet's code with that of FPD (ilovepose@c4722f8), and bearpaw/pytorch-pose.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_core.errors import InvalidInput, UnknownChoice
from training.evals.joint_rates import (
    GROUPS,
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
from training.evals.records import Floats, GroundTruth, Predictions, Score

SCHEME: Final = "mpii"
THRESHOLD: Final = 0.5


class Convention(NamedTuple):
    """What a program means by its columns.

    Attributes:
        head: joints of the column `head`.
        close: whether a distance is close enough, of distances and the threshold.
        pooled: whether `mean` counts every joint of everybody alike; otherwise it is the mean of the 14 joints' rates.
        tenth: the threshold of the column called 0.1.
    """

    head: tuple[str, ...]
    close: Callable[[Floats, float], NDArray[np.bool_]]
    pooled: bool
    tenth: float


CONVENTIONS: Final[Mapping[str, Convention]] = {
    "official": Convention(("neck", "head_top"), np.less_equal, pooled=True, tenth=0.10),
    "hrnet": Convention(("head_top",), np.less_equal, pooled=True, tenth=0.11),
    "pytorch-pose": Convention(("head_top",), np.less, pooled=False, tenth=0.10),
}
"""By program. HRNet's reads its list of thresholds one place too far, so that its 0.1 is 0.11."""


@dataclass(frozen=True, slots=True)
class Pckh:
    """Shares of joints close enough.

    Attributes:
        columns: column -> rate at 0.5, `mean` last; None without a labelled joint.
        tenth: mean at the threshold that the convention calls 0.1.
        curve: the official one whatever the convention: pooled shares at 0, 0.01, ... 0.5, a joint at exactly the
            threshold is close enough.
        joints: column -> how many labelled joints were compared.
        people: how many persons they belong to.
        left_out: labelled people without a prediction or without a head box.
        convention: a key of `CONVENTIONS`.
    """

    counted: ClassVar[str] = "joints"

    columns: Mapping[str, float | None]
    tenth: float | None
    curve: Curve
    joints: Mapping[str, int]
    people: int
    left_out: int
    convention: str

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"people": self.people, "left out": self.left_out, "convention": self.convention}

    def scores(self) -> tuple[Score, ...]:
        """Every column at 0.5, then the mean at 0.1 and the area under the curve."""
        count = self.joints["mean"]
        return (
            *(Score(column, "PCKh@0.5", rate, self.joints[column]) for column, rate in self.columns.items()),
            Score("mean", "PCKh@0.1", self.tenth, count),
            Score("mean", "AUC", self.curve.area if count else None, count),
        )


def evaluate_pckh(truth: GroundTruth, predictions: Predictions, *, convention: str = "official") -> Pckh:
    """PCKh of predictions on annotated boxes of MPII.

    Args:
        truth: people with the points of MPII and the size of their heads.
        predictions: on their boxes, in the same frame: 0-based both or 1-based both.
        convention: a key of `CONVENTIONS`.

    Raises:
        UnknownChoice: there is no such convention.
        InvalidInput: people with other points than MPII's, or predictions on detected boxes.
    """
    if convention not in CONVENTIONS:
        raise UnknownChoice("convention", convention, CONVENTIONS)
    if truth.scheme != SCHEME:
        raise InvalidInput(f"{truth.name} has points of {truth.scheme}, PCKh is of {SCHEME}", field="scheme")
    rule, pairs = CONVENTIONS[convention], pair_people(truth, predictions, "known")
    relative, weight, left_out = relative_to(pairs.head_px, pairs)
    counting = joint_numbers(SCHEME)
    groups = {**GROUPS, "head": rule.head}

    def mean(threshold: float) -> float | None:
        close, counts = rule.close(relative[:, counting], threshold), weight[:, counting]
        if not counts.sum():
            return None
        return float((close * counts).sum() / counts.sum() if rule.pooled else np.nanmean(joint_rates(close, counts)))

    columns = columns_of(SCHEME, groups)
    rates = column_rates(joint_rates(rule.close(relative, THRESHOLD), weight), columns)
    return Pckh(
        columns={**rates, "mean": mean(THRESHOLD)},
        tenth=mean(rule.tenth),
        curve=pooled_curve(relative[:, counting], weight[:, counting], thresholds_to(THRESHOLD)),
        joints={**count_labels(weight, columns), "mean": int(np.count_nonzero(weight[:, counting]))},
        people=len(relative),
        left_out=left_out,
        convention=convention,
    )
