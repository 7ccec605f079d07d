"""Mean error of a hand's 21 points relative to the longest side of the hand."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from training.evals.pairs import Pairs, pair_people
from training.evals.records import PARTS, Floats, GroundTruth, Predictions, Score
from training.evals.summary import ErrorSummary, summarise, weighted_rows

FAILURE: Final = 0.2
"""Error from where a hand counts as missed: about the distance between two neighbouring knuckles of a flat hand."""

MIN_POINTS: Final = 11
"""Fewer labelled points say little about the size of a hand."""


@dataclass(frozen=True, slots=True)
class HandError:
    """Errors of hands.

    Attributes:
        hands: lefthand, righthand, and hand for both together.
        points: how many labelled points they have.
        left_out: labelled hands with fewer than `MIN_POINTS` labels or without a prediction.
        labels: a key of `training.evals.pairs.LABELS`.
    """

    counted: ClassVar[str] = "hands"

    hands: Mapping[str, ErrorSummary]
    points: int
    left_out: int
    labels: str

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"points": self.points, "left out": self.left_out, "labels": self.labels}

    def scores(self) -> tuple[Score, ...]:
        """Mean, median and failures of each hand and of both."""
        return tuple(score for part, summary in self.hands.items() for score in summary.scores(part))


def evaluate_hand_error(truth: GroundTruth, predictions: Predictions, *, labels: str = "human") -> HandError:
    """Error of predicted hands on annotated boxes.

    The error of a hand is the weighted mean over its labelled points; a hand counts by their mean weight.

    Raises:
        UnknownChoice: `labels` is not in `training.evals.pairs.LABELS`.
        InvalidInput: predictions on detected boxes.
    """
    pairs = pair_people(truth, predictions, labels)
    sides = {part: measure_hands(pairs, part) for part in ("lefthand", "righthand")}
    both = [np.concatenate(columns) for columns in zip(*sides.values(), strict=True)]
    hands = {part: summarise(error, weight, FAILURE) for part, (error, weight, _) in {**sides, "hand": both}.items()}
    labelled = sum(np.count_nonzero(pairs.weight[:, PARTS[part]].any(axis=-1)) for part in sides)
    return HandError(
        hands=hands,
        points=int(both[2].sum()),
        left_out=int(labelled) - hands["hand"].count,
        labels=labels,
    )


def measure_hands(pairs: Pairs, part: str) -> tuple[Floats, Floats, Floats]:
    """Relative error, weight and number of labelled points of each hand on one side that can be measured."""
    weight = pairs.weight[:, PARTS[part]]
    size = measure_extent(pairs.true[:, PARTS[part]], weight)
    usable = pairs.found & (np.count_nonzero(weight, axis=-1) >= MIN_POINTS) & (size > 0)
    relative = pairs.distance[usable, PARTS[part]] / size[usable, None]
    return *weighted_rows(relative, weight[usable]), np.count_nonzero(weight[usable], axis=-1).astype(np.float64)


def measure_extent(points: Floats, weight: Floats) -> Floats:
    """Longest side of the upright box around the labelled points of each row; 0 or less without two of them.

    Args:
        points: (rows, points, 2).
        weight: (rows, points), 0 for points that do not count.
    """
    labelled = weight[..., None] > 0
    lowest = np.where(labelled, points, np.inf).min(axis=1)
    highest = np.where(labelled, points, -np.inf).max(axis=1)
    return (highest - lowest).max(axis=-1)
