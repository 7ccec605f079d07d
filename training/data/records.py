"""The words of a data set: pictures, the people annotated on them, and what could not be used.

A data set of a quarter of a million people is read by a dozen worker processes. Its numbers therefore lie in a few
large arrays, which forked processes share, and a `Person` is made when one is asked for.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int64

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.schemes import SCHEMES, WHOLE_BODY, convert_scheme
from pose_core.types import Image, PersonBox, Size
from training.recipe import Source

WeightedKeypoints = Float32[np.ndarray, "points 3"]
"""x px, y px, weight of each point of a scheme.

The weight says how much a point teaches: 0 for one without a label, 1 for one that is certain. It is no score of a
network, which is what the third number of `pose_core.types.Keypoints` is.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture on disk or in memory.

    Attributes:
        image_id: its number in the annotations.
        file: where it is; only a name for messages when `pixels` are given.
        size: as the annotations state it; a file of another size is not read.
        pixels: the picture itself where it never was a file.
    """

    image_id: int
    file: Path
    size: Size
    pixels: Image | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """One annotated person.

    Attributes:
        picture: where the person is seen.
        annotation_id: the number to name this person by.
        box: cut to the picture, except for boxes of a detector and the squares of MPII.
        keypoints: x, y in pixels of the picture and how much each point teaches.
        scheme: which points these are, a key of `pose_core.schemes.SCHEMES`.
        head_px: 0.6 of the diagonal of the head's box, which PCKh divides errors by; NaN where nobody knows.
    """

    picture: Picture
    annotation_id: int
    box: PersonBox
    keypoints: WeightedKeypoints
    scheme: str = WHOLE_BODY
    head_px: float = math.nan


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A mistake in the annotations or a picture that cannot be read; what is wrong is not learned from.

    Attributes:
        file: the picture, or the annotation file where no picture is known.
        annotation_id: the person's number; None where the record does not say.
        reason: what is wrong.
    """

    file: Path
    annotation_id: int | None
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, annotation {self.annotation_id}: {self.reason}"


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A sequence of people.

    Attributes:
        name: of the set, for messages.
        pictures: every picture once.
        picture_N: for each person the position of its picture.
        id_N: annotation ids.
        box_N5: left, top, right, bottom, score.
        keypoint_NK3: x, y, weight.
        head_N: see `Person.head_px`.
        scheme: which points these are, a key of `pose_core.schemes.SCHEMES`.
    """

    name: str
    pictures: tuple[Picture, ...]
    picture_N: Int64[np.ndarray, "people"]
    id_N: Int64[np.ndarray, "people"]
    box_N5: Float64[np.ndarray, "people 5"]
    keypoint_NK3: Float32[np.ndarray, "people points 3"]
    head_N: Float64[np.ndarray, "people"]
    scheme: str = WHOLE_BODY

    def __len__(self) -> int:
        return len(self.id_N)

    def __getitem__(self, index: int) -> Person:
        return Person(
            picture=self.pictures[self.picture_N[index]],
            annotation_id=int(self.id_N[index]),
            box=PersonBox(*self.box_N5[index].tolist()),
            keypoints=self.keypoint_NK3[index],
            scheme=self.scheme,
            head_px=float(self.head_N[index]),
        )

    def __iter__(self) -> Iterator[Person]:
        return (self[index] for index in range(len(self)))

    def in_scheme(self, scheme: str) -> "Dataset":
        """The same people with the points of another scheme; those that nobody labelled have weight 0."""
        if scheme == self.scheme:
            return self
        return replace(self, keypoint_NK3=convert_scheme(self.keypoint_NK3, self.scheme, scheme), scheme=scheme)

    def subset(self, indices: Sequence[int]) -> "Dataset":
        """The people at these positions, in this order."""
        chosen = np.asarray(indices, np.int64)
        return replace(
            self,
            picture_N=self.picture_N[chosen],
            id_N=self.id_N[chosen],
            box_N5=self.box_N5[chosen],
            keypoint_NK3=self.keypoint_NK3[chosen],
            head_N=self.head_N[chosen],
        )


class Loaded(NamedTuple):
    """What came of reading annotations.

    Attributes:
        dataset: the people that can be used.
        bad: what is wrong; crowds and people without labels are left out too, but are no mistake.
    """

    dataset: Dataset
    bad: tuple[BadRecord, ...]


def options_of(source: Source, defaults: Mapping[str, str | int | float]) -> dict[str, str | int | float]:
    """A source's options, completed by the defaults.

    Raises:
        UnknownChoice: an option that has no default does not exist.
    """
    options = dict(source.options)
    for name in options.keys() - defaults.keys():
        raise UnknownChoice(f"options of {source.dataset}", name, sorted(defaults))
    return {**defaults, **options}


def dataset_of(name: str, people: Iterable[Person], scheme: str = WHOLE_BODY) -> Dataset:
    """A data set of these people; a picture that several of them share is kept once.

    Args:
        name: of the set.
        people: all with points of the same scheme.
        scheme: that one.
    """
    listed = list(people)
    pictures = {id(person.picture): person.picture for person in listed}
    position = {key: number for number, key in enumerate(pictures)}
    boxes = [
        (person.box.left, person.box.top, person.box.right, person.box.bottom, person.box.score) for person in listed
    ]
    keypoints = np.empty((len(listed), len(SCHEMES[scheme]), 3), np.float32)
    for number, person in enumerate(listed):
        keypoints[number] = person.keypoints
    return Dataset(
        name=name,
        pictures=tuple(pictures.values()),
        picture_N=np.array([position[id(person.picture)] for person in listed], np.int64),
        id_N=np.array([person.annotation_id for person in listed], np.int64),
        box_N5=np.array(boxes, np.float64).reshape(-1, 5),
        keypoint_NK3=keypoints,
        head_N=np.array([person.head_px for person in listed], np.float64),
        scheme=scheme,
    )


def concatenate(datasets: Sequence[Dataset]) -> Dataset:
    """All people of several sets, one set after the other.

    Raises:
        InvalidInput: there is no set at all, or sets of different schemes.
    """
    if not datasets:
        raise InvalidInput("at least one data set is needed", field="sources")
    schemes = {dataset.scheme for dataset in datasets}
    if len(schemes) > 1:
        raise InvalidInput(f"people of different schemes: {', '.join(sorted(schemes))}", field="sources")
    offsets = np.cumsum([0, *(len(dataset.pictures) for dataset in datasets)])
    pairs = list(zip(datasets, offsets[:-1], strict=True))
    return Dataset(
        name=" + ".join(dataset.name for dataset in datasets),
        pictures=tuple(picture for dataset in datasets for picture in dataset.pictures),
        picture_N=np.concatenate([dataset.picture_N + offset for dataset, offset in pairs]),
        id_N=np.concatenate([dataset.id_N for dataset in datasets]),
        box_N5=np.concatenate([dataset.box_N5 for dataset in datasets]),
        keypoint_NK3=np.concatenate([dataset.keypoint_NK3 for dataset in datasets]),
        head_N=np.concatenate([dataset.head_N for dataset in datasets]),
        scheme=datasets[0].scheme,
    )
