"""Errors of a part of the body relative to its own size: what the metrics of faces and hands have in common."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.evals.pairs import Pairs
from training.evals.records import PARTS, Floats, Score
from training.evals.summary import ErrorSummary, summarise, weighted_rows

Measure = Callable[[Floats, Floats], Floats]
"""Labelled points (people, points, 2) and what they count (people, points) to sizes (people,) in pixels; 0 or less
where nothing can be said about the size."""


@dataclass(frozen=True, slots=True)
class PartErrors:
    """Errors relative to the size of a part.

    Attributes:
        counted: what the parts are, in the plural.
        parts: name -> what the errors come to.
        points: how many labelled points were compared.
        left_out: labelled parts without a size or without a prediction.
        labels: a key of `training.evals.pairs.LABELS`.
    """

    counted: str
    parts: Mapping[str, ErrorSummary]
    points: int
    left_out: int
    labels: str

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"points": self.points, "left out": self.left_out, "labels": self.labels}

    def scores(self) -> tuple[Score, ...]:
        """Mean, median and failures of each part."""
        return tuple(score for part, summary in self.parts.items() for score in summary.scores(part))


@dataclass(frozen=True, slots=True)
class Errors:
    """The same part of several people.

    Attributes:
        error: (rows,) mean over the labelled points by their weight, in sizes of the part.
        weight: (rows,) how much a row counts: the mean weight of its points.
        size: (rows,) in pixels.
        points: how many labelled points the rows have.
        left_out: people with a label but without a size or a prediction.
    """

    error: Floats
    weight: Floats
    size: Floats
    points: int
    left_out: int

    def summarise(self, limit: float, min_size_px: float = 0.0) -> ErrorSummary:
        """What the errors of the parts larger than `min_size_px` come to."""
        large = self.size > min_size_px
        return summarise(self.error[large], self.weight[large], limit)


def measure_part(pairs: Pairs, part: str, measure: Measure) -> Errors:
    """Errors of one part of everybody.

    A prediction with a coordinate that is NaN, where the network gave no answer, counts as none.

    Args:
        pairs: annotated beside predicted.
        part: a key of `training.evals.records.PARTS`.
        measure: the size of the part.
    """
    weight, distance = pairs.weight[:, PARTS[part]], pairs.distance[:, PARTS[part]]
    size = measure(pairs.true[:, PARTS[part]], weight)
    usable = (size > 0) & (np.isfinite(distance) | (weight == 0)).all(axis=-1) & pairs.found
    error, counts = weighted_rows(np.nan_to_num(distance[usable]) / size[usable, None], weight[usable])
    labelled = (weight > 0).any(axis=-1)
    return Errors(
        error=error,
        weight=counts,
        size=size[usable],
        points=int(np.count_nonzero(weight[usable])),
        left_out=int(np.count_nonzero(labelled & ~usable)),
    )


def join(errors: Sequence[Errors]) -> Errors:
    """Several parts as one, such as both hands."""
    return Errors(
        error=np.concatenate([one.error for one in errors]),
        weight=np.concatenate([one.weight for one in errors]),
        size=np.concatenate([one.size for one in errors]),
        points=sum(one.points for one in errors),
        left_out=sum(one.left_out for one in errors),
    )
