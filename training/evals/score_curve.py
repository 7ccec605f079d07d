"""Do scores tell which points are there? Precision and recall of `score > threshold`, and the best threshold.

What counts as what, always on annotated boxes and for body and feet only:

- *present*: a point that a person labelled (v of 1 or 2, so a hidden point that somebody labelled is present, too);
- *absent*, in the group `unlabelled`: one of the 17 body points without a label, on a person of a source where nobody
  has a machine label in them (`training.evals.sources`), so that leaving it out was a human's decision. Most of these
  points are hidden or outside the photo, some were only forgotten: precision reads a little too low;
- *absent*, in the group `close-up`: knees, ankles and feet without a label, of people whose human-labelled face is at
  least a quarter of the photo's longer side long. Their legs are beyond the edge of the photo.

Each group is measured with the present points of its own people; `all` takes everybody's. A shown point is right if it
is present, and in the columns `@0.1` only if it also lies within 0.1 of the longer side of the box: precision is the
share of right ones among the shown, recall the share of right ones among the present.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_core.schemes import shared_points
from pose_core.skeleton import BODY, FACE, FEET, KEYPOINT_COUNT
from training.evals.pairs import Pairs, pair_people
from training.evals.records import Floats, GroundTruth, Person, Predictions, Score
from training.evals.sources import sources_by_photo

THRESHOLDS: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)

CLOSE: Final = 0.1
"""Largest distance of a point in the right place, as a fraction of the longer side of the box."""

CLOSE_UP: Final = 0.25
"""Extent of a face, as a fraction of the longer side of the photo, from where knees are out of sight: they lie five of
these extents below the chin of whoever stands, and three of whoever sits."""

JUDGED: Final = slice(BODY.start, FEET.stop)
"""The points that can be known to be absent."""

LEGS: Final = np.arange(13, FEET.stop)
"""Knees, ankles and feet."""

Mask = NDArray[np.bool_]


class Point(NamedTuple):
    """One threshold of a curve; precision and F1 are None where nothing is absent or nothing is shown."""

    threshold: float
    precision: float | None
    recall: float
    f1: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """Points of one group.

    Attributes:
        score: (points,) what the network said.
        present: (points,) whether they are there.
        placed: (points,) whether they are there and were put in the right place.
    """

    score: Floats
    present: Mask
    placed: Mask

    @property
    def kinds(self) -> Mapping[str, Mask]:
        """What counts as right, by the suffix of its columns."""
        return {"": self.present, f"@{CLOSE:g}": self.placed}


@dataclass(frozen=True, slots=True)
class ScoreCurve:
    """Precision and recall of scores.

    Attributes:
        groups: name -> the points of the group; see the module.
        thresholds: of the curve.
    """

    counted: ClassVar[str] = "points"

    groups: Mapping[str, Judged]
    thresholds: tuple[float, ...]

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How many points of each group are absent."""
        return {f"absent of {name}": int(np.count_nonzero(~of.present)) for name, of in self.groups.items()}

    def scores(self) -> tuple[Score, ...]:
        """Of each group the best threshold for either meaning of right, then the curve."""
        return tuple(score for name, judged in self.groups.items() for score in list_scores(name, judged, self))


def list_scores(name: str, judged: Judged, curve: ScoreCurve) -> Iterator[Score]:
    """The rows of one group."""
    count = len(judged.score)
    for suffix, right in judged.kinds.items():
        if (best := find_best(judged, right)) is not None:
            yield Score(f"{name} best{suffix}", "threshold", best.threshold, count)
            yield from list_point(f"{name} best{suffix}", judged, best.threshold)
    for threshold in curve.thresholds:
        yield from list_point(f"{name} > {threshold:g}", judged, threshold)


def list_point(part: str, judged: Judged, threshold: float) -> Iterator[Score]:
    """Precision, recall and F1 at one threshold, for both meanings of right."""
    for suffix, right in judged.kinds.items():
        point = measure_threshold(judged, right, threshold)
        for column, value in (("precision", point.precision), ("recall", point.recall), ("F1", point.f1)):
            yield Score(part, f"{column}{suffix}", value, len(judged.score))


