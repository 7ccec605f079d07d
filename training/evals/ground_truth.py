"""Annotation files in the COCO-WholeBody layout to records; whatever is damaged is left out and named.

The layout (dwpose.md 7.4 of the parity data): `keypoints` 17 x 3, `foot_kpts` 6 x 3, `face_kpts` 68 x 3,
`lefthand_kpts` and `righthand_kpts` 21 x 3 in one flat list each, `bbox` left, top, width, height. `categories` may be
absent, as in some files of UBody; every annotation of category 1, or of none, is a person.
"""

import logging
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pose_core.skeleton import BODY, KEYPOINT_COUNT
from training.documents import (
    LARGEST,
    BadAnnotation,
    Record,
    begins_with,
    box_of,
    lists_of,
    load_json,
    numbers,
    picture_fields,
    picture_number,
    whole_number,
)
from training.evals.records import PARTS, Floats, GroundTruth, Person, Photo

_LOG = logging.getLogger(__name__)

PERSON_CATEGORY: Final = 1

FIELDS: Final[Mapping[str, str]] = {
    "body": "keypoints",
    "foot": "foot_kpts",
    "face": "face_kpts",
    "lefthand": "lefthand_kpts",
    "righthand": "righthand_kpts",
}
"""Part -> the field of an annotation that holds its points."""

LOGGED_PROBLEMS: Final = 5


def read_ground_truth(source: Path | Mapping[str, Any], name: str = "", below: str = "") -> GroundTruth:
    """Read an annotation file, or its content that is already in memory.

    A damaged record (no box or one without extent, something that is no finite number, another number of points, an
    unknown photo) is left out, and a missing part counts as not labelled; both are logged and listed in `problems`.

    Args:
        source: path of a json file, or what it holds.
        name: for reports; the path by default.
        below: only photos whose file name begins like this, and the people in them.

    Raises:
        InvalidInput: not an annotation file at all.
    """
    content = load_json(source) if isinstance(source, Path) else source
    name = name or (str(source) if isinstance(source, Path) else "annotations")
    images, records = lists_of(content, name)
    photos, problems = read_photos(images)
    wanted = {number: photo for number, photo in photos.items() if begins_with(photo.file_name, below)}
    people = []
    for record in records:
        person, found = read_record(record, photos)
        problems += found if person is None or person.photo_id in wanted else []
        people += [person] if person and person.photo_id in wanted else []
    named = tuple(f"{name}: {problem}" for problem in problems)
    log_problems(named)
    return GroundTruth(name, tuple(wanted.values()), tuple(people), named)


def read_photos(images: list[Record]) -> tuple[dict[int, Photo], list[str]]:
    """The list `images` by id, and what is wrong with it."""
    photos: dict[int, Photo] = {}
    problems = []
    for image in images:
        try:
            photo = Photo(*picture_fields(image))
        except BadAnnotation as error:
            problems.append(str(error))
        else:
            photos[photo.id] = photo
    return photos, problems


def read_record(record: Record, photos: Container[int]) -> tuple[Person | None, list[str]]:
    """An entry of `annotations` and what is wrong with it; None if it is damaged, or no person."""
    try:
        photo_id = picture_number(record, photos)
        if record.get("category_id") not in (None, PERSON_CATEGORY):
            return None, []
        person = read_person(record, photo_id)
    except BadAnnotation as error:
        return None, [f"annotation {whole_number(record, 'id')}: {error}"]
    absent = [
        f"{field} is missing, {part} counts as not labelled"
        for part, field in FIELDS.items()
        if record.get(field) is None
    ]
    return person, [f"annotation {person.id}: {problem}" for problem in absent]


def read_person(record: Record, photo_id: int) -> Person:
    """A sound annotation as a record.

    Raises:
        BadAnnotation: it is not sound.
    """
    number = whole_number(record, "id")
    if number is None:
        raise BadAnnotation("id is absent or no whole number")
    keypoints, box = read_keypoints(record), box_of(record)
    labelled = whole_number(record, "num_keypoints")
    return Person(
        id=number,
        photo_id=photo_id,
        box=(box.left, box.top, box.right - box.left, box.bottom - box.top),
        area=read_area(record),
        crowd=bool(record.get("iscrowd", 0)),
        body_points=int(np.count_nonzero(keypoints[BODY, 2] > 0)) if labelled is None else labelled,
        keypoints=keypoints,
    )


def read_area(record: Record) -> float | None:
    """The area of an annotation in square pixels; None without one.

    Raises:
        BadAnnotation: it is no number that an area can be.
    """
    area = record.get("area")
    if area is None:
        return None
    if not isinstance(area, int | float) or not 0 <= area < LARGEST**2:  # not so for NaN
        raise BadAnnotation(f"area is {str(area)[:80]!r}")
    return float(area)


def read_keypoints(record: Record) -> Floats:
    """The five lists of an annotation as one array (133, 3), float64; zeros for a part that is missing.

    Raises:
        BadAnnotation: a list is of another length, or holds something that is no finite number.
    """
    keypoints = np.zeros((KEYPOINT_COUNT, 3))
    for part, field in FIELDS.items():
        if record.get(field) is not None:
            count = len(range(*PARTS[part].indices(KEYPOINT_COUNT)))
            keypoints[PARTS[part]] = numbers(record, field, 3 * count).reshape(count, 3)
    return keypoints


def log_problems(problems: Sequence[str]) -> None:
    """Warn of the first few and of how many there are."""
    for problem in problems[:LOGGED_PROBLEMS]:
        _LOG.warning(problem)
    if len(problems) > LOGGED_PROBLEMS:
        _LOG.warning("... and %d more problems", len(problems) - LOGGED_PROBLEMS)
