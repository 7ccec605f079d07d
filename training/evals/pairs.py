"""Annotated people beside what was predicted for them, and what their labels are worth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.schemes import SCHEMES, shared_points
from training.evals.records import Floats, GroundTruth, Predictions

LABELS: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    "human": lambda v: (v >= 1).astype(np.float64),
    "weighted": lambda v: v.clip(0, 1),
    "known": lambda v: (v > 0).astype(np.float64),
}
"""How much a label of visibility v counts: only those of humans; all, machine labels with the probability that v gives
them; all alike, as the COCO-WholeBody metric has it."""


def labels_of(truth: GroundTruth) -> str:
    """Which labels of a set count: those of humans, or `weighted` where only machines labelled it."""
    visibility = [person.keypoints[:, 2] for person in truth.people if not person.crowd]
    by_hand, at_all = (any((v >= least).any() for v in visibility) for least in (1, np.spacing(0)))
    return "weighted" if at_all and not by_hand else "human"


@dataclass(frozen=True, slots=True)
class Pairs:
    """Everybody annotated but crowds, and what was predicted for them.

    Attributes:
        true: (people, points, 2) annotated x and y in photo pixels.
        predicted: (people, points, 2) the same, predicted; NaN for who was not shown to the network.
        weight: (people, points) what each label counts, in 0..1; 0 also for points that the network does not know.
        box_size: (people, 2) width and height of the annotated box in pixels.
        head_px: (people,) see `training.evals.records.Person`.
        found: (people,) whether there is a prediction.
        scheme: which points these are, a key of `pose_core.schemes.SCHEMES`.
    """

    true: Floats
    predicted: Floats
    weight: Floats
    box_size: Floats
    head_px: Floats
    found: NDArray[np.bool_]
    scheme: str

    @property
    def distance(self) -> Floats:
        """(people, points) in photo pixels, NaN without a prediction."""
        return np.linalg.norm(self.predicted - self.true, axis=-1)


def pair_people(truth: GroundTruth, predictions: Predictions, labels: str) -> Pairs:
    """Put each annotated person beside the prediction for their box.

    Raises:
        InvalidInput: the boxes were detected, so nobody knows who is who.
        UnknownChoice: `labels` is not in `LABELS`.
    """
    if predictions.boxes != "annotated":
        raise InvalidInput("compares person by person and needs predictions on annotated boxes", field="boxes")
    if labels not in LABELS:
        raise UnknownChoice("labels", labels, LABELS)
    keypoints = {(one.photo_id, one.id): one.keypoints[:, :2] for one in predictions.people}
    people = [person for person in truth.people if not person.crowd]
    true = np.array([one.keypoints for one in people]).reshape(-1, len(SCHEMES[truth.scheme]), 3)
    predicted = np.full((*true.shape[:2], 2), np.nan)
    for row, person in enumerate(people):
        predicted[row] = keypoints.get((person.photo_id, person.id), np.nan)
    known = np.zeros(true.shape[1])
    known[shared_points(predictions.scheme, truth.scheme)[1]] = 1
    return Pairs(
        true=true[..., :2],
        predicted=predicted,
        weight=LABELS[labels](true[..., 2]) * known,
        box_size=np.array([one.box[2:] for one in people]).reshape(-1, 2),
        head_px=np.array([one.head_px for one in people], np.float64),
        found=np.array([(one.photo_id, one.id) in keypoints for one in people], np.bool_),
        scheme=truth.scheme,
    )


class Relative(NamedTuple):
    """How far off points are, measured by the person's own size.

    Attributes:
        distance: (people, points) as a multiple of that size, of those who can be compared.
        weight: (people, points) see `Pairs`.
        left_out: labelled people without a prediction or without a size.
    """

    distance: Floats
    weight: Floats
    left_out: int


def relative_to(size: Floats, pairs: Pairs) -> Relative:
    """Distances divided by a size per person, in pixels; 0 or NaN where a person has none."""
    labelled = (pairs.weight > 0).any(axis=-1)
    usable = labelled & pairs.found & (size > 0)  # NaN is not above 0
    left_out = int(np.count_nonzero(labelled & ~usable))
    return Relative(pairs.distance[usable] / size[usable, None], pairs.weight[usable], left_out)
