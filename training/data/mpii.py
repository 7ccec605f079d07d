"""MPII Human Pose as published: `mpii_human_pose_v1_u12_1.mat`, people in the pictures for training.

Source: Andriluka et al., CVPR 2014, and the README of the annotations. A person's place is a middle and a scale (200
pixels times the scale are the height), coordinates begin at 1. Crops are those of Newell's and of HRNet's code: the
middle moves down by 15 pixels times the scale, the square of 200 pixels times the scale gets a quarter more.

The published file does not say which of these people are for validation; see `training.data.mpii_json` for lists that
do.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pose_core.errors import InvalidInput
from pose_core.schemes import SCHEMES
from pose_core.types import PersonBox
from training.data.matlab import as_list, joints_inside, picture_at, read_structure, shown
from training.data.records import BadRecord, Loaded, Person, Picture, WeightedKeypoints, dataset_of, options_of
from training.documents import LARGEST, BadAnnotation
from training.recipe import Source

SCHEME: Final = "mpii"

SCALE_PX: Final = 200.0
"""Side of the square around a person of scale 1."""

LOWERED_PX: Final = 15.0
"""How far the middle of a person of scale 1 is moved down, so that feet are more likely inside."""

HEAD_SHARE: Final = 0.6
"""Part of the diagonal of the head's box that errors are measured by."""

PEOPLE_PER_PICTURE: Final = 1000
"""Ids are the number of the picture times this, plus the number of the person."""


def load_mpii(folder: Path, source: Source) -> Loaded:
    """Everybody who is labelled in a picture for training.

    Args:
        folder: the data folder.
        source: `annotations` is the MATLAB file, `images` the folder of pictures; no options.

    Raises:
        InvalidInput: the file is no such file, or an option does not exist.
    """
    options_of(source, {})
    path, images = folder / source.annotations, folder / source.images
    people: list[Person] = []
    bad: list[BadRecord] = []
    for number, record in training_pictures(path):
        file = path
        try:
            rects = labelled_rects(record, number)
            if not rects:
                continue
            file = images / picture_name(record, number)
            picture = picture_at(file, number)
        except BadAnnotation as error:
            bad.append(BadRecord(file, None, str(error)))
            continue
        for place, rect in enumerate(rects):
            read_rect(rect, picture, number * PEOPLE_PER_PICTURE + place, people, bad)
    return Loaded(dataset_of(source.annotations, people, SCHEME), tuple(bad))


def training_pictures(path: Path) -> list[tuple[int, Any]]:
    """Number and record of the pictures for training.

    Raises:
        InvalidInput: the file is not the published one.
    """
    release = read_structure(path, "RELEASE")
    wanted = {"annolist", "img_train"}
    if not isinstance(release, Mapping) or not release.keys() >= wanted:
        raise InvalidInput(f"RELEASE of {path} has no {' and '.join(sorted(wanted))}", field="annotations")
    records, flags = as_list(release["annolist"]), np.atleast_1d(release["img_train"])
    if flags.shape != (len(records),):
        message = f"{path}: img_train has shape {flags.shape} for {len(records)} pictures"
        raise InvalidInput(message, field="annotations")
    for number, flag in enumerate(flags.tolist()):
        if not isinstance(flag, int | float) or flag not in (0, 1):
            message = f"{path}: img_train({number + 1}) is {shown(flag)}, neither the number 0 nor 1"
            raise InvalidInput(message, field="annotations")
    return [(number, record) for number, record in enumerate(records) if flags[number]]


def labelled_rects(record: Any, number: int) -> list[Any]:  # noqa: ANN401 - whatever is in the file
    """The people of a picture whose joints are labelled, and whatever stands in their place.

    Raises:
        BadAnnotation: it is no record.
    """
    rects = as_list(structure_of(f"annolist({number + 1})", record).get("annorect"))
    return [rect for rect in rects if not isinstance(rect, Mapping) or as_list(rect.get("annopoints"))]


def picture_name(record: Mapping[str, Any], number: int) -> str:
    """The name of a picture's file.

    Raises:
        BadAnnotation: there is none.
    """
    image = record.get("image")
    name = image.get("name") if isinstance(image, Mapping) else None
    if not isinstance(name, str):
        raise BadAnnotation(f"annolist({number + 1}).image.name is {shown(name)}")
    return name


