"""The words of evaluation: what is annotated, what a network said about it, and what a metric makes of both."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pose_core.schemes import WHOLE_BODY
from pose_core.skeleton import BODY, FACE, FEET, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND
from pose_core.types import PersonBox, Size

Floats = NDArray[np.floating]

PARTS: Final[Mapping[str, slice]] = {
    "body": BODY,
    "foot": FEET,
    "face": FACE,
    "lefthand": LEFT_HAND,
    "righthand": RIGHT_HAND,
    "wholebody": slice(0, KEYPOINT_COUNT),
}
"""The six parts of the COCO-WholeBody benchmark, under its names, and which of the 133 points belong to each."""

BoxKind = Literal["annotated", "detected"]
"""Where the boxes came from that a network was shown: the annotations, or a detector."""


@dataclass(frozen=True, slots=True)
class Photo:
    """One picture of a set.

    Attributes:
        id: as in the annotation file.
        file_name: relative to the folder of pictures.
        size: as the annotation file says, in pixels.
    """

    id: int
    file_name: str
    size: Size


@dataclass(frozen=True, slots=True)
class Person:
    """One annotated person, in photo pixels.

    Attributes:
        id: of the annotation.
        photo_id: of the photo.
        box: left, top, width and height as annotated, not clipped to the photo.
        area: of the person's outline in square pixels; None where the file does not say.
        crowd: whether this marks a group that nobody is blamed for missing.
        body_points: how many points of the body are labelled, as the file says or as counted.
        keypoints: (points, 3) float64, of the set's scheme: x, y and v. v is 0 for an absent point, 1 or 2 for a human
            label, and between 0 and 1 for a machine label, where it is the probability of being right.
        head_px: what PCKh divides errors by, 0.6 of the diagonal of the head's box; NaN where nobody knows.
    """

    id: int
    photo_id: int
    box: tuple[float, float, float, float]
    area: float | None
    crowd: bool
    body_points: int
    keypoints: Floats
    head_px: float = math.nan


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """An annotated set.

    Attributes:
        name: for reports.
        photos: in the file's order.
        people: in the file's order, crowds included.
        problems: one sentence for each record that is damaged, with file and annotation id.
        scheme: which points are annotated, a key of `pose_core.schemes.SCHEMES`.
    """

    name: str
    photos: tuple[Photo, ...]
    people: tuple[Person, ...]
    problems: tuple[str, ...] = ()
    scheme: str = WHOLE_BODY


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a network said about the person in one box, in photo pixels.

    Attributes:
        photo_id: of the photo.
        id: of the annotation where the box is annotated, else the box's number in the list of detections.
        box: what was looked for; its score is the detector's, 1 for an annotated box.
        view_area: of what the network saw, the padded box in the network's aspect ratio, in square pixels.
        keypoints: (points, 3), of the set's scheme: x, y and raw score; points that the network does not know have
            score 0.
    """

    photo_id: int
    id: int
    box: PersonBox
    view_area: float
    keypoints: Floats


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a network said about a whole set.

    Attributes:
        network: its name, for reports.
        boxes: where the boxes came from.
        people: photo by photo.
        scheme: which points the network knows, a key of `pose_core.schemes.SCHEMES`.
        problems: one sentence for each box that could not be looked at, with file and annotation id.
    """

    network: str
    boxes: BoxKind
    people: tuple[Prediction, ...]
    scheme: str = WHOLE_BODY
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """One number of a result.

    Attributes:
        part: what was looked at, mostly a key of `PARTS`.
        name: such as AP or PCK@0.05.
        value: None where there was nothing to measure.
        count: how many people, faces, hands or points it rests on, as the result's `counted` says.
    """

    part: str
    name: str
    value: float | None
    count: int


class Result(Protocol):
    """What every metric returns: a frozen record that can list its numbers."""

    @property
    def counted(self) -> str:
        """What `Score.count` counts, in the plural."""

    @property
    def notes(self) -> Mapping[str, int | str]:
        """How it was measured and what was left out, for reports."""

    def scores(self) -> tuple[Score, ...]:
        """Every number, part by part."""
