"""Mean, median and failures of errors that count differently."""

from dataclasses import dataclass

import numpy as np

from training.evals.records import Floats, Score


@dataclass(frozen=True, slots=True)
class ErrorSummary:
    """What many errors come to.

    Attributes:
        mean: weighted; None without any error.
        median: the smallest error that has half of the weight at or below it.
        failures: weighted share of errors above `limit`.
        limit: from where an error is a failure.
        count: how many errors there are.
    """

    mean: float | None
    median: float | None
    failures: float | None
    limit: float
    count: int

    def scores(self, part: str) -> tuple[Score, ...]:
        """The three numbers under the name of a part."""
        values = {"mean": self.mean, "median": self.median, f"above {self.limit:g}": self.failures}
        return tuple(Score(part, name, value, self.count) for name, value in values.items())


def summarise(error: Floats, weight: Floats, limit: float) -> ErrorSummary:
    """Sum errors up; each counts by its weight and those without any not at all. Both (n,)."""
    error, weight = error[weight > 0], weight[weight > 0]
    if not len(error):
        return ErrorSummary(None, None, None, limit, 0)
    order = np.argsort(error)
    below = np.cumsum(weight[order])
    median = error[order][np.searchsorted(below, below[-1] / 2)]
    return ErrorSummary(
        mean=float(np.average(error, weights=weight)),
        median=float(median),
        failures=float(np.average(error > limit, weights=weight)),
        limit=limit,
        count=len(error),
    )


def weighted_rows(values: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Weighted mean of each row, 0 without any weight, and the mean weight of the points that have one.

    Args:
        values: (rows, points).
        weight: (rows, points), 0 for points that do not count.

    Returns:
        Two arrays (rows,). The second says how much a row should count among others: 1 for human labels.
    """
    total, labelled = weight.sum(axis=-1), np.count_nonzero(weight, axis=-1)
    mean = np.divide((values * weight).sum(axis=-1), total, out=np.zeros(len(total)), where=total > 0)
    return mean, np.divide(total, labelled, out=np.zeros(len(total)), where=labelled > 0)
