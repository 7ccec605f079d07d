"""MPII Human Pose as lists of people: the JSON files of HRNet's code, with the split that published numbers use.

Each list (`train`, `valid`, `trainval`) holds records of `image`, `center`, `scale`, `joints` (16 pairs, 1-based) and
`joints_vis`; the validation people are the 2,958 of Tompson et al. Their head boxes are in `gt_valid.mat`.

Source: leoxiaobin/deep-high-resolution-net.pytorch, whose code Fast Human Pose Estimation (ilovepose@c4722f8) is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from pose_core.errors import InvalidInput
from pose_core.schemes import SCHEMES
from training.data.matlab import joints_inside, picture_at, read_array
from training.data.mpii import SCHEME, box_around, head_length, read_number
from training.data.records import BadRecord, Loaded, Person, Picture, WeightedKeypoints, dataset_of, options_of
from training.documents import BadAnnotation, load_json, numbers
from training.recipe import Source

OPTIONS: Final[dict[str, str | int | float]] = {"head_boxes": "", "keep_outside": 0}

Corners = Sequence[Sequence[float]]
"""Left and top, right and bottom of a box, in pixels."""


def load_mpii_json(folder: Path, source: Source) -> Loaded:
    """The people of one list.

    Args:
        folder: the data folder.
        source: with the options of a list that is to be measured by PCKh: `head_boxes`, where `gt_valid.mat` is below
            the data folder, and `keep_outside`, 1 for joints outside the picture to count as they do there.

    Raises:
        InvalidInput: a file is not what it should be, or an option does not exist.
    """
    options = options_of(source, OPTIONS)
    path, images = folder / source.annotations, folder / source.images
    records = load_json(path)
    if not isinstance(records, list):
        raise InvalidInput(f"{path} should be a list of people", field="annotations")
    heads = read_heads(folder / str(options["head_boxes"]), len(records)) if options["head_boxes"] else None
    people: list[Person] = []
    bad: list[BadRecord] = []
    pictures: dict[Path, Picture] = {}
    for number, record in enumerate(records):
        file, reasons = path, list[str]()
        try:
            file = images / picture_name(record)
            if file not in pictures:
                pictures[file] = picture_at(file, len(pictures))
            person = read_person(record, pictures[file], number, heads, reasons)
            inside = joints_inside(person.keypoints, person.picture.size, SCHEME, reasons)
            people.append(person if options["keep_outside"] else replace(person, keypoints=inside))
        except BadAnnotation as error:
            reasons.append(str(error))
        bad.extend(BadRecord(file, number, reason) for reason in reasons)
    return Loaded(dataset_of(source.annotations, people, SCHEME), tuple(bad))


def picture_name(record: Any) -> str:  # noqa: ANN401 - whatever is in the file
    """The name of a record's picture.

    Raises:
        BadAnnotation: there is none, or it is no record.
    """
    if not isinstance(record, Mapping):
        raise BadAnnotation(f"the record should be an object, is {repr(record)[:80]}")
    name = record.get("image")
    if not isinstance(name, str) or not name:
        raise BadAnnotation(f"image should be a name, is {repr(name)[:80]}")
    return name


def read_person(
    record: Mapping[str, Any], picture: Picture, number: int, heads: Sequence[Corners] | None, reasons: list[str]
) -> Person:
    """One person; what is wrong but can be lived with is added to the reasons.

    Raises:
        BadAnnotation: the person cannot be used.
    """
    center = numbers(record, "center", 2) - 1
    box = box_around(center.tolist(), read_number(record, "scale"))
    joints = read_joints(record)
    head_px = math.nan if heads is None else head_length(heads[number], reasons)
    return Person(picture, number, box, joints, SCHEME, head_px)


def read_joints(record: Mapping[str, Any]) -> WeightedKeypoints:
    """The 16 joints, 0-based, with their visibility as weight.

    Raises:
        BadAnnotation: they are not 16 pairs of numbers with as many flags.
    """
    count = len(SCHEMES[SCHEME])
    visible, pairs = numbers(record, "joints_vis", count), record.get("joints")
    if not isinstance(pairs, list) or len(pairs) != count:
        raise BadAnnotation(f"joints should be {count} pairs, is {str(pairs)[:80]}")
    places = [numbers({"joints": pair}, "joints", 2) for pair in pairs]
    return np.concatenate([np.stack(places) - 1, visible[:, None] > 0], axis=1).astype(np.float32)


def read_heads(path: Path, people: int) -> list[Corners]:
    """The head box of each person.

    Raises:
        InvalidInput: the file is not of as many people, or no such file.
    """
    boxes = read_array(path, "headboxes_src", "head_boxes")
    if boxes.shape != (2, 2, people):
        message = f"{path}: headboxes_src has shape {boxes.shape}, expected (2, 2, {people}) for as many people"
        raise InvalidInput(message, field="head_boxes")
    corners: list[Corners] = boxes.transpose(2, 0, 1).tolist()
    return corners