def read_rect(
    rect: Any,  # noqa: ANN401 - whatever is in the file
    picture: Picture,
    number: int,
    people: list[Person],
    bad: list[BadRecord],
) -> None:
    """Add a person, and what is wrong with the record, to the lists; a head box is only needed to measure."""
    reasons: list[str] = []
    try:
        rect = structure_of("annorect", rect)
        joints = read_points(structure_of("annopoints", rect.get("annopoints")).get("point"))
        center = [read_number(rect, "objpos", axis) - 1 for axis in "xy"]
        box = box_around(center, read_number(rect, "scale"))
        head_px = read_head(rect, reasons)
        person = Person(picture, number, box, joints_inside(joints, picture.size, SCHEME, reasons), SCHEME, head_px)
        people.append(person)
    except BadAnnotation as error:
        reasons.append(str(error))
    bad.extend(BadRecord(picture.file, number, reason) for reason in reasons)


def structure_of(name: str, value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - whatever is in the file
    """A value that should be a structure.

    Raises:
        BadAnnotation: it is none.
    """
    if not isinstance(value, Mapping):
        raise BadAnnotation(f"{name} is {shown(value)}, no structure")
    return value


def read_points(points: Any) -> WeightedKeypoints:  # noqa: ANN401 - whatever is in the file
    """The 16 joints, 0-based. Those that are listed count, hidden or not.

    Raises:
        BadAnnotation: none is listed, one that does not exist, or one twice.
    """
    listed, joints = as_list(points), np.zeros((len(SCHEMES[SCHEME]), 3), np.float32)
    if not listed:
        raise BadAnnotation("no joint is listed")
    for point in listed:
        joint = read_number(point, "id")
        if joint not in range(len(joints)):
            raise BadAnnotation(f"joint {joint:g} does not exist, ids are 0 to {len(joints) - 1}")
        if joints[int(joint), 2]:
            raise BadAnnotation(f"joint {joint:g} is listed twice")
        joints[int(joint)] = read_number(point, "x") - 1, read_number(point, "y") - 1, 1
    return joints


def read_number(record: Any, *keys: str) -> float:  # noqa: ANN401 - whatever is in the file
    """A number below some keys, smaller than any picture could need.

    Raises:
        BadAnnotation: there is none.
    """
    value: Any = record
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    if not isinstance(value, int | float | np.integer | np.floating) or not abs(float(value)) < LARGEST:  # NaN neither
        raise BadAnnotation(f"{'.'.join(keys)} is {shown(value)}")
    return float(value)


def read_head(rect: Mapping[str, Any], reasons: list[str]) -> float:
    """What errors are divided by, see `head_length`; NaN without a head box, which is added to the reasons."""
    try:
        left, top, right, bottom = (read_number(rect, key) for key in ("x1", "y1", "x2", "y2"))
    except BadAnnotation as error:
        reasons.append(f"head box missing ({error}); PCKh leaves this person out")
        return math.nan
    return head_length([[left, top], [right, bottom]], reasons)


def head_length(corners: Sequence[Sequence[float]], reasons: list[str]) -> float:
    """0.6 of the diagonal of a head's box, in pixels; NaN for one without extent, which is added to the reasons."""
    (left, top), (right, bottom) = corners
    diagonal = math.hypot(right - left, bottom - top)
    if not 0 < diagonal < LARGEST:  # NaN neither
        reasons.append(f"head box has a diagonal of {diagonal:g} pixels; PCKh leaves this person out")
        return math.nan
    return HEAD_SHARE * diagonal


def box_around(center: Sequence[float], scale: float) -> PersonBox:
    """The square around a person, not cut to the picture: with the margin of serving it is the published crop.

    Raises:
        BadAnnotation: the scale is not above 0, or larger than any picture.
    """
    if not 0 < scale < LARGEST / SCALE_PX:
        raise BadAnnotation(f"scale is {scale:g}")
    x, y = center[0], center[1] + LOWERED_PX * scale
    half = SCALE_PX * scale / 2
    return PersonBox(x - half, y - half, x + half, y + half)
