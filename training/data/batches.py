"""From positions in a data set to a batch, by whichever process."""

import logging
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from pose_core.codecs import Codec
from pose_core.errors import InvalidImage
from pose_core.types import Size
from training.contracts import Batch
from training.data.crops import Sample, draw_sample, plain_sample
from training.data.order import sample_random
from training.data.pictures import PictureReader
from training.data.records import BadRecord, Dataset, Person
from training.recipe import Augmentation

logger = logging.getLogger(__name__)

ATTEMPTS: Final = 1000
"""So many people in a row must be unreadable to end a run."""

AugmentationOf = Callable[[int], Augmentation | None]
"""By zero-based epoch, how views vary; None for the view of serving."""


class Request(NamedTuple):
    """The samples of one batch: zero-based epoch, positions in the data set."""

    epoch: int
    indices: Int64[np.ndarray, "batch"]


class Crops(TorchDataset[Batch]):
    """Makes batches; every worker has a copy.

    Args:
        dataset: the people.
        reader: reads their pictures.
        unreadable_N: set to 1 here for a person whose picture cannot be read; uint8, seen by all copies.
        augmentation_of: how views vary.
        seed: of every random change.
        codec: makes the targets.
        input_size: of the crops.
        absent_weight: see `training.recipe.Data`.
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
        absent_weight: float = 0.0,
    ) -> None:
        self._dataset, self._reader, self._unreadable_N = dataset, reader, unreadable_N
        self._augmentation_of, self._seed = augmentation_of, seed
        self._codec, self._input_size, self._absent_weight = codec, input_size, absent_weight

    def __getitem__(self, request: Request) -> Batch:
        """The batch that is asked for."""
        found = [self._readable_sample(request.epoch, index) for index in request.indices.tolist()]
        ids = [int(self._dataset.id_N[index]) for index, _ in found]
        return batch_of([sample for _, sample in found], ids, self._codec, self._input_size, self._absent_weight)

    def _readable_sample(self, epoch: int, index: int) -> tuple[int, Sample]:
        """The sample at a position, or at the next one whose picture can be read."""
        attempts = min(ATTEMPTS, len(self._dataset))
        for step in range(attempts):
            candidate = (index + step) % len(self._dataset)
            try:
                return candidate, self._sample(epoch, candidate)
            except InvalidImage as error:
                self._report(candidate, error)
        person = self._dataset[index]
        message = f"{person.picture.file} and the pictures of the {attempts - 1} people after it are unreadable"
        raise InvalidImage(message)

    def _sample(self, epoch: int, index: int) -> Sample:
        person, augmentation = self._dataset[index], self._augmentation_of(epoch)
        if augmentation is None:
            return plain_sample(person, self._input_size, self._reader)
        random = sample_random(self._seed, epoch, index)
        neighbour = self._draw_neighbour(augmentation, random)
        return draw_sample(person, self._input_size, augmentation, random, self._reader, neighbour=neighbour)

    def _draw_neighbour(self, augmentation: Augmentation, random: np.random.Generator) -> Person | None:
        """Anybody whose picture can be read, now and then."""
        if not augmentation.neighbour or random.random() >= augmentation.neighbour:
            return None
        index = int(random.integers(len(self._dataset)))
        try:
            self._reader.read(self._dataset[index].picture)
        except InvalidImage as error:
            self._report(index, error)
            return None
        return self._dataset[index]

    def _report(self, index: int, error: InvalidImage) -> None:
        if self._unreadable_N[index]:
            return
        self._unreadable_N[index] = 1
        person = self._dataset[index]
        bad = BadRecord(person.picture.file, person.annotation_id, str(error))
        logger.warning("%s; another takes its place", bad)


def batch_of(
    samples: Sequence[Sample], ids: Sequence[int], codec: Codec, input_size: Size, absent_weight: float = 0.0
) -> Batch:
    """Samples put together, with their targets.

    Args:
        samples: at least one.
        ids: their annotation ids.
        codec: makes the targets.
        input_size: of the crops.
        absent_weight: see `training.recipe.Data`.
    """
    image_B3HW = np.empty((len(samples), 3, input_size.height, input_size.width), np.uint8)
    for planes_3HW, sample in zip(image_B3HW, samples, strict=True):
        cv2.split(sample.crop, mv=list(planes_3HW))
    keypoint_BK3 = np.stack([sample.keypoints for sample in samples])
    # one by one: the intermediate arrays of a whole batch do not fit into the processor's cache, 0.9 ms becomes 7
    shown_BK = (keypoint_BK3[..., 2] > 0) & np.stack([sample.shown_K for sample in samples])
    pairs = zip(keypoint_BK3[:, None, :, :2], shown_BK[:, None], strict=True)
    encoded = [codec.encode(points_1K2, shown_1K, input_size) for points_1K2, shown_1K in pairs]
    reachable_BK = np.concatenate([targets.weights for targets in encoded])
    # a point without a target keeps labels of zero: to be found nowhere
    counts_BK = np.where(reachable_BK > 0, reachable_BK, np.float32(absent_weight))
    outputs = zip(*(targets.arrays for targets in encoded), strict=True)
    return Batch(
        image_B3HW=torch.from_numpy(image_B3HW),
        targets=tuple(torch.from_numpy(np.concatenate(arrays)) for arrays in outputs),
        weight_BK=torch.from_numpy(counts_BK * keypoint_BK3[..., 2]),
        keypoint_BK2=torch.from_numpy(keypoint_BK3[..., :2].copy()),
        id_B=torch.tensor(ids, dtype=torch.int64),
    )
