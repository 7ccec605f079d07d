"""A small annotated set with drawn photos, and what a network could say about it: for tests of the metrics."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pose_core.schemes import SCHEMES
from pose_core.skeleton import KEYPOINT_COUNT
from pose_core.types import PersonBox
from training.evals import GroundTruth, Prediction, Predictions, read_ground_truth
from training.evals.ground_truth import FIELDS
from training.evals.records import PARTS

WIDTH, HEIGHT = 200, 160
BOXES = ([20, 20, 60, 100], [110, 30, 70, 110], [40, 40, 90, 80])


def make_points(box: Sequence[float], seed: int = 0, v: float = 2) -> np.ndarray:
    """(133, 3): points all over a box, the first two in opposite corners, all labelled alike."""
    points = np.full((KEYPOINT_COUNT, 3), float(v))
    points[:, :2] = np.random.default_rng(seed).uniform(0.05, 0.95, (KEYPOINT_COUNT, 2))
    points[0, :2], points[1, :2] = 0, 1
    points[:, :2] = points[:, :2] * box[2:] + box[:2]
    return points


def make_record(number: int, photo_id: int, points: np.ndarray, box: Sequence[float]) -> dict[str, Any]:
    """An annotation as it stands in a file."""
    lists = {field: points[PARTS[part]].ravel().tolist() for part, field in FIELDS.items()}
    return {
        "id": number,
        "image_id": photo_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [*box],
        "area": 0.5 * box[2] * box[3],
        "num_keypoints": int((points[:17, 2] > 0).sum()),
        **lists,
    }


def make_content(v: float = 2) -> dict[str, Any]:
    """Two photos; two people with ids 10 and 11 in the first, one with id 12 in the second."""
    return {
        "images": [{"id": n, "file_name": f"{n}.png", "width": WIDTH, "height": HEIGHT} for n in (1, 2)],
        "annotations": [
            make_record(10 + row, photo_id, make_points(box, row, v), box)
            for row, (photo_id, box) in enumerate(zip((1, 1, 2), BOXES, strict=True))
        ],
    }


def make_truth(v: float = 2) -> GroundTruth:
    """The same as records."""
    return read_ground_truth(make_content(v), "drawn")


def make_mpii_truth() -> GroundTruth:
    """The same people with the 16 points of MPII and heads of 20 pixels."""
    truth, scheme = make_truth(), "mpii"
    people = []
    for number, person in enumerate(truth.people):
        points = make_points(person.box, number)[: len(SCHEMES[scheme])]
        people.append(replace(person, keypoints=points, head_px=20.0))
    return replace(truth, people=tuple(people), scheme=scheme)


def truth_for(metric: str) -> GroundTruth:
    """A set that a metric can be measured on."""
    return make_mpii_truth() if metric.startswith("pckh") else make_truth()


def write_photos(folder: Path) -> None:
    """The two pictures: noise, so that every crop is another one."""
    rng = np.random.default_rng(0)
    for number in (1, 2):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8))


def copy_truth(truth: GroundTruth, shift: tuple[float, float] = (0, 0), *, scheme: str | None = None) -> Predictions:
    """The annotated points, moved, with score 0.9: what a perfect network says if they are not.

    It knows all points of the set, or those of another scheme.
    """
    people = []
    for person in truth.people:
        left, top, width, height = person.box
        keypoints = person.keypoints.copy()
        keypoints[:, :2] += shift
        keypoints[:, 2] = 0.9
        box = PersonBox(left, top, left + width, top + height)
        people.append(Prediction(person.photo_id, person.id, box, 1.25**2 * box.area, keypoints))
    return Predictions("copy", "annotated", tuple(people), scheme or truth.scheme)
