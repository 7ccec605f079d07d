"""How well a detector finds people: precision and recall over all score thresholds, by the size of the people.

Source: the rules of COCO's evaluation (cocodataset/cocoapi), at one overlap. Detections are taken from the surest down,
each matched with the person it overlaps most that nobody has found yet. Within a range of sizes, people outside of it
are neither to be found nor false alarms, and a false alarm counts where its own size is in the range. A detection that
lies mostly in a region to ignore is no false alarm.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.evals.records import Floats, Score

OVERLAP: Final = 0.5
"""Intersection over union from which a person is found; share inside a region from which a detection is ignored."""

LARGE_PX: Final = 96.0
RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "all": (0.0, np.inf),
    "large": (LARGE_PX**2, np.inf),
    "small": (0.0, LARGE_PX**2),
}
"""Areas of boxes in square pixels; the lower end is excluded, the upper one included."""

RECALL: Final = 0.9
SCORE: Final = 0.3
"""Where curves are read off: at a recall, and at the usual threshold."""


class Truth(NamedTuple):
    """The people of one photo; boxes are left, top, right, bottom in photo pixels.

    Attributes:
        people_M4: everybody.
        ignore_R4: regions of which nobody knows who is there.
        scale: by how much larger than this the photo is for which `RANGES` are meant.
    """

    people_M4: Floats
    ignore_R4: Floats
    scale: float = 1.0


class Found(NamedTuple):
    """What a detector found in one photo: boxes and scores, the surest first."""

    box_D4: Floats
    score_D: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """Precision and recall with every detection up to the one of each score; all of the same length.

    Attributes:
        score: falling.
        precision: share of the detections that are people.
        recall: share of the people that are found.
        people: how many there are to be found.
    """

    score: Floats
    precision: Floats
    recall: Floats
    people: int

    @property
    def envelope(self) -> Floats:
        """The best precision at this recall or a higher one."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    def average_precision(self) -> float | None:
        """Mean of the envelope at the recalls 0, 0.01, ... 1; None without people."""
        if not self.people:
            return None
        positions = np.searchsorted(self.recall, np.linspace(0, 1, 101) - 1e-12)
        return float(np.append(self.envelope, 0.0)[positions].mean())

    def at_recall(self, recall: float) -> tuple[float, float] | None:
        """Best precision from this recall on, and the threshold that gives it; 0 and 0 if it is never reached."""
        if not self.people:
            return None
        reached = np.flatnonzero(self.recall >= recall)
        if not len(reached):
            return 0.0, 0.0
        best = int(reached[self.precision[reached].argmax()])
        return float(self.precision[best]), float(self.score[best])

    def at_score(self, score: float) -> tuple[float | None, float | None]:
        """Precision and recall of the detections above a threshold; None where there is nothing to count."""
        above = int(np.count_nonzero(self.score > score))
        recall = (float(self.recall[above - 1]) if above else 0.0) if self.people else None
        return (float(self.precision[above - 1]) if above else None), recall


@dataclass(frozen=True, slots=True)
class Detection:
    """Curves of one detector.

    Attributes:
        curves: by a key of `RANGES`.
        photos: how many were looked at.
        ignored: how many regions were ignored.
    """

    counted: ClassVar[str] = "people"

    curves: Mapping[str, Curve]
    photos: int
    ignored: int

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"photos": self.photos, "regions ignored": self.ignored, "overlap": str(OVERLAP)}

    def scores(self) -> tuple[Score, ...]:
        """Of each range: AP, precision and score at a recall, precision and recall at a score."""
        return tuple(score for part, curve in self.curves.items() for score in scores_of(part, curve))


