"""Which boxes of which photos a network is shown: the annotated ones, or those of a detector."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pose_core.types import PersonBox, Size
from training.evals.ground_truth import PERSON_CATEGORY, load_json, log_problems
from training.evals.records import BoxKind, GroundTruth, Person


@dataclass(frozen=True, slots=True)
class PhotoBoxes:
    """The boxes of one photo.

    Attributes:
        photo_id: as in the annotation file.
        path: of the photo.
        ids: one per box, see `training.evals.records.Prediction`.
        boxes: in photo pixels.
    """

    photo_id: int
    path: Path
    ids: tuple[int, ...]
    boxes: tuple[PersonBox, ...]


@dataclass(frozen=True, slots=True)
class Views:
    """The boxes of a whole set.

    Attributes:
        kind: where they came from.
        photos: those with a box.
        problems: one sentence for each box that cannot be used.
    """

    kind: BoxKind
    photos: tuple[PhotoBoxes, ...]
    problems: tuple[str, ...] = ()


def annotated_boxes(truth: GroundTruth, folder: Path) -> Views:
    """One box for each annotated person, clipped to the photo.

    Left out, as mmpose@759b39c1 does in training and with annotated boxes: crowds, people without a labelled body
    point or with no coordinate above 0, and boxes that lie outside their photo.
    """
    sizes = {photo.id: photo.size for photo in truth.photos}
    boxes = []
    for person in truth.people:
        box = clip_box(person, sizes[person.photo_id])
        if is_evaluated(person) and box.right > box.left and box.bottom > box.top:
            boxes.append((person.photo_id, person.id, box))
    return Views("annotated", group_by_photo(truth, folder, boxes))


def is_evaluated(person: Person) -> bool:
    """Whether a person is one that a network should know something about."""
    return not person.crowd and person.body_points > 0 and bool(person.keypoints[:, :2].max() > 0)


def clip_box(person: Person, photo: Size) -> PersonBox:
    """The annotated box cut to the pixels of the photo: right and bottom reach width - 1 and height - 1 at most."""
    left, top, width, height = person.box
    x, y = np.clip([left, left + width], 0, photo.width - 1), np.clip([top, top + height], 0, photo.height - 1)
    return PersonBox(left=float(x[0]), top=float(y[0]), right=float(x[1]), bottom=float(y[1]))


def detected_boxes(truth: GroundTruth, folder: Path, detections: Path | Sequence[Mapping[str, Any]]) -> Views:
    """Every detected person, neither clipped nor filtered by score.

    Args:
        truth: the set.
        folder: of its photos.
        detections: path or content of a COCO results file: a list of image_id, category_id, bbox (left, top, width,
            height) and score. The published numbers use `COCO_val2017_detections_AP_H_56_person.json`.
    """
    listed = load_json(detections) if isinstance(detections, Path) else detections
    known = {photo.id for photo in truth.photos}
    boxes, problems = [], []
    for number, record in enumerate(one for one in listed if one.get("category_id") == PERSON_CATEGORY):
        box = read_detection(record)
        if box is None:
            problems.append(f"detection {number}: {dict(record)} is no box with a score")
        elif record.get("image_id") not in known:
            problems.append(f"detection {number}: photo {record.get('image_id')} is not in {truth.name}")
        else:
            boxes.append((record["image_id"], number, box))
    log_problems(problems)
    return Views("detected", group_by_photo(truth, folder, boxes), tuple(problems))


def read_detection(record: Mapping[str, Any]) -> PersonBox | None:
    """The box of a detection; None if a number is missing or not finite, or the box has no extent."""
    numbers = [*record.get("bbox", ()), record.get("score", math.nan)]
    if len(numbers) != 5 or not all(map(math.isfinite, numbers)) or min(numbers[2:4]) <= 0:
        return None
    left, top, width, height, score = map(float, numbers)
    return PersonBox(left, top, left + width, top + height, score)


def group_by_photo(
    truth: GroundTruth, folder: Path, boxes: Iterable[tuple[int, int, PersonBox]]
) -> tuple[PhotoBoxes, ...]:
    """(photo id, id, box) to one record for each photo with a box, photos and boxes in their given order."""
    by_photo: defaultdict[int, list[tuple[int, PersonBox]]] = defaultdict(list)
    for photo_id, number, box in boxes:
        by_photo[photo_id].append((number, box))
    return tuple(
        PhotoBoxes(photo.id, folder / photo.file_name, *zip(*by_photo[photo.id], strict=True))
        for photo in truth.photos
        if photo.id in by_photo
    )
