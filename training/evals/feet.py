"""Feet: is heel and toe on the right foot, and how close are they to their labels?

The first question needs no labels of feet, only of ankles: a predicted heel or big toe is on the right foot if it lies
nearer to the labelled ankle of its own side than to the other. Ankles that lie close together tell nothing and are left
out. The small toe is not asked for, few sets label it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pose_core.schemes import shared_points
from training.evals.pairs import Pairs, pair_people
from training.evals.pck import share
from training.evals.records import Floats, GroundTruth, Predictions, Score

ANKLES: Final = (15, 16)
"""Left and right, among the 133 points."""

FEET: Final[Mapping[str, tuple[int, int]]] = {"heel": (19, 22), "big_toe": (17, 20)}
"""Part of a foot -> its left and right point among the 133."""

APART: Final = 0.1
"""Distance of the ankles, as a fraction of the longer side of the box, from where they tell the feet apart."""

CLOSE: Final = 0.1
"""Largest distance of a point that is close to its label, in the same unit."""


@dataclass(frozen=True, slots=True)
class Feet:
    """Shares of heels and big toes.

    Attributes:
        right_foot: heel, big_toe and foot for both together -> share that lies on the foot it belongs to, None
            without ankles that tell; only predicted points count.
        asked: for each of these, how many points could be judged.
        close: the same parts -> share within `CLOSE` of the label, None without a label.
        labelled: for each, how many labels there are.
        ankle_labels: a key of `training.evals.pairs.LABELS`.
        foot_labels: another one.
    """

    counted: ClassVar[str] = "points"

    right_foot: Mapping[str, float | None]
    asked: Mapping[str, int]
    close: Mapping[str, float | None]
    labelled: Mapping[str, int]
    ankle_labels: str
    foot_labels: str

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"ankle labels": self.ankle_labels, "foot labels": self.foot_labels}

    def scores(self) -> tuple[Score, ...]:
        """Both shares of each part, as far as anything could be asked."""
        right = [Score(part, "right foot", self.right_foot[part], count) for part, count in self.asked.items() if count]
        close = [
            Score(f"{part} labelled", f"PCK@{CLOSE:g}", self.close[part], count)
            for part, count in self.labelled.items()
            if count
        ]
        return (*right, *close)


def evaluate_feet(
    truth: GroundTruth, predictions: Predictions, *, labels: str = "human", foot_labels: str = "weighted"
) -> Feet:
    """Feet of predictions on annotated boxes.

    Args:
        truth: the annotated set.
        predictions: on its boxes.
        labels: whose ankles tell the feet apart, a key of `training.evals.pairs.LABELS`.
        foot_labels: what heels and toes are compared with, another key; human labels of feet are rare.

    Raises:
        UnknownChoice: labels that are not in `training.evals.pairs.LABELS`.
        InvalidInput: predictions on detected boxes.
    """
    pairs, footed = (pair_people(truth, predictions, kind) for kind in (labels, foot_labels))
    size = pairs.box_size.max(axis=-1)
    known = {*shared_points(predictions.scheme, truth.scheme)[1].tolist()}
    points = {part: both for part, both in FEET.items() if {*both} <= known}
    on_foot = {part: judge_sides(pairs, both, size) for part, both in points.items()}
    near = {part: judge_distance(footed, both, size) for part, both in points.items()}
    right_foot, asked = sum_up(on_foot)
    close, labelled = sum_up(near)
    return Feet(right_foot, asked, close, labelled, labels, foot_labels)


Judged = tuple[NDArray[np.bool_], Floats]
"""Whether each point is right, and how much it counts; both (people, 2), left and right."""


def judge_sides(pairs: Pairs, points: tuple[int, int], size: Floats) -> Judged:
    """Is the left and the right point nearer to the ankle of its own side than to the other ankle?

    A point that was not answered (NaN) is not.

    Args:
        pairs: annotated beside predicted.
        points: the left and the right one among the 133.
        size: (people,) longer side of the box in pixels.
    """
    ankles = pairs.true[:, ANKLES]
    apart = np.linalg.norm(ankles[:, 0] - ankles[:, 1], axis=-1)
    tell = (pairs.weight[:, ANKLES] > 0).all(axis=-1) & (apart > APART * size) & pairs.found
    said = pairs.predicted[:, points]
    own, other = (np.linalg.norm(said - sides, axis=-1) for sides in (ankles, ankles[:, ::-1]))
    return own < other, np.repeat(tell[:, None], 2, axis=1).astype(np.float64)


def judge_distance(pairs: Pairs, points: tuple[int, int], size: Floats) -> Judged:
    """Is the left and the right point close to its label? Arguments as of `judge_sides`."""
    near = pairs.distance[:, points] <= CLOSE * size[:, None]
    return near, pairs.weight[:, points] * pairs.found[:, None]


def sum_up(parts: Mapping[str, Judged]) -> tuple[dict[str, float | None], dict[str, int]]:
    """Share of right points and number of judged ones, for each part and for all together as `foot`."""
    if not parts:
        return {}, {}
    hits, weight = (np.concatenate(columns) for columns in zip(*parts.values(), strict=True))
    joined = {**parts, "foot": (hits, weight)}
    shares = {part: share(right, counts) for part, (right, counts) in joined.items()}
    return shares, {part: int(np.count_nonzero(counts)) for part, (_, counts) in joined.items()}