def scores_of(part: str, curve: Curve) -> list[Score]:
    """The numbers of one curve."""
    precision, score = curve.at_recall(RECALL) or (None, None)
    usual_precision, usual_recall = curve.at_score(SCORE)
    numbers = {
        "AP50": curve.average_precision(),
        f"P@R{RECALL}": precision,
        f"score@R{RECALL}": score,
        f"P@{SCORE}": usual_precision,
        f"R@{SCORE}": usual_recall,
    }
    return [Score(part, name, value, curve.people) for name, value in numbers.items()]


def evaluate_detection(truth: Sequence[Truth], found: Sequence[Found]) -> Detection:
    """Compare what was found in each photo with who is there."""
    curves = {part: measure_range(truth, found, limits) for part, limits in RANGES.items()}
    return Detection(curves, len(truth), sum(len(photo.ignore_R4) for photo in truth))


def measure_range(truth: Sequence[Truth], found: Sequence[Found], limits: tuple[float, float]) -> Curve:
    """The curve of the people whose boxes have such areas."""
    marks = [match_photo(photo, boxes, limits) for photo, boxes in zip(truth, found, strict=True)]
    hit = np.concatenate([np.zeros(0, bool), *(hit_D[counts_D] for hit_D, counts_D in marks)])
    scores = [boxes.score_D[counts_D] for boxes, (_, counts_D) in zip(found, marks, strict=True)]
    score = np.concatenate([np.zeros(0), *scores])
    people = sum(int(np.count_nonzero(in_range(areas(photo.people_M4) * photo.scale**2, limits))) for photo in truth)
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(hit[order])
    return Curve(score[order], hits / np.arange(1, len(order) + 1), hits / max(people, 1), people)


def match_photo(truth: Truth, found: Found, limits: tuple[float, float]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which detections found somebody who is to be found, and which count at all."""
    wanted_M = in_range(areas(truth.people_M4) * truth.scale**2, limits)
    overlap_DM = overlaps(found.box_D4, truth.people_M4)
    free_M = np.ones(len(wanted_M), bool)
    hit_D = np.zeros(len(found.box_D4), bool)
    counts_D = in_range(areas(found.box_D4) * truth.scale**2, limits) & ~inside(found.box_D4, truth.ignore_R4)
    for number, overlap_M in enumerate(overlap_DM):
        # those who are to be found come first
        best = max(
            np.flatnonzero(free_M & (overlap_M >= OVERLAP)), key=lambda m: (wanted_M[m], overlap_M[m]), default=None
        )
        if best is not None:
            free_M[best] = False
            hit_D[number] = counts_D[number] = wanted_M[best]
    return hit_D, counts_D


def areas(box_N4: Floats) -> Floats:
    """Of boxes, in square pixels."""
    return np.prod(box_N4[:, 2:] - box_N4[:, :2], axis=1)


def in_range(area_N: Floats, limits: tuple[float, float]) -> NDArray[np.bool_]:
    """Which areas a range holds."""
    return (area_N > limits[0]) & (area_N <= limits[1])


def shared_areas(box_D4: Floats, other_M4: Floats) -> Floats:
    """Area of the intersection of every box with every other one, (D, M)."""
    low = np.maximum(box_D4[:, None, :2], other_M4[None, :, :2])
    high = np.minimum(box_D4[:, None, 2:], other_M4[None, :, 2:])
    return np.maximum(high - low, 0).prod(axis=-1)


def overlaps(box_D4: Floats, other_M4: Floats) -> Floats:
    """Intersection over union of every box with every other one, (D, M)."""
    shared_DM = shared_areas(box_D4, other_M4)
    union_DM = areas(box_D4)[:, None] + areas(other_M4)[None] - shared_DM
    return shared_DM / np.maximum(union_DM, 1e-9)


def inside(box_D4: Floats, region_R4: Floats) -> NDArray[np.bool_]:
    """Which boxes lie mostly in one of the regions."""
    shared_DR = shared_areas(box_D4, region_R4)
    inside_D: NDArray[np.bool_] = np.any(shared_DR >= OVERLAP * areas(box_D4)[:, None], axis=1)
    return inside_D
