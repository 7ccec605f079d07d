"""What PCKh and the PCK of LSP share: joints that lie close enough, by joint, by pair of them, and over thresholds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pose_core.schemes import SCHEMES
from training.evals.records import Floats

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "head": ("neck", "head_top"),
    "shoulder": ("left_shoulder", "right_shoulder"),
    "elbow": ("left_elbow", "right_elbow"),
    "wrist": ("left_wrist", "right_wrist"),
    "hip": ("left_hip", "right_hip"),
    "knee": ("left_knee", "right_knee"),
    "ankle": ("left_ankle", "right_ankle"),
}
"""The columns of published tables and the joints whose rates they are the mean of."""

JOINTS: Final = tuple(name for group in GROUPS.values() for name in group)
"""All that count; pelvis and thorax of MPII do not."""


class Curve(NamedTuple):
    """Shares of joints that lie close enough.

    Attributes:
        thresholds: largest distances, as fractions of the reference length.
        shares: one for each, in 0..1.
    """

    thresholds: tuple[float, ...]
    shares: tuple[float, ...]

    @property
    def area(self) -> float:
        """Area under the curve, the thresholds rescaled to 0..1."""
        return float(np.trapezoid(self.shares, np.array(self.thresholds) / self.thresholds[-1]))

    def at(self, threshold: float) -> float:
        """The share at one of the thresholds."""
        return self.shares[int(np.argmin(np.abs(np.array(self.thresholds) - threshold)))]


def thresholds_to(largest: float) -> tuple[float, ...]:
    """0, 0.01, 0.02 and so on up to the largest."""
    return tuple((np.arange(round(100 * largest) + 1) / 100).tolist())


def joint_numbers(scheme: str) -> NDArray[np.intp]:
    """Where the joints that count stand in a scheme, those of `JOINTS` that it has."""
    return np.array([number for number, name in enumerate(SCHEMES[scheme].points) if name in JOINTS], np.intp)


def pooled_curve(relative: Floats, weight: Floats, thresholds: tuple[float, ...]) -> Curve:
    """Every labelled joint of everybody counts alike.

    Args:
        relative: (people, joints) distances as fractions of the reference length.
        weight: (people, joints) what each label counts.
        thresholds: a joint at exactly that distance is close enough.
    """
    total = weight.sum()
    hits = [((relative <= threshold) * weight).sum() for threshold in thresholds]
    return Curve(thresholds, tuple(float(hit / total) if total > 0 else 0.0 for hit in hits))


def joint_rates(close: NDArray[np.bool_], weight: Floats) -> Floats:
    """(people, joints) to (joints,): the share of each joint's labels that lie close enough, NaN without a label."""
    total = weight.sum(axis=0)
    return np.divide((close * weight).sum(axis=0), total, out=np.full(len(total), np.nan), where=total > 0)


def columns_of(scheme: str, groups: Mapping[str, tuple[str, ...]] = GROUPS) -> dict[str, list[int]]:
    """Column -> where its joints stand in a scheme; without the columns of which the scheme has no joint."""
    points = SCHEMES[scheme].points
    found = {column: [points.index(name) for name in names if name in points] for column, names in groups.items()}
    return {column: numbers for column, numbers in found.items() if numbers}


def column_rates(rates: Floats, columns: Mapping[str, list[int]]) -> dict[str, float | None]:
    """Column -> mean of its joints' rates; None where none of them has a label.

    Args:
        rates: (points,) of every point of a scheme, NaN for those that nobody labelled.
        columns: see `columns_of`.
    """
    known = {column: rates[numbers][~np.isnan(rates[numbers])] for column, numbers in columns.items()}
    return {column: float(values.mean()) if len(values) else None for column, values in known.items()}


def count_labels(weight: Floats, columns: Mapping[str, list[int]]) -> dict[str, int]:
    """Column -> how many labels of its joints there are, of weights (people, points)."""
    return {column: int(np.count_nonzero(weight[:, numbers])) for column, numbers in columns.items()}


def plot_curves(curves: Mapping[str, Curve], path: Path) -> None:
    """Draw curves into one picture, in percent over the threshold.

    Args:
        curves: by what the legend is to say; the area is added.
        path: of the picture, whose ending says its format.
    """
    figure = Figure(figsize=(6.0, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        label = f"{name}, area {100 * curve.area:.1f}"
        axes.plot(curve.thresholds, [100 * share for share in curve.shares], label=label)
    axes.set_xlabel("threshold, fraction of the reference length")
    axes.set_ylabel("joints close enough, %")
    axes.set_ylim(0, 100)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=110)
