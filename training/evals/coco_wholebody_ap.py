"""AP and AR of COCO-WholeBody, part by part, on plain pycocotools.

Source: CocoWholeBodyMetric of mmpose@759b39c1, which needs a changed pycocotools (xtcocotools 1.14.3). What that one
does differently is done here by what is handed over (numbers of dwpose.md 9.5 in the parity data):

1. a person is ignored for a part without a labelled point: `num_keypoints` is counted anew for each part;
2. a prediction without a positive score in a part is not handed over;
3. the area of a person is the annotated one of the whole person for every part, or 0.53 of the box;
4. the area of a prediction is the extent of its 17 body points for every part;
5. ids count from 1, because 0 means unmatched to pycocotools;
6. the OKS itself is that of pycocotools, with the part's slice of points and spreads.
"""

import contextlib
import io
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from pose_core.skeleton import BODY, OKS_SIGMAS
from training.evals.oks_nms import suppress_poses
from training.evals.records import PARTS, GroundTruth, Person, Prediction, Predictions, Score

_LOG = logging.getLogger(__name__)

STATISTICS: Final = ("AP", "AP50", "AP75", "AP_M", "AP_L", "AR", "AR50", "AR75", "AR_M", "AR_L")
"""pycocotools' ten numbers in its order; M: persons of 32 x 32 to 96 x 96 pixels, L: larger ones."""

SCORED_FROM: Final = 0.2
"""Keypoint score above which a point counts for the score of its person."""

AREA_OF_BOX: Final = 0.53
"""What the outline of a person covers of its box, where the outline is unknown."""

Stats = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class WholeBodyAp:
    """AP and AR of a set.

    Attributes:
        parts: part -> statistic -> value in 0..1, None where no person has the part at that size. `hand` is the mean
            of both hands, with which the single hand column of published tables agrees best.
        people: part -> how many persons could be found.
        predictions: how many were ranked.
        suppressed: how many predictions lay on top of a better one.
        without_area: for how many persons the box stands in for the area.
    """

    counted: ClassVar[str] = "people"

    parts: Mapping[str, Stats]
    people: Mapping[str, int]
    predictions: int
    suppressed: int
    without_area: int = 0

    @property
    def notes(self) -> Mapping[str, int | str]:
        """What was ranked, and what the box stands in for."""
        without = {"people without an area": self.without_area} if self.without_area else {}
        return {"predictions": self.predictions, "suppressed": self.suppressed, **without}

    def scores(self) -> tuple[Score, ...]:
        """Ten numbers for each part."""
        return tuple(
            Score(part, name, value, self.people[part])
            for part, stats in self.parts.items()
            for name, value in stats.items()
        )


def evaluate_coco_wholebody_ap(
    truth: GroundTruth, predictions: Predictions, *, use_area: bool = True, nms: bool = True
) -> WholeBodyAp:
    """The benchmark's numbers.

    Args:
        truth: every photo counts, also those without predictions.
        predictions: on any boxes; their `id` only serves to drop doublets.
        use_area: take the annotated area of a person where there is one; else 0.53 of the box, as for UBody.
        nms: drop poses that lie on top of a better one, see `training.evals.oks_nms`.
    """
    ranked = rank_people(predictions.people, nms=nms)
    parts: dict[str, Stats] = {part: evaluate_part(truth, ranked, part, use_area=use_area) for part in PARTS}
    people = {part: sum(bool(count_labelled(one, part)) and not one.crowd for one in truth.people) for part in PARTS}
    parts["hand"] = average_stats(parts["lefthand"], parts["righthand"])
    people["hand"] = people["lefthand"] + people["righthand"]
    without_area = sum(person.area is None for person in truth.people)
    return WholeBodyAp(parts, people, len(ranked), len(predictions.people) - len(ranked), without_area)


def average_stats(one: Stats, other: Stats) -> Stats:
    """The mean of each statistic; None where one of them is."""
    pairs = {name: (one[name], other[name]) for name in one}
    return {name: None if a is None or b is None else (a + b) / 2 for name, (a, b) in pairs.items()}


