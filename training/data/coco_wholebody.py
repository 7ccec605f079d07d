"""Annotations in the layout of COCO-WholeBody: person records of COCO with lists of feet, face and hand points.

Source: jin-s13/COCO-WholeBody (ECCV 2020), read as mmpose@759b39c1 CocoWholeBodyDataset reads it: a person is left out
who is a crowd, has no body label, has no box inside the picture, or no coordinate above 0. Unlike there, whatever is
wrong with a record is reported.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64

from pose_core.skeleton import BODY, FACE, FEET, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND
from training.data.documents import find_document, in_picture_order, picture_of, read_document, read_pictures
from training.data.records import (
    BadRecord,
    Loaded,
    Person,
    Picture,
    WeightedKeypoints,
    dataset_of,
    options_of,
)
from training.documents import BadAnnotation, Record, begins_with, box_of, clipped, numbers, whole_number
from training.recipe import Source

logger = logging.getLogger(__name__)

PARTS: Final[Mapping[str, slice]] = {
    "keypoints": BODY,
    "foot_kpts": FEET,
    "face_kpts": FACE,
    "lefthand_kpts": LEFT_HAND,
    "righthand_kpts": RIGHT_HAND,
}
"""Where a record keeps each part, and which of the 133 points it is."""

OPTIONS: Final[Mapping[str, str | int | float]] = {"confidence_weights": 0, "human_labels": 0, "below": ""}
"""Names of the options and their defaults."""


def load_coco_wholebody(folder: Path, source: Source) -> Loaded:
    """All people of one annotation file.

    Args:
        folder: the data folder.
        source: with the options `confidence_weights` and `human_labels`, see `keypoint_weights`, and `below`: only
            pictures whose file name begins like this.

    Raises:
        InvalidInput: the file is no annotation file at all, or an option does not exist.
    """
    options = options_of(source, OPTIONS)
    document, images = find_document(source.annotations, folder), folder / source.images
    below = str(options["below"])
    people, bad = read_people(
        document,
        images,
        confidence_weights=bool(options["confidence_weights"]),
        human_labels=bool(options["human_labels"]),
        keep=lambda picture: begins_with(picture.file.relative_to(images).as_posix(), below),
    )
    return Loaded(dataset_of(source.annotations, people), tuple(bad))


def read_people(
    document: Path,
    images: Path,
    *,
    confidence_weights: bool,
    human_labels: bool = False,
    keep: Callable[[Picture], bool] = lambda _: True,
) -> tuple[list[Person], list[BadRecord]]:
    """People of an annotation file, picture by picture, and what is wrong.

    Args:
        document: the JSON file.
        images: the folder that its file names refer to.
        confidence_weights: see `keypoint_weights`.
        human_labels: likewise.
        keep: says whether to look at a picture's people at all.
    """
    weigh = partial(keypoint_weights, confidence_weights=confidence_weights, human_labels=human_labels)
    picture_records, records = read_document(document)
    pictures, bad = read_pictures(picture_records, document, images, keep)
    people = []
    for record in in_picture_order(records, pictures):
        picture = None
        try:
            picture = picture_of(record, pictures)
            person = parse_person(record, picture, weigh) if picture else None
        except BadAnnotation as error:
            bad.append(BadRecord(picture.file if picture else document, whole_number(record, "id"), str(error)))
            continue
        if person is not None:
            people.append(person)
            bad.extend(absent_parts(record, person))
    logger.info(
        "%s: %d annotations, %d people to learn from, %d mistakes", document, len(records), len(people), len(bad)
    )
    return people, bad


def parse_person(
    record: Record, picture: Picture, weigh: Callable[[Float64[np.ndarray, "133 3"]], WeightedKeypoints]
) -> Person | None:
    """One person; None for a crowd and for somebody without a body label.

    Args:
        record: of the document.
        picture: that it belongs to.
        weigh: turns the third number of each point into a weight.

    Raises:
        BadAnnotation: something is wrong.
    """
    annotation_id = whole_number(record, "id")
    if annotation_id is None:
        raise BadAnnotation("id is absent or no whole number")
    if record.get("iscrowd"):
        return None
    points = parse_points(record)
    if record.get("num_keypoints", np.count_nonzero(points[BODY, 2] > 0)) == 0:
        return None
    box = clipped(box_of(record), picture.size)
    if points[:, :2].max() <= 0:
        raise BadAnnotation("no keypoint has a coordinate above 0")
    if not picture.file.is_file():
        raise BadAnnotation("the picture's file is missing")
    return Person(picture, annotation_id, box, weigh(points))


def parse_points(record: Record) -> Float64[np.ndarray, "133 3"]:
    """All parts of a record as they are written, in the order of the 133 points; zeros for a part that is absent.

    Raises:
        BadAnnotation: a part is of the wrong length, or holds something that is no finite number.
    """
    points = np.zeros((KEYPOINT_COUNT, 3))
    for name, part in PARTS.items():
        if record.get(name) is not None:
            points[part] = numbers(record, name, 3 * (part.stop - part.start)).reshape(-1, 3)
    return points


def keypoint_weights(
    points: Float64[np.ndarray, "133 3"], *, confidence_weights: bool, human_labels: bool = False
) -> WeightedKeypoints:
    """The same points with the third number turned into a weight.

    In the published recipe whatever is above 0 counts fully, also the fractional flags of COCO-WholeBody's hands. With
    `confidence_weights` a number between 0 and 1 is the probability that a machine's label is right, and the weight;
    with `human_labels` such a point counts as unlabelled.
    """
    flags = np.where(points[:, 2:] < 1, 0, points[:, 2:]) if human_labels else points[:, 2:]
    weights = np.clip(flags, 0, 1) if confidence_weights else flags > 0
    return np.concatenate([points[:, :2], weights], axis=1).astype(np.float32)


def absent_parts(record: Record, person: Person) -> list[BadRecord]:
    """What to say about parts that a used record does not have: nothing, or one line."""
    absent = [name for name in PARTS if record.get(name) is None]
    reason = f"{', '.join(absent)} absent; these points count as unlabelled"
    return [BadRecord(person.picture.file, person.annotation_id, reason)] if absent else []
