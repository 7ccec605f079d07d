"""Batches of an epoch, made by worker processes.

A sample follows from seed, epoch and its position in the data set alone. So it does not matter how many workers there
are, which of them makes it, or whether the epoch began in the middle. What a worker must know about the epoch travels
with the request, and the workers live as long as the loader.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, Literal, Protocol, TypeVar, cast

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from pose_core.codecs import Codec
from pose_core.errors import InvalidImage, InvalidInput
from pose_core.types import Size
from training.contracts import Batch, PoseBatch
from training.data.batches import AugmentationOf, Crops, Request
from training.data.order import batch_size_of, batches_of, share_of, shuffled
from training.data.pictures import PictureReader
from training.data.records import BadRecord, Dataset
from training.recipe import Augmentation, Data

RAISED_BY_WORKER: Final = f"{InvalidImage.__module__}.{InvalidImage.__name__}: "
"""What stands before a message in the last line of a traceback."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Feeding:
    """How batches of any kind are made.

    Attributes:
        input_size: of the pictures that networks see.
        batch_size: samples per step over all processes together.
        seed: of the order and of every random change; not negative.
        rank: the number of this process.
        world: how many processes train together.
        workers: processes that make the batches of this one; 0 for this one itself.
        prefetch: batches that each worker makes in advance; they lie in shared memory, 10 MB for 64 samples of 192 x
            256.
        steps_per_epoch: cut epochs short; None for all samples.
        cache_bytes: memory for the pictures used last, in each worker.
        hold: what is kept there, see `training.data.pictures.PictureReader`.
    """

    input_size: Size
    batch_size: int
    seed: int
    rank: int = 0
    world: int = 1
    workers: int = 0
    prefetch: int = 2
    steps_per_epoch: int | None = None
    cache_bytes: int = 0
    hold: Literal["encoded", "decoded"] = "decoded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Loading(Feeding):
    """How batches of people are made.

    Attributes:
        codec: says what the targets are.
    """

    codec: Codec


Made_co = TypeVar("Made_co", bound=Batch, covariant=True)


class Maker(Protocol[Made_co]):
    """Makes batches; every worker has a copy. It also is a `torch.utils.data.Dataset`."""

    @property
    def unreadable_N(self) -> Tensor:  # noqa: N802 - the letter is an axis
        """A byte per sample that all copies see: 1 where the picture cannot be read."""

    def name(self, index: int, reason: str) -> BadRecord:
        """What to say about the sample at a position."""

    def __getitem__(self, request: Request) -> Made_co:
        """The batch that is asked for."""


def training_loader(dataset: Dataset, data: Data, loading: Loading) -> "Loader":
    """Random views of the people in random order, each once per epoch.

    Args:
        dataset: the people.
        data: says how views vary, and from which epoch on they vary less.
        loading: how batches are made.
    """
    return BatchLoader(_crops(dataset, loading, partial(augmentation_at, data)), loading, shuffle=True)


def plain_loader(dataset: Dataset, loading: Loading) -> "Loader":
    """The people in their order, as serving would show them to a network."""
    return BatchLoader(_crops(dataset, loading, unchanged), loading, shuffle=False)


def augmentation_at(data: Data, epoch: int) -> Augmentation:
    """How views vary in a zero-based epoch."""
    return data.augmentation if epoch < data.light_from_epoch else data.light_augmentation


def unchanged(_epoch: int) -> None:
    """No random changes in any epoch."""


def _crops(dataset: Dataset, loading: Loading, augmentation_of: AugmentationOf) -> Crops:
    """What makes crops of these people.

    Raises:
        InvalidInput: there is nobody in the data set.
    """
    if not len(dataset):
        raise InvalidInput(f"nobody to learn from in {dataset.name}", field="dataset")
    return Crops(
        dataset,
        PictureReader(loading.cache_bytes, loading.hold),
        shared_marks(len(dataset)),
        augmentation_of=augmentation_of,
        seed=loading.seed,
        codec=loading.codec,
        input_size=loading.input_size,
    )


