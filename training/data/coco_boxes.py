"""Boxes of people in COCO's layout, some drawn by people and some by machines, which say how sure they are.

A record with `iscrowd` is a region to ignore. A region that is nearly the same as somebody's box is that person seen a
second time by a machine, and is left out.
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from training.data.documents import find_document, picture_of, read_document, read_pictures
from training.data.records import BadRecord, Picture, options_of
from training.data.scenes import LoadedScenes, Scene, box_overlap, joined, rows_of
from training.documents import BadAnnotation, Record, begins_with, numbers, whole_number
from training.recipe import Source

OPTIONS: Final[Mapping[str, str | int | float]] = {
    "also": "",
    "below": "",
    "labels": "all",
    "weight": 1.0,
    "folded": "",
    "folds": 1,
    "fold": -1,
    "part": "train",
}
LABELS: Final = ("all", "human")
PARTS: Final = ("train", "held")

SAME: Final = 0.5
"""Intersection over union above which a region is a box."""


def load_coco_boxes(folder: Path, source: Source) -> LoadedScenes:
    """All pictures of one or two annotation files, those without people too.

    Args:
        folder: the data folder; an annotation file may also lie where we are, as those of `training.relabel` do.
        source: with the options
            `also`, a second file, whose pictures come after those of the first;
            `below`, only pictures whose file name begins like this;
            `labels`, `human` for only those of whose records none has a `score`, which machines write;
            `weight`, of boxes without a `score`;
            `folds`, `fold`, `folded` and `part`, see `is_in_part`.

    Raises:
        InvalidInput: a file is no annotation file at all, or an option does not exist.
    """
    options = options_of(source, OPTIONS)
    for field, choices in (("labels", LABELS), ("part", PARTS)):
        if options[field] not in choices:
            raise UnknownChoice(field, str(options[field]), choices)
    if int(options["fold"]) >= int(options["folds"]):
        raise InvalidInput(f"there is no fold {options['fold']} of {options['folds']}", field="fold")
    documents = [source.annotations, *filter(None, [str(options["also"])])]
    paths = [find_document(name, folder) for name in documents]
    return joined([read_scenes(path, folder / source.images, options) for path in paths])


def read_scenes(document: Path, images: Path, options: Mapping[str, str | int | float]) -> LoadedScenes:
    """The pictures of one file and what is wrong; a box that cannot be used is left out alone."""
    picture_records, records = read_document(document)
    below = str(options["below"])

    def keep(picture: Picture) -> bool:
        name = picture.file.relative_to(images).as_posix()
        return begins_with(name, below) and is_in_part(name, options)

    pictures, bad = read_pictures(picture_records, document, images, keep)
    found: defaultdict[int, list[Record]] = defaultdict(list)
    for record in records:
        try:
            picture = picture_of(record, pictures)
        except BadAnnotation as error:
            bad.append(BadRecord(document, whole_number(record, "id"), str(error)))
        else:
            if picture:
                found[picture.image_id].append(record)
    scenes = []
    for picture in filter(None, pictures.values()):
        if not picture.file.is_file():
            bad.append(BadRecord(picture.file, None, "the picture's file is missing"))
        elif options["labels"] == "all" or not any("score" in record for record in found[picture.image_id]):
            scenes.append(scene_of(picture, found[picture.image_id], float(options["weight"]), bad))
    return LoadedScenes(document.name, tuple(scenes), tuple(bad))


def is_in_part(name: str, options: Mapping[str, str | int | float]) -> bool:
    """Whether a picture belongs to the wanted part of a division into folds.

    Args:
        name: of its file, relative to the folder of the pictures.
        options: pictures whose names begin with `folded` are divided into `folds` by their names. Of these, `part`
            held means those of `fold` and nothing else; train means everything else, pictures that are not divided
            included. A negative fold means all pictures.
    """
    fold = int(options["fold"])
    if fold < 0:
        return True
    chosen = name.startswith(str(options["folded"])) and fold_of(name, int(options["folds"])) == fold
    return chosen if options["part"] == "held" else not chosen


def fold_of(name: str, folds: int) -> int:
    """Which part a file name belongs to, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % folds


def scene_of(picture: Picture, records: list[Record], weight: float, bad: list[BadRecord]) -> Scene:
    """A picture with the boxes of its records; what is wrong with one is added to `bad`."""
    people, weights, regions = [], [], []
    for record in records:
        try:
            box = parse_box(record, picture.size)
            sure = parse_score(record, weight)
        except BadAnnotation as error:
            bad.append(BadRecord(picture.file, whole_number(record, "id"), str(error)))
            continue
        if record.get("iscrowd"):
            regions.append(box)
        else:
            people.append(box)
            weights.append(sure)
    box_M4, ignore_R4 = rows_of(people), rows_of(regions)
    repeated_R = box_overlap(ignore_R4, box_M4).max(axis=1, initial=0) > SAME
    return Scene(picture, box_M4, np.array(weights, np.float32), ignore_R4[~repeated_R])


def parse_box(record: Record, size: Size) -> tuple[float, float, float, float]:
    """Left, top, right and bottom edge of what is inside the picture.

    Raises:
        BadAnnotation: there is no box, or nothing of it is inside.
    """
    left, top, width, height = numbers(record, "bbox", 4).tolist()
    right, bottom = min(left + width, float(size.width)), min(top + height, float(size.height))
    left, top = max(left, 0.0), max(top, 0.0)
    if right <= left or bottom <= top:
        raise BadAnnotation(f"bbox has no area inside the picture of {size.width} x {size.height} pixels")
    return left, top, right, bottom


def parse_score(record: Record, default: float) -> float:
    """How sure a box is.

    Raises:
        BadAnnotation: the score is no probability.
    """
    score = record.get("score", default)
    if not isinstance(score, int | float) or not 0 < score <= 1:
        raise BadAnnotation(f"score should be above 0 and at most 1, is {score!r}")
    return float(score)
