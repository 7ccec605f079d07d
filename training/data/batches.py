"""From positions in a data set to a batch, by whichever process."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

import cv2
import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from pose_core.codecs import Codec
from pose_core.errors import InvalidImage
from pose_core.types import Image, Size
from training.contracts import PoseBatch
from training.data.crops import Sample, draw_sample, neighbour_crop, plain_sample
from training.data.order import sample_random
from training.data.pictures import PictureReader
from training.data.records import BadRecord, Dataset
from training.recipe import Augmentation

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 1000
"""So many people in a row must be unreadable to end a run."""

Made = TypeVar("Made")

AugmentationOf = Callable[[int], Augmentation | None]
"""By zero-based epoch, how views vary; None for the view of serving."""


class Request(NamedTuple):
    """The samples of one batch: zero-based epoch, positions in the data set."""

    epoch: int
    indices: Int64[np.ndarray, "batch"]


class Crops(TorchDataset[PoseBatch]):
    """Makes batches; every worker has a copy.

    Args:
        dataset: the people.
        reader: reads their pictures.
        unreadable_N: set to 1 here for a person whose picture cannot be read; uint8, seen by all copies.
        augmentation_of: how views vary.
        seed: of every random change.
        codec: says what the targets are.
        input_size: of the crops.
    """

    def __init__(
        self,
        dataset: Dataset,
        reader: PictureReader,
        unreadable_N: Tensor,
        *,
        augmentation_of: AugmentationOf,
        seed: int,
        codec: Codec,
        input_size: Size,
    ) -> None:
        self._dataset, self._reader, self.unreadable_N = dataset, reader, unreadable_N
        self._augmentation_of, self._seed = augmentation_of, seed
        self._codec, self._input_size = codec, input_size

    def __getitem__(self, request: Request) -> PoseBatch:
        """The batch that is asked for."""
        make = partial(self._sample, request.epoch)
        found = [first_readable(index, make, self.unreadable_N, self.name) for index in request.indices.tolist()]
        ids = [int(self._dataset.id_N[index]) for index, _ in found]
        return batch_of([sample for _, sample in found], ids, self._codec, self._input_size)

    def name(self, index: int, reason: str) -> BadRecord:
        """What to say about the person at a position."""
        person = self._dataset[index]
        return BadRecord(person.picture.file, person.annotation_id, reason)

    def _sample(self, epoch: int, index: int) -> Sample:
        person, augmentation = self._dataset[index], self._augmentation_of(epoch)
        if augmentation is None:
            return plain_sample(person, self._input_size, self._reader)
        random = sample_random(self._seed, epoch, index)
        neighbour = self._draw_neighbour(index, augmentation, random)
        return draw_sample(person, self._input_size, augmentation, random, self._reader, neighbour=neighbour)

    def _draw_neighbour(self, beside: int, augmentation: Augmentation, random: np.random.Generator) -> Image | None:
        """The crop of anybody from another picture that can be read, now and then."""
        if not augmentation.neighbour or random.random() >= augmentation.neighbour:
            return None
        index = int(random.integers(len(self._dataset)))
        if self._dataset.picture_N[index] == self._dataset.picture_N[beside]:
            return None
        try:
            return neighbour_crop(self._dataset[index], self._input_size, self._reader)
        except InvalidImage as error:
            report(index, self.unreadable_N, self.name(index, str(error)))
            return None


def first_readable(
    index: int, make: Callable[[int], Made], unreadable_N: Tensor, name: Callable[[int, str], BadRecord]
) -> tuple[int, Made]:
    """The sample at a position, or at the next one whose picture can be read, and that position.

    Args:
        index: where to begin.
        make: the sample at a position; raises InvalidImage.
        unreadable_N: where unreadable pictures are marked.
        name: what to say about one, by position and reason.

    Raises:
        InvalidImage: none of the next ones can be read.
    """
    attempts = min(ATTEMPTS, len(unreadable_N))
    for step in range(attempts):
        candidate = (index + step) % len(unreadable_N)
        try:
            return candidate, make(candidate)
        except InvalidImage as error:
            report(candidate, unreadable_N, name(candidate, str(error)))
    file = name(index, "").file
    raise InvalidImage(f"{file} and the pictures of the {attempts - 1} samples after it are unreadable")


def report(index: int, unreadable_N: Tensor, bad: BadRecord) -> None:
    """Mark the sample at a position and say what is wrong with it, once."""
    if not unreadable_N[index]:
        unreadable_N[index] = 1
        logger.warning("%s; another takes its place", bad)


def batch_of(samples: Sequence[Sample], ids: Sequence[int], codec: Codec, input_size: Size) -> PoseBatch:
    """Samples put together.

    Args:
        samples: at least one.
        ids: their annotation ids.
        codec: says which points are out of reach, and what the targets will be.
        input_size: of the crops.
    """
    image_B3HW = np.empty((len(samples), 3, input_size.height, input_size.width), np.uint8)
    for planes_3HW, sample in zip(image_B3HW, samples, strict=True):
        cv2.split(sample.crop, mv=list(planes_3HW))
    keypoint_BK3 = np.stack([sample.keypoints for sample in samples])
    shown_BK = (keypoint_BK3[..., 2] > 0) & np.stack([sample.shown_K for sample in samples])
    reachable_BK = codec.weigh(keypoint_BK3[..., :2], shown_BK, input_size)
    return PoseBatch(
        image_B3HW=torch.from_numpy(image_B3HW),
        weight_BK=torch.from_numpy(reachable_BK * keypoint_BK3[..., 2]),
        absent_BK=torch.from_numpy((1 - reachable_BK) * keypoint_BK3[..., 2]),
        keypoint_BK2=torch.from_numpy(keypoint_BK3[..., :2].copy()),
        id_B=torch.tensor(ids, dtype=torch.int64),
        codec=codec,
    )