def shared_marks(count: int) -> Tensor:
    """A zero byte per sample that all workers see and set, so that each unreadable picture is reported once."""
    marks_N = torch.zeros(count, dtype=torch.uint8)
    marks_N.share_memory_()  # type: ignore[no-untyped-call]
    return marks_N


class BatchLoader(Generic[Made_co]):
    """The batches of one process; a `training.contracts.BatchSource`.

    Args:
        maker: makes them.
        feeding: how many, by whom, in which order.
        shuffle: whether each epoch has an order of its own.

    Raises:
        InvalidInput: the batch size cannot be divided among the processes.
    """

    def __init__(self, maker: Maker[Made_co], feeding: Feeding, *, shuffle: bool) -> None:
        self._maker = maker
        self._requests = Requests(len(maker.unreadable_N), feeding, shuffle=shuffle)
        self._loader = _start(maker, self._requests, feeding)

    @property
    def steps_per_epoch(self) -> int:
        """How many batches an epoch has, the same in every process."""
        return self._requests.steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Made_co]:
        """The batches of a zero-based epoch from its zero-based step `start` on, images as uint8.

        A loader makes one epoch at a time; beginning another ends the one before.

        Raises:
            InvalidImage: hardly any picture can be read.
        """
        self._requests.epoch, self._requests.start = epoch, start
        try:
            yield from self._loader
        except InvalidImage as error:  # of a worker it holds the whole traceback
            raise InvalidImage(str(error).strip().splitlines()[-1].removeprefix(RAISED_BY_WORKER)) from None

    @property
    def unreadable(self) -> tuple[BadRecord, ...]:
        """Whose picture could not be read so far; others were seen in their place."""
        marked = self._maker.unreadable_N.nonzero()[:, 0].tolist()
        return tuple(self._maker.name(index, "unreadable") for index in marked)


Loader = BatchLoader[PoseBatch]
"""Of crops of people."""


def _start(maker: Maker[Made_co], requests: "Requests", feeding: Feeding) -> "DataLoader[Made_co]":
    """PyTorch's loader, which asks its workers for what `requests` lists and hands over what they make as it is."""
    return DataLoader(
        cast("TorchDataset[Made_co]", maker),
        sampler=requests,
        batch_size=None,
        num_workers=feeding.workers,
        prefetch_factor=feeding.prefetch if feeding.workers else None,
        persistent_workers=feeding.workers > 0,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_start_worker,
        generator=torch.Generator(),  # so that the global one is left as it is
    )


def _start_worker(_number: int) -> None:
    """A worker keeps to one core; OpenCV would otherwise start a thread for each. Ctrl-C is for the main process."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class Requests(Sampler[Request]):
    """What the workers are asked for in an epoch, from a step on; both are set before the loader iterates."""

    def __init__(self, count: int, feeding: Feeding, *, shuffle: bool) -> None:
        self._count, self._feeding, self._shuffle = count, feeding, shuffle
        self._batch_size = batch_size_of(feeding.batch_size, feeding.world)
        self.epoch = 0
        self.start = 0

    @property
    def steps(self) -> int:
        """Batches of a whole epoch."""
        share = -(-self._count // self._feeding.world)
        steps = -(-share // self._batch_size)
        return steps if self._feeding.steps_per_epoch is None else min(steps, self._feeding.steps_per_epoch)

    def __len__(self) -> int:
        return max(0, self.steps - self.start)

    def __iter__(self) -> Iterator[Request]:
        feeding, epoch = self._feeding, self.epoch
        order = shuffled(self._count, feeding.seed, epoch) if self._shuffle else np.arange(self._count)
        batches = batches_of(share_of(order, feeding.rank, feeding.world), self._batch_size)
        return iter([Request(epoch, indices) for indices in batches[self.start : self.steps]])