@dataclass(frozen=True, slots=True)
class Ranked:
    """A prediction with the score it is ranked by, the same for every part."""

    prediction: Prediction
    score: float


def rank_people(people: Sequence[Prediction], *, nms: bool) -> list[Ranked]:
    """What remains of the predictions, photo by photo in the order of their first appearance.

    Within a photo sorted by id without doublets and then, with `nms`, by descending score.
    """
    by_photo: defaultdict[int, dict[int, Prediction]] = defaultdict(dict)
    for one in people:
        by_photo[one.photo_id].setdefault(one.id, one)
    ranked = []
    for of_photo in by_photo.values():
        here = [Ranked(of_photo[number], score_person(of_photo[number])) for number in sorted(of_photo)]
        ranked += [here[index] for index in keep_best(here)] if nms else here
    return ranked


def keep_best(people: Sequence[Ranked]) -> list[int]:
    """Indices of the poses of one photo that stay."""
    keypoints = np.stack([one.prediction.keypoints for one in people])
    areas = np.array([one.prediction.view_area for one in people])
    return suppress_poses(keypoints, areas, np.array([one.score for one in people])).tolist()


def score_person(prediction: Prediction) -> float:
    """The box's score times the mean of the keypoint scores above 0.2; 0 if there are none."""
    scores = prediction.keypoints[:, 2]
    certain = scores[scores > SCORED_FROM]
    return prediction.box.score * float(certain.mean(dtype=np.float64)) if len(certain) else 0.0


def evaluate_part(truth: GroundTruth, ranked: Sequence[Ranked], part: str, *, use_area: bool) -> Stats:
    """The ten statistics of one part; None where pycocotools says -1."""
    photos: list[dict[str, Any]] = [{"id": photo.id} for photo in truth.photos]
    annotations = [describe_person(one, part, use_area=use_area) for one in truth.people]
    results = [describe_prediction(one, part) for one in ranked if (one.prediction.keypoints[PARTS[part], 2] > 0).any()]
    with quiet():
        evaluator = COCOeval(index(photos, annotations), index(photos, results), "keypoints")
        evaluator.params.kpt_oks_sigmas = OKS_SIGMAS[PARTS[part]]
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    return {name: None if value < 0 else float(value) for name, value in zip(STATISTICS, evaluator.stats, strict=True)}


def describe_person(person: Person, part: str, *, use_area: bool) -> dict[str, Any]:
    """An annotated person as pycocotools reads it."""
    area_of_box = AREA_OF_BOX * person.box[2] * person.box[3]
    return {
        "image_id": person.photo_id,
        "bbox": person.box,
        "area": area_of_box if person.area is None or not use_area else person.area,
        "iscrowd": int(person.crowd),
        "num_keypoints": count_labelled(person, part),
        "keypoints": person.keypoints[PARTS[part]].ravel(),
    }


def count_labelled(person: Person, part: str) -> int:
    """How many points of a part have any label."""
    return int(np.count_nonzero(person.keypoints[PARTS[part], 2] > 0))


def describe_prediction(ranked: Ranked, part: str) -> dict[str, Any]:
    """A prediction as pycocotools reads it."""
    keypoints = ranked.prediction.keypoints
    return {
        "image_id": ranked.prediction.photo_id,
        "area": float(np.ptp(keypoints[BODY, :2], axis=0).prod()),
        "score": ranked.score,
        "keypoints": keypoints[PARTS[part]].astype(np.float64).ravel(),
    }


def index(photos: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> COCO:
    """A pycocotools set of one category; annotations get ids from 1."""
    coco = COCO()
    numbered = [{"id": number, "category_id": 1, **one} for number, one in enumerate(annotations, 1)]
    coco.dataset = {"images": photos, "annotations": numbered, "categories": [{"id": 1, "name": "person"}]}
    coco.createIndex()
    return coco


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Move what pycocotools prints to the debug log."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        yield
    _LOG.debug(printed.getvalue())
