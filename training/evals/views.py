"""Which boxes of which photos a network is shown: the annotated ones, or those of a detector."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pose_core.errors import InvalidInput
from pose_core.schemes import WHOLE_BODY
from pose_core.types import PersonBox, Size
from training.documents import BadAnnotation, box_of, load_json, picture_number
from training.evals.ground_truth import PERSON_CATEGORY, log_problems
from training.evals.records import BoxKind, GroundTruth, Person


@dataclass(frozen=True, slots=True)
class PhotoBoxes:
    """The boxes of one photo.

    Attributes:
        photo_id: as in the annotation file.
        path: of the photo.
        ids: one per box, see `training.evals.records.Prediction`.
        boxes: in photo pixels.
        size: what the annotations say about the photo; None if nobody knows.
    """

    photo_id: int
    path: Path
    ids: tuple[int, ...]
    boxes: tuple[PersonBox, ...]
    size: Size | None = None


@dataclass(frozen=True, slots=True)
class Views:
    """The boxes of a whole set.

    Attributes:
        kind: where they came from.
        photos: those with a box.
        problems: one sentence for each box that cannot be used.
        scheme: of the set, in which predictions are to be compared with it.
    """

    kind: BoxKind
    photos: tuple[PhotoBoxes, ...]
    problems: tuple[str, ...] = ()
    scheme: str = WHOLE_BODY


def annotated_boxes(truth: GroundTruth, folder: Path, *, clip: bool = True) -> Views:
    """One box for each annotated person.

    Left out, as mmpose@759b39c1 does in training and with annotated boxes: crowds, people without a labelled body
    point or with no coordinate above 0, and boxes that lie outside their photo.

    Args:
        truth: the set.
        folder: of its photos.
        clip: whether boxes are cut to the photo, as COCO's are; not those that a training set already holds as they
            are to be shown.
    """
    sizes = {photo.id: photo.size for photo in truth.photos}
    boxes = []
    for person in truth.people:
        box = clip_box(person, sizes[person.photo_id]) if clip else whole_box(person)
        if is_evaluated(person) and box.right > box.left and box.bottom > box.top:
            boxes.append((person.photo_id, person.id, box))
    return Views("annotated", group_by_photo(truth, folder, boxes), scheme=truth.scheme)


def is_evaluated(person: Person) -> bool:
    """Whether a person is one that a network should know something about."""
    return not person.crowd and person.body_points > 0 and bool(person.keypoints[:, :2].max() > 0)


def clip_box(person: Person, photo: Size) -> PersonBox:
    """The annotated box cut to the pixels of the photo: right and bottom reach width - 1 and height - 1 at most."""
    left, top, width, height = person.box
    x, y = np.clip([left, left + width], 0, photo.width - 1), np.clip([top, top + height], 0, photo.height - 1)
    return PersonBox(left=float(x[0]), top=float(y[0]), right=float(x[1]), bottom=float(y[1]))


def whole_box(person: Person) -> PersonBox:
    """The annotated box as it is."""
    left, top, width, height = person.box
    return PersonBox(left, top, left + width, top + height)


def detected_boxes(truth: GroundTruth, folder: Path, detections: Path | Sequence[Mapping[str, Any]]) -> Views:
    """Every detected person, neither clipped nor filtered by score.

    Args:
        truth: the set.
        folder: of its photos.
        detections: path or content of a COCO results file: a list of image_id, category_id, bbox (left, top, width,
            height) and score. The published numbers use `COCO_val2017_detections_AP_H_56_person.json`.

    Raises:
        InvalidInput: there is no such file, or it is no list.
    """
    listed = load_json(detections, "detections") if isinstance(detections, Path) else detections
    if isinstance(listed, str | Mapping) or not isinstance(listed, Sequence):
        raise InvalidInput("a list of detections is needed", field="detections")
    known = {photo.id for photo in truth.photos}
    boxes, problems = [], []
    for number, record in enumerate(one for one in listed if not is_something_else(one)):
        try:
            boxes.append((picture_number(record, known), number, read_detection(record)))
        except BadAnnotation as error:
            problems.append(f"detection {number}: {error}")
    log_problems(problems)
    return Views("detected", group_by_photo(truth, folder, boxes), tuple(problems), truth.scheme)


def is_something_else(record: object) -> bool:
    """Whether a detection is of another category than people."""
    return isinstance(record, Mapping) and record.get("category_id") != PERSON_CATEGORY


def read_detection(record: Mapping[str, Any]) -> PersonBox:
    """The box of a detection.

    Raises:
        BadAnnotation: a number is missing or not finite, or the box has no extent.
    """
    score = record.get("score")
    if not isinstance(score, int | float) or not math.isfinite(score):
        raise BadAnnotation(f"score is {str(score)[:80]!r}")
    return replace(box_of(record), score=float(score))


def group_by_photo(
    truth: GroundTruth, folder: Path, boxes: Iterable[tuple[int, int, PersonBox]]
) -> tuple[PhotoBoxes, ...]:
    """(photo id, id, box) to one record for each photo with a box, photos and boxes in their given order."""
    by_photo: defaultdict[int, list[tuple[int, PersonBox]]] = defaultdict(list)
    for photo_id, number, box in boxes:
        by_photo[photo_id].append((number, box))
    grouped = []
    for photo in truth.photos:
        if photo.id in by_photo:
            ids, shown = zip(*by_photo[photo.id], strict=True)
            grouped.append(PhotoBoxes(photo.id, folder / photo.file_name, ids, shown, photo.size))
    return tuple(grouped)
