"""PCK: the share of points that lie close enough, relative to the size of the person.

Sources: Yang and Ramanan, TPAMI 2013, for the share within a fraction of the longest side of the box; Toshev and
Szegedy, CVPR 2014 (arXiv 1312.4659) for the torso, the distance of left shoulder and right hip.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pose_core.errors import UnknownChoice
from pose_core.schemes import SCHEMES
from training.evals.pairs import Pairs, pair_people, relative_to
from training.evals.records import PARTS, Floats, GroundTruth, Predictions, Score

TORSO: Final = ("left_shoulder", "right_hip")

THRESHOLDS: Final = (0.05, 0.1, 0.2)


def measure_torso(pairs: Pairs) -> Floats:
    """(people,) left shoulder to right hip in pixels; NaN where one of them has no label."""
    ends = [SCHEMES[pairs.scheme].points.index(name) for name in TORSO]
    length = np.linalg.norm(pairs.true[:, ends[0]] - pairs.true[:, ends[1]], axis=-1)
    return np.where((pairs.weight[:, ends] > 0).all(axis=-1), length, np.nan)


SIZES: Final[Mapping[str, Callable[[Pairs], Floats]]] = {
    "box": lambda pairs: pairs.box_size.max(axis=-1),
    "torso": measure_torso,
}
"""What distances are divided by: the longest side of the annotated box, or the torso."""


@dataclass(frozen=True, slots=True)
class Pck:
    """Shares of points close enough.

    Attributes:
        thresholds: largest distance as a fraction of the person's size.
        parts: part -> one share per threshold, None without a labelled point.
        keypoints: (thresholds, 133) the same for each point, NaN without a label.
        points: part -> how many labelled points were compared.
        people: how many persons they belong to.
        left_out: labelled people without a prediction or without a size.
        size: a key of `SIZES`.
        labels: a key of `training.evals.pairs.LABELS`.
    """

    counted: ClassVar[str] = "points"

    thresholds: tuple[float, ...]
    parts: Mapping[str, tuple[float | None, ...]]
    keypoints: Floats
    points: Mapping[str, int]
    people: int
    left_out: int
    size: str
    labels: str

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"people": self.people, "left out": self.left_out, "size": self.size, "labels": self.labels}

    def scores(self) -> tuple[Score, ...]:
        """One share for each part and threshold."""
        return tuple(
            Score(part, f"PCK@{threshold:g}", share, self.points[part])
            for part, shares in self.parts.items()
            for threshold, share in zip(self.thresholds, shares, strict=True)
        )


def evaluate_pck(
    truth: GroundTruth,
    predictions: Predictions,
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    size: str = "box",
    labels: str = "human",
) -> Pck:
    """PCK of predictions on annotated boxes; every labelled point counts alike within its part, by its weight.

    Args:
        truth: the annotated set.
        predictions: on its boxes.
        thresholds: fractions of the person's size; a point at exactly that distance is close enough.
        size: a key of `SIZES`.
        labels: a key of `training.evals.pairs.LABELS`.

    Raises:
        UnknownChoice: of `size` or `labels`.
        InvalidInput: predictions on detected boxes.
    """
    if size not in SIZES:
        raise UnknownChoice("size", size, SIZES)
    pairs = pair_people(truth, predictions, labels)
    relative, weight, left_out = relative_to(SIZES[size](pairs), pairs)
    close = relative <= np.array(thresholds)[:, None, None]
    return Pck(
        thresholds=tuple(thresholds),
        parts={part: tuple(share(hits[:, of], weight[:, of]) for hits in close) for part, of in PARTS.items()},
        keypoints=share_each(close, weight),
        points={part: int(np.count_nonzero(weight[:, of])) for part, of in PARTS.items()},
        people=len(relative),
        left_out=left_out,
        size=size,
        labels=labels,
    )


def share(hits: NDArray[np.bool_], weight: Floats) -> float | None:
    """The weighted share of hits; None without any weight."""
    total = weight.sum()
    return float((hits * weight).sum() / total) if total > 0 else None


def share_each(close: NDArray[np.bool_], weight: Floats) -> Floats:
    """(thresholds, people, points) and (people, points) to shares (thresholds, points), NaN without any weight."""
    total = weight.sum(axis=0)
    hits = (close * weight).sum(axis=1)
    return np.divide(hits, total, out=np.full(hits.shape, np.nan), where=total > 0)
