"""Annotation files in the COCO-WholeBody layout to records; whatever is damaged is left out and named.

The layout (dwpose.md 7.4 of the parity data): `keypoints` 17 x 3, `foot_kpts` 6 x 3, `face_kpts` 68 x 3,
`lefthand_kpts` and `righthand_kpts` 21 x 3 in one flat list each, `bbox` left, top, width, height. `categories` may be
absent, as in some files of UBody; every annotation of category 1, or of none, is a person.
"""

import json
import logging
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from pose_core.errors import InvalidInput
from pose_core.skeleton import KEYPOINT_COUNT
from pose_core.types import Size
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


def read_ground_truth(source: Path | Mapping[str, Any], name: str = "") -> GroundTruth:
    """Read an annotation file, or its content that is already in memory.

    A damaged record (no box or one without extent, a number that is not finite, another number of points, an unknown
    photo) is left out, and a missing part counts as not labelled; both are logged and listed in `problems`.

    Args:
        source: path of a json file, or what it holds.
        name: for reports; the path by default.

    Raises:
        InvalidInput: not an annotation file at all.
    """
    content = load_json(source) if isinstance(source, Path) else source
    name = name or (str(source) if isinstance(source, Path) else "annotations")
    if not isinstance(content, Mapping) or not {"images", "annotations"} <= content.keys():
        raise InvalidInput("no annotation file: expected the keys images and annotations", field=name)
    photos = tuple(read_photo_record(image, name) for image in content["images"])
    known = {photo.id for photo in photos}
    people, problems = [], []
    for record in content["annotations"]:
        if record.get("category_id", PERSON_CATEGORY) != PERSON_CATEGORY:
            continue
        found = list(find_problems(record, known))
        problems += [f"{name}: annotation {record.get('id')}: {problem}" for problem, _ in found]
        if not any(fatal for _, fatal in found):
            people.append(read_person(record))
    log_problems(problems)
    return GroundTruth(name, photos, tuple(people), tuple(problems))


def load_json(path: Path) -> Any:  # noqa: ANN401 - whatever is in the file
    """The content of a json file.

    Raises:
        InvalidInput: no such file, or no json in it.
    """
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"cannot be read as json: {error}", field=str(path)) from error


def read_photo_record(image: Mapping[str, Any], name: str) -> Photo:
    """An entry of `images`; without its fields no annotation can be used, so their absence ends the reading."""
    try:
        return Photo(image["id"], image["file_name"], Size(image["width"], image["height"]))
    except KeyError as error:
        raise InvalidInput(f"image {image.get('id')} has no {error}", field=name) from error


def find_problems(record: Mapping[str, Any], photo_ids: set[int]) -> Iterator[tuple[str, bool]]:
    """What is wrong with an annotation, and whether it cannot be used because of it."""
    if record.get("image_id") not in photo_ids:
        yield f"photo {record.get('image_id')} is not in the list of images", True
    box = record.get("bbox", ())
    if len(box) != 4 or not all(map(math.isfinite, box)) or min(box[2:]) <= 0:
        yield f"bbox {box} is not left, top, width and height of something", True
    for part, field in FIELDS.items():
        expected, values = 3 * len(range(*PARTS[part].indices(KEYPOINT_COUNT))), record.get(field)
        if values is None:
            yield f"{field} is missing, {part} counts as not labelled", False
        elif len(values) != expected:
            yield f"{field} holds {len(values)} numbers instead of {expected}", True
        elif not np.isfinite(np.array(values, np.float64)).all():
            yield f"{field} holds a number that is not finite", True


def read_person(record: Mapping[str, Any]) -> Person:
    """A sound annotation as a record."""
    left, top, width, height = map(float, record["bbox"])
    area = record.get("area")
    return Person(
        id=record["id"],
        photo_id=record["image_id"],
        box=(left, top, width, height),
        area=None if area is None else float(area),
        crowd=bool(record.get("iscrowd", 0)),
        body_points=record.get("num_keypoints", sum(v > 0 for v in record.get("keypoints", ())[2::3])),
        keypoints=read_keypoints(record),
    )


def read_keypoints(record: Mapping[str, Any]) -> Floats:
    """The five lists of an annotation as one array (133, 3), float64; zeros for a part that is missing."""
    keypoints = np.zeros((KEYPOINT_COUNT, 3))
    for part, field in FIELDS.items():
        if (values := record.get(field)) is not None:
            keypoints[PARTS[part]] = np.array(values, np.float64).reshape(-1, 3)
    return keypoints


def log_problems(problems: list[str]) -> None:
    """Warn of the first few and of how many there are."""
    for problem in problems[:LOGGED_PROBLEMS]:
        _LOG.warning(problem)
    if len(problems) > LOGGED_PROBLEMS:
        _LOG.warning("... and %d more problems", len(problems) - LOGGED_PROBLEMS)