def evaluate_score_curve(
    truth: GroundTruth, predictions: Predictions, *, thresholds: Sequence[float] = THRESHOLDS
) -> ScoreCurve:
    """Judge the scores of predictions on annotated boxes; groups without a present point are left out.

    Raises:
        InvalidInput: predictions on detected boxes.
    """
    pairs = pair_people(truth, predictions, "human")
    people = [person for person in truth.people if not person.crowd]
    said = {one.id: one.keypoints[:, 2] for one in predictions.people}
    nothing = np.full(KEYPOINT_COUNT, np.nan)
    score = np.array([said.get(person.id, nothing) for person in people]).reshape(-1, KEYPOINT_COUNT)
    known = np.zeros_like(pairs.weight, np.bool_)
    known[:, shared_points(predictions.scheme, truth.scheme)[1]] = pairs.found[:, None]
    placed = pairs.distance <= CLOSE * pairs.box_size.max(axis=-1)[:, None]
    groups = {}
    for name, (present, absent) in find_groups(truth, people, pairs).items():
        chosen = (present | absent) & known
        if (present & known).any():
            groups[name] = Judged(score[chosen], present[chosen], (present & placed)[chosen])
    return ScoreCurve(groups, tuple(thresholds))


def find_groups(truth: GroundTruth, people: Sequence[Person], pairs: Pairs) -> dict[str, tuple[Mask, Mask]]:
    """Name -> which points are present and which are absent, both (people, 133); see the module."""
    labelled = np.zeros_like(pairs.weight, np.bool_)
    labelled[:, JUDGED] = pairs.weight[:, JUDGED] > 0
    v = np.array([person.keypoints[:, 2] for person in people]).reshape(-1, KEYPOINT_COUNT)
    judged_by_humans, near = find_human_sources(truth, people, v), find_close_ups(truth, people, v, pairs)
    unlabelled, beyond = np.zeros_like(labelled), np.zeros_like(labelled)
    unlabelled[:, BODY] = (v[:, BODY] == 0) & judged_by_humans[:, None]
    beyond[:, LEGS] = (v[:, LEGS] == 0) & near[:, None]
    return {
        "unlabelled": (labelled & judged_by_humans[:, None], unlabelled),
        "close-up": (labelled & near[:, None], beyond),
        "all": (labelled, unlabelled | beyond),
    }


def find_human_sources(truth: GroundTruth, people: Sequence[Person], v: Floats) -> Mask:
    """(people,) whether a person has a labelled body point and nobody of the same source has a machine label there."""
    by_photo = sources_by_photo(truth)
    source = [by_photo[person.photo_id] for person in people]
    by_machine = (v[:, BODY] > 0) & (v[:, BODY] < 1)
    partly = {name for name, machine in zip(source, by_machine, strict=True) if machine.any()}
    human = np.array([name not in partly for name in source], np.bool_)
    return human & (v[:, BODY] >= 1).any(axis=-1)


def find_close_ups(truth: GroundTruth, people: Sequence[Person], v: Floats, pairs: Pairs) -> Mask:
    """(people,) whether the human-labelled face fills so much of the photo that the legs are out of sight."""
    photos = {photo.id: photo.size for photo in truth.photos}
    longer = np.array([max(photos[person.photo_id].width, photos[person.photo_id].height) for person in people])
    labelled = v[:, FACE, None] >= 1
    points = pairs.true[:, FACE]
    lowest = np.where(labelled, points, np.inf).min(axis=1, initial=np.inf)
    highest = np.where(labelled, points, -np.inf).max(axis=1, initial=-np.inf)
    return (highest - lowest).max(axis=-1, initial=-np.inf) >= CLOSE_UP * longer


def measure_threshold(judged: Judged, right: Mask, threshold: float) -> Point:
    """Precision, recall and F1 of the points above a threshold.

    Args:
        judged: points of a group, at least one of them present.
        right: (points,) which of them are worth showing.
        threshold: a point is shown if its score is larger.
    """
    shown = judged.score > threshold
    hits, present = np.count_nonzero(shown & right), np.count_nonzero(judged.present)
    count = np.count_nonzero(shown)
    if judged.present.all() or not count:
        return Point(threshold, None, hits / present, None)
    return Point(threshold, hits / count, hits / present, 2 * hits / (count + present))


def find_best(judged: Judged, right: Mask) -> Point | None:
    """The threshold of the largest F1, halfway between two scores; None if nothing is absent or nothing right."""
    order = np.argsort(-judged.score, kind="stable")
    score, hits = judged.score[order], np.cumsum(right[order])
    if judged.present.all() or not hits[-1]:
        return None
    last = np.append(score[1:] < score[:-1], True)  # thresholds lie between different scores only
    f1 = 2 * hits / (np.arange(1, len(hits) + 1) + np.count_nonzero(judged.present)) * last
    best = int(np.argmax(f1))
    if best + 1 == len(score):
        return measure_threshold(judged, right, float(np.nextafter(score[best], -np.inf)))
    return measure_threshold(judged, right, (float(score[best]) + float(score[best + 1])) / 2)
