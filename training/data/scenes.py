"""The words of a detector's data: pictures with everybody in them, and where nobody knows who is there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float32

from training.data.records import BadRecord, Dataset, Loaded, Picture

Boxes = Float32[np.ndarray, "boxes 4"]
"""Left, top, right, bottom in pixels: edges, so that a picture's own box is 0, 0, width, height."""

NO_BOXES: Final = np.zeros((0, 4), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A picture and the people in it; one without people says where no detector should see any.

    Attributes:
        picture: the photo.
        box_M4: the people, cut to the picture.
        weight_M: how sure each of them is, above 0 and up to 1.
        ignore_R4: regions that are neither people nor background.
    """

    picture: Picture
    box_M4: Boxes
    weight_M: Float32[np.ndarray, "boxes"]
    ignore_R4: Boxes


class LoadedScenes(NamedTuple):
    """What came of reading annotations.

    Attributes:
        name: of the set, for messages.
        scenes: the pictures that can be used.
        bad: what is wrong with the others, and with single boxes.
    """

    name: str
    scenes: tuple[Scene, ...]
    bad: tuple[BadRecord, ...] = ()


def scenes_of(loaded: Loaded) -> LoadedScenes:
    """The pictures of a data set of people, of whom nothing but their boxes is kept."""
    dataset: Dataset = loaded.dataset
    # a person's box ends with its last pixel, an edge lies behind it
    edges_N4 = dataset.box_N5[:, :4] + (0, 0, 1, 1)
    scenes = []
    for number, picture in enumerate(dataset.pictures):
        box_M4 = edges_N4[dataset.picture_N == number].astype(np.float32)
        scenes.append(Scene(picture, box_M4, np.ones(len(box_M4), np.float32), NO_BOXES))
    return LoadedScenes(dataset.name, tuple(scenes), loaded.bad)


def joined(loaded: Sequence[LoadedScenes]) -> LoadedScenes:
    """All pictures of several sets, one set after the other."""
    return LoadedScenes(
        " + ".join(one.name for one in loaded),
        tuple(scene for one in loaded for scene in one.scenes),
        tuple(record for one in loaded for record in one.bad),
    )


def rows_of(boxes: Iterable[Sequence[float]]) -> Boxes:
    """Boxes as an array, also if there are none."""
    return np.array([*boxes], np.float32).reshape(-1, 4)


def box_overlap(one_M4: Boxes, other_R4: Boxes) -> Float32[np.ndarray, "boxes others"]:
    """Intersection over union of every box with every other one."""
    low = np.maximum(one_M4[:, None, :2], other_R4[None, :, :2])
    high = np.minimum(one_M4[:, None, 2:], other_R4[None, :, 2:])
    shared = np.maximum(high - low, 0).prod(axis=-1)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1) for boxes in (one_M4, other_R4)]
    union = areas[0][:, None] + areas[1][None] - shared
    overlap: Float32[np.ndarray, "boxes others"] = shared / np.maximum(union, np.float32(1e-9))
    return overlap
