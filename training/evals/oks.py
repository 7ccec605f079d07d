"""Mean OKS: how well the 17 body points of each person lie where people marked them.

Object keypoint similarity as the COCO keypoint challenge defines it, without a ranking or a threshold: every annotated
person is compared with what was predicted for their own box.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pose_core.skeleton import BODY, OKS_SIGMAS
from training.evals.coco_wholebody_ap import AREA_OF_BOX
from training.evals.pairs import Pairs, pair_people
from training.evals.records import Floats, GroundTruth, Person, Predictions, Score
from training.evals.sources import list_sources, sources_by_photo
from training.evals.summary import weighted_rows

EVERYBODY = "body"


@dataclass(frozen=True, slots=True)
class MeanOks:
    """Similarity of bodies.

    Attributes:
        parts: `body` for everybody, then each source of a mixed set -> mean over its people, None without any.
        people: for each of these, how many persons were compared.
        left_out: people with a labelled body point but without a prediction.
        labels: a key of `training.evals.pairs.LABELS`.
    """

    counted: ClassVar[str] = "people"

    parts: Mapping[str, float | None]
    people: Mapping[str, int]
    left_out: int
    labels: str

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured."""
        return {"left out": self.left_out, "labels": self.labels}

    def scores(self) -> tuple[Score, ...]:
        """One number for everybody and for each source."""
        return tuple(Score(part, "OKS", value, self.people[part]) for part, value in self.parts.items())


def evaluate_oks(truth: GroundTruth, predictions: Predictions, *, labels: str = "human") -> MeanOks:
    """Mean OKS of predictions on annotated boxes; people without a labelled body point do not count.

    Args:
        truth: the annotated set.
        predictions: on its boxes; a point whose coordinates are NaN was not answered and has no similarity.
        labels: a key of `training.evals.pairs.LABELS`; a point counts by its weight, a person by the mean weight.

    Raises:
        UnknownChoice: `labels` is not in `training.evals.pairs.LABELS`.
        InvalidInput: predictions on detected boxes.
    """
    pairs = pair_people(truth, predictions, labels)
    people = [person for person in truth.people if not person.crowd]
    similarity, weight = measure_people(pairs, np.array([find_area(person) for person in people]))
    usable = (weight > 0) & pairs.found
    by_photo = sources_by_photo(truth)
    source = np.array([by_photo[person.photo_id] for person in people], np.str_)
    rows = {EVERYBODY: usable, **{name: usable & (source == name) for name in list_sources(truth)}}
    return MeanOks(
        parts={part: average(similarity[of], weight[of]) for part, of in rows.items()},
        people={part: int(np.count_nonzero(of)) for part, of in rows.items()},
        left_out=int(np.count_nonzero((weight > 0) & ~pairs.found)),
        labels=labels,
    )


def measure_people(pairs: Pairs, area: Floats) -> tuple[Floats, Floats]:
    """OKS of each person, and how much the person counts, both (people,).

    The mean over the labelled body points of exp(-d^2 / (2 (2 sigma)^2 area)).

    Args:
        pairs: annotated beside predicted.
        area: (people,) in square pixels.
    """
    variance = (2 * OKS_SIGMAS[BODY]) ** 2 * np.maximum(area, np.spacing(1))[:, None]
    similarity = np.exp(-(pairs.distance[:, BODY] ** 2) / variance / 2)
    return weighted_rows(np.nan_to_num(similarity, nan=0.0), pairs.weight[:, BODY])


def find_area(person: Person) -> float:
    """The annotated area of a person in square pixels, or a share of the box where the file has none."""
    return AREA_OF_BOX * person.box[2] * person.box[3] if person.area is None else person.area


def average(values: Floats, weight: Floats) -> float | None:
    """Weighted mean; None without any weight."""
    return float(np.average(values, weights=weight)) if weight.sum() > 0 else None
