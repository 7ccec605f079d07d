"""Mean error of a hand's 21 points relative to the longest side of the hand."""

from typing import Final

import numpy as np

from training.evals.pairs import pair_people
from training.evals.part_errors import PartErrors, join, measure_part
from training.evals.records import Floats, GroundTruth, Predictions

FAILURE: Final = 0.2
"""Error from where a hand counts as missed: about the distance between two neighbouring knuckles of a flat hand."""

MIN_POINTS: Final = 11
"""Fewer labelled points say little about the size of a hand."""

LARGE_PX: Final = 24.0
"""Longest side from where the fingers of a hand can be told apart."""


def evaluate_hand_error(
    truth: GroundTruth, predictions: Predictions, *, labels: str = "human", large_px: float = LARGE_PX
) -> PartErrors:
    """Error of predicted hands on annotated boxes: of each side, of both, and of the large ones (`large-hand`).

    The error of a hand is the weighted mean over its labelled points; a hand counts by their mean weight. A hand with
    fewer than `MIN_POINTS` labels is left out.

    Args:
        truth: the annotated set.
        predictions: on its boxes.
        labels: a key of `training.evals.pairs.LABELS`.
        large_px: longest side in photo pixels above which a hand is a large one.

    Raises:
        UnknownChoice: `labels` is not in `training.evals.pairs.LABELS`.
        InvalidInput: predictions on detected boxes.
    """
    pairs = pair_people(truth, predictions, labels)
    sides = {part: measure_part(pairs, part, measure_hand) for part in ("lefthand", "righthand")}
    both = join([*sides.values()])
    parts = {part: errors.summarise(FAILURE) for part, errors in {**sides, "hand": both}.items()}
    parts["large-hand"] = both.summarise(FAILURE, large_px)
    return PartErrors("hands", parts, both.points, both.left_out, labels)


def measure_hand(points: Floats, weight: Floats) -> Floats:
    """Longest side of each hand with enough labels, 0 for others. See `training.evals.part_errors.Measure`."""
    enough = np.count_nonzero(weight, axis=-1) >= MIN_POINTS
    return np.where(enough, measure_extent(points, weight), 0.0)


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
