"""Batches of an epoch, made by worker processes.

A sample follows from seed, epoch and its position in the data set alone. So it does not matter how many workers there
are, which of them makes it, or whether the epoch began in the middle. What a worker must know about the epoch travels
with the request, and the workers live as long as the loader.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from pose_core.codecs import Codec
from pose_core.errors import InvalidInput
from pose_core.types import Size
from training.contracts import Batch
from training.data.batches import AugmentationOf, Crops, Request
from training.data.order import batch_size_of, batches_of, share_of, shuffled
from training.data.pictures import PictureReader
from training.data.records import BadRecord, Dataset
from training.recipe import Augmentation, Data


@dataclass(frozen=True, kw_only=True, slots=True)
class Loading:
    """How batches are made.

    Attributes:
        input_size: of the crops.
        codec: makes the targets.
        batch_size: samples per step over all processes together.
        seed: of the order and of every random change; not negative.
        rank: the number of this process.
        world: how many processes train together.
        workers: processes that make the batches of this one; 0 for this one itself.
        prefetch: batches that each worker makes in advance; they lie in shared memory, with SimCC targets 40 MB for
            64 samples of 192 x 256.
        steps_per_epoch: cut epochs short; None for all samples.
        absent_weight: see `training.recipe.Data`.
        cache_bytes: memory for the pictures used last, in each worker.
        hold: what is kept there, see `training.data.pictures.PictureReader`.
    """

    input_size: Size
    codec: Codec
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1
    workers: int = 0
    prefetch: int = 2
    steps_per_epoch: int | None = None
    absent_weight: float = 0.0
    cache_bytes: int = 0
    hold: Literal["encoded", "decoded"] = "decoded"


def training_loader(dataset: Dataset, data: Data, loading: Loading) -> "Loader":
    """Random views of the people in random order, each once per epoch.

    Args:
        dataset: the people.
        data: says how views vary, and from which epoch on they vary less.
        loading: how batches are made.
    """
    return Loader(dataset, loading, partial(augmentation_at, data), shuffle=True)


def plain_loader(dataset: Dataset, loading: Loading) -> "Loader":
    """The people in their order, as serving would show them to a network."""
    return Loader(dataset, loading, _unchanged, shuffle=False)


def augmentation_at(data: Data, epoch: int) -> Augmentation:
    """How views vary in a zero-based epoch."""
    return data.augmentation if epoch < data.light_from_epoch else data.light_augmentation


def _unchanged(_epoch: int) -> None:
    """No random changes in any epoch."""


class Loader:
    """The batches of one process; a `training.contracts.BatchSource`.

    Args:
        dataset: the people.
        loading: how batches are made.
        augmentation_of: how views vary.
        shuffle: whether each epoch has an order of its own.

    Raises:
        InvalidInput: there is nobody in the data set, or the batch size cannot be divided among the processes.
    """

    def __init__(self, dataset: Dataset, loading: Loading, augmentation_of: AugmentationOf, *, shuffle: bool) -> None:
        if not len(dataset):
            raise InvalidInput(f"nobody to learn from in {dataset.name}", field="dataset")
        self._dataset = dataset
        self._requests = Requests(len(dataset), loading, shuffle=shuffle)
        # a byte per person that all workers see, so that each picture is reported once
        self._unreadable_N = torch.zeros(len(dataset), dtype=torch.uint8)
        self._unreadable_N.share_memory_()  # type: ignore[no-untyped-call]
        crops = Crops(
            dataset,
            PictureReader(loading.cache_bytes, loading.hold),
            self._unreadable_N,
            augmentation_of=augmentation_of,
            seed=loading.seed,
            codec=loading.codec,
            input_size=loading.input_size,
            absent_weight=loading.absent_weight,
        )
        self._loader = _start(crops, self._requests, loading)

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has, the same in every process."""
        return self._requests.steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of a zero-based epoch from its zero-based step `start` on, images as uint8.

        A loader makes one epoch at a time; beginning another ends the one before.
        """
        self._requests.epoch, self._requests.start = epoch, start
        yield from self._loader

    @property
    def unreadable(self) -> tuple[BadRecord, ...]:
        """Whose picture could not be read so far; others were seen in their place."""
        people = (self._dataset[index] for index in self._unreadable_N.nonzero()[:, 0].tolist())
        return tuple(BadRecord(person.picture.file, person.annotation_id, "unreadable") for person in people)


def _start(crops: Crops, requests: "Requests", loading: Loading) -> "DataLoader[Batch]":
    """PyTorch's loader, which asks its workers for what `requests` lists and hands over what they make as it is."""
    return DataLoader(
        crops,
        sampler=requests,
        batch_size=None,
        num_workers=loading.workers,
        prefetch_factor=loading.prefetch if loading.workers else None,
        persistent_workers=loading.workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
        generator=torch.Generator(),  # so that the global one is left as it is
    )


def _start_worker(_number: int) -> None:
    """A worker keeps to one core; OpenCV would otherwise start a thread for each."""
    cv2.setNumThreads(0)


class Requests(Sampler[Request]):
    """What the workers are asked for in an epoch, from a step on; both are set before the loader iterates."""

    def __init__(self, count: int, loading: Loading, *, shuffle: bool) -> None:
        self._count, self._loading, self._shuffle = count, loading, shuffle
        self._batch_size = batch_size_of(loading.batch_size, loading.world)
        self.epoch = 0
        self.start = 0

    @property
    def steps(self) -> int:
        """Batches of a whole epoch."""
        share = -(-self._count // self._loading.world)
        steps = -(-share // self._batch_size)
        return steps if self._loading.steps_per_epoch is None else min(steps, self._loading.steps_per_epoch)

    def __len__(self) -> int:
        return max(0, self.steps - self.start)

    def __iter__(self) -> Iterator[Request]:
        loading, epoch = self._loading, self.epoch
        order = shuffled(self._count, loading.seed, epoch) if self._shuffle else np.arange(self._count)
        batches = batches_of(share_of(order, loading.rank, loading.world), self._batch_size)
        return iter([Request(epoch, indices) for indices in batches[self.start : self.steps]])
