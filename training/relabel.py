"""Boxes for pictures that no person labelled, by several detectors together.

    python -m training.relabel FOLDER OUTPUT DETECTOR... [--documents detector_train.json --documents ...]

Each detector looks at each picture and at its mirror image. What they find is put together: boxes that overlap are one
person, whose score is the mean over all looks, 0 for those that did not see it. On the photos of the people pack this
is better than each of the detectors alone by far (see docs/models/skelmap-det.md), so that a student can learn more
from it than from either.

The written document has COCO's layout. Boxes drawn by people stay as they are; photos that people labelled alone get no
others, nor do pictures in which nobody is labelled at all. Boxes that were made from points (`label_origin` joints) are
moved halfway to what was found there. All others, and the regions to ignore, give way to what was found, each with its
score.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from tqdm import tqdm

from pose_core.detectors import Detector, load_detector
from pose_core.timing import Timer
from pose_core.types import Image, Size
from training.evals.detection import Found, overlaps
from training.evals.detectors import LEAST_SCORE, as_found, read_photo

SAME: Final = 0.55
"""Intersection over union from which two boxes are of one person."""

LEAST: Final = 0.15
"""A lower mean is not worth writing down."""

OPEN_SIZE: Final = Size(320, 320)
"""Input size of files that leave it open, as the published RTMDet-nano does."""

Record = Mapping[str, Any]


def look(detectors: Sequence[Detector], image: Image) -> list[Found]:
    """What each detector finds in a picture and in its mirror image, all in the picture's pixels."""
    mirror_image = np.ascontiguousarray(image[:, ::-1])
    looks = []
    for detector in detectors:
        looks.append(as_found(detector.detect(image, LEAST_SCORE, Timer())))
        box_D4, score_D = as_found(detector.detect(mirror_image, LEAST_SCORE, Timer()))
        left, top, right, bottom = box_D4.T
        looks.append(Found(np.stack([image.shape[1] - right, top, image.shape[1] - left, bottom], axis=1), score_D))
    return looks


def fuse(looks: Sequence[Found]) -> Found:
    """Several answers to one picture as one, the surest first.

    Taken from the surest down, a box is joined by that of each other look which overlaps it most; the place is their
    mean, weighted by score, and the score their sum over the number of looks.
    """
    box_D4 = np.concatenate([look.box_D4 for look in looks])
    score_D = np.concatenate([look.score_D for look in looks])
    look_D = np.repeat(np.arange(len(looks)), [len(look.score_D) for look in looks])
    overlap_DD, free_D = overlaps(box_D4, box_D4), np.ones(len(score_D), bool)
    boxes, scores = [], []
    for number in np.argsort(-score_D, kind="stable"):
        if not free_D[number]:
            continue
        joined = [number]
        for other in set(range(len(looks))) - {int(look_D[number])}:
            near = np.flatnonzero((look_D == other) & free_D & (overlap_DD[number] >= SAME))
            joined += [near[overlap_DD[number, near].argmax()]] if len(near) else []
        free_D[joined] = False
        boxes.append(np.average(box_D4[joined], axis=0, weights=score_D[joined]))
        scores.append(score_D[joined].sum() / len(looks))
    order = np.argsort(-np.array(scores), kind="stable")
    return Found(np.array(boxes).reshape(-1, 4)[order], np.array(scores)[order])


def new_records(records: Sequence[Record], found: Found, size: Size) -> list[dict[str, Any]]:
    """The boxes of one picture; see the module's docstring.

    Args:
        records: its old ones.
        found: what the detectors together say.
        size: of the picture.
    """
    certain = [dict(record) for record in records if "score" not in record]
    if len(certain) == len(records) and all(one.get("label_origin") == "human" for one in certain):
        return certain
    box_D4 = np.clip(found.box_D4, 0, [size.width, size.height] * 2)
    sides_D = (box_D4[:, 2:] - box_D4[:, :2]).min(axis=1, initial=np.inf)
    free_D = (found.score_D >= LEAST) & (sides_D >= 1)
    for record in certain:
        old_4 = edges(record)
        overlap_D = overlaps(old_4[None], box_D4)[0] * free_D
        free_D &= overlap_D < SAME
        if record.get("label_origin") == "joints" and overlap_D.max(initial=0) >= SAME:
            record["bbox"] = as_bbox((old_4 + box_D4[overlap_D.argmax()]) / 2)
    added = [
        {"iscrowd": 0, "bbox": as_bbox(box_D4[number]), "score": round(float(found.score_D[number]), 4)}
        for number in np.flatnonzero(free_D)
    ]
    return certain + [{"category_id": 1, "label_origin": "machine", **one} for one in added]


def edges(record: Record) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Left, top, right and bottom edge of a record's box."""
    left, top, width, height = record["bbox"]
    return np.array([left, top, left + width, top + height], np.float64)


def as_bbox(box_4: np.ndarray[Any, np.dtype[np.floating]]) -> list[float]:
    """Edges as they stand in a document: left, top, width, height, to a tenth of a pixel."""
    left, top, right, bottom = box_4.tolist()
    return [round(value, 1) for value in (left, top, right - left, bottom - top)]


def relabel(folder: Path, documents: Sequence[str], detectors: Sequence[Detector]) -> dict[str, list[Any]]:
    """All pictures of some documents with their new boxes, as one document.

    Args:
        folder: of the documents; their file names are relative to it.
        documents: in COCO's layout.
        detectors: who looks.

    Raises:
        InvalidImage: a picture cannot be read.
    """
    images: list[Any] = []
    annotations: list[Any] = []
    for name in documents:
        content = json.loads((folder / name).read_bytes())
        by_image: dict[int, list[Record]] = {image["id"]: [] for image in content["images"]}
        for record in content["annotations"]:
            by_image[record["image_id"]].append(record)
        for image in tqdm(content["images"], desc=name, unit="picture", disable=None):
            # numbers of several documents may be the same
            images.append({**image, "id": len(images) + 1})
            found = fuse(look(detectors, read_photo(folder / image["file_name"])))
            for record in new_records(by_image[image["id"]], found, Size(image["width"], image["height"])):
                annotations.append({**record, "id": len(annotations) + 1, "image_id": len(images)})
    return {"images": images, "annotations": annotations}


def main(
    folder: Path,
    output: Path,
    detectors: list[str],
    documents: Annotated[list[str], typer.Option()] = ["detector_train.json", "detector_val.json"],  # noqa: B006 - typer copies it
) -> None:
    """Label the pictures of documents anew with several detectors together."""
    loaded = [load_detector(name, open_size=OPEN_SIZE) for name in detectors]
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(relabel(folder, documents, loaded)))


if __name__ == "__main__":
    typer.run(main)
