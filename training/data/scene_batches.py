"""Batches of whole pictures with everybody in them, by whichever process."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from pose_core.errors import InvalidInput
from pose_core.geometry import LETTERBOX_GREY
from pose_core.types import Size
from training.contracts import DetectionBatch
from training.data.batches import AugmentationOf, Request, first_readable
from training.data.loading import BatchLoader, Feeding, augmentation_at, shared_marks, unchanged
from training.data.order import sample_random
from training.data.pictures import PictureReader
from training.data.pixels import apply_change, draw_change
from training.data.records import BadRecord
from training.data.scene_samples import SceneSample, render
from training.data.scene_views import draw_tiles, plain_tile
from training.data.scenes import Boxes, LoadedScenes, Scene
from training.recipe import Data

LEAST_CACHE_BYTES: Final = 2**24
"""A mosaic reads its pictures twice, first to see whether they can be read."""


def scene_loader(loaded: LoadedScenes, data: Data, feeding: Feeding) -> BatchLoader[DetectionBatch]:
    """Random views of the pictures in random order, each once per epoch.

    Raises:
        InvalidInput: there is no picture, or the batch size cannot be divided among the processes.
    """
    return BatchLoader(_scenes(loaded, feeding, partial(augmentation_at, data)), feeding, shuffle=True)


def plain_scene_loader(loaded: LoadedScenes, feeding: Feeding) -> BatchLoader[DetectionBatch]:
    """The pictures in their order, as serving would show them to a network.

    Raises:
        InvalidInput: see `scene_loader`.
    """
    return BatchLoader(_scenes(loaded, feeding, unchanged), feeding, shuffle=False)


def _scenes(loaded: LoadedScenes, feeding: Feeding, augmentation_of: AugmentationOf) -> "Scenes":
    if not loaded.scenes:
        raise InvalidInput(f"no picture to learn from in {loaded.name}", field="dataset")
    return Scenes(
        loaded.scenes,
        PictureReader(max(feeding.cache_bytes, LEAST_CACHE_BYTES), feeding.hold),
        shared_marks(len(loaded.scenes)),
        augmentation_of=augmentation_of,
        seed=feeding.seed,
        input_size=feeding.input_size,
    )


class Scenes(TorchDataset[DetectionBatch]):
    """Makes batches; a `training.data.loading.Maker`.

    Args:
        scenes: the pictures.
        reader: reads them.
        unreadable_N: set to 1 here for a picture that cannot be read; uint8, seen by all copies.
        augmentation_of: how views vary.
        seed: of every random change.
        input_size: of the batches' pictures.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        reader: PictureReader,
        unreadable_N: Tensor,
        *,
        augmentation_of: AugmentationOf,
        seed: int,
        input_size: Size,
    ) -> None:
        self._scenes, self._reader, self.unreadable_N = scenes, reader, unreadable_N
        self._augmentation_of, self._seed, self._input_size = augmentation_of, seed, input_size

    def name(self, index: int, reason: str) -> BadRecord:
        """What to say about the picture at a position."""
        return BadRecord(self._scenes[index].picture.file, None, reason)

    def __getitem__(self, request: Request) -> DetectionBatch:
        """The batch that is asked for."""
        make = partial(self._sample, request.epoch)
        found = [first_readable(index, make, self.unreadable_N, self.name) for index in request.indices.tolist()]
        ids = [self._scenes[index].picture.image_id for index, _ in found]
        return batch_of_scenes([sample for _, sample in found], ids)

    def _sample(self, epoch: int, index: int) -> SceneSample:
        scene, augmentation = self._scenes[index], self._augmentation_of(epoch)
        if augmentation is None:
            return render([plain_tile(scene, self._input_size)], self._input_size, self._reader)
        random = sample_random(self._seed, epoch, index)
        another = partial(self._readable_scene, random)
        tiles = draw_tiles(scene, another, self._input_size, augmentation, random)
        change = draw_change(augmentation, self._input_size, random)
        sample = render(tiles, self._input_size, self._reader)
        changed = apply_change(sample.image, change)
        changed[(sample.image == LETTERBOX_GREY).all(axis=-1)] = LETTERBOX_GREY  # what surrounds photos never changes
        return sample._replace(image=changed)

    def _readable_scene(self, random: np.random.Generator) -> Scene:
        """Any scene whose picture can be read."""
        start = int(random.integers(len(self._scenes)))
        index, _ = first_readable(start, self._read, self.unreadable_N, self.name)
        return self._scenes[index]

    def _read(self, index: int) -> None:
        self._reader.read(self._scenes[index].picture)


def batch_of_scenes(samples: Sequence[SceneSample], ids: Sequence[int]) -> DetectionBatch:
    """Samples put together, boxes filled up with zeros.

    Args:
        samples: at least one, all of a size.
        ids: of their pictures.
    """
    height, width = samples[0].image.shape[:2]
    image_B3HW = np.empty((len(samples), 3, height, width), np.uint8)
    for planes_3HW, sample in zip(image_B3HW, samples, strict=True):
        cv2.split(sample.image, mv=list(planes_3HW[::-1]))  # blue first
    weight_BM = np.zeros((len(samples), max(len(sample.box_M4) for sample in samples)), np.float32)
    for row_M, sample in zip(weight_BM, samples, strict=True):
        row_M[: len(sample.weight_M)] = sample.weight_M
    return DetectionBatch(
        image_B3HW=torch.from_numpy(image_B3HW),
        box_BM4=torch.from_numpy(filled_up([sample.box_M4 for sample in samples])),
        weight_BM=torch.from_numpy(weight_BM),
        ignore_BR4=torch.from_numpy(filled_up([sample.ignore_R4 for sample in samples])),
        id_B=torch.tensor(ids, dtype=torch.int64),
    )


def filled_up(boxes: Sequence[Boxes]) -> np.ndarray[tuple[int, int, int], np.dtype[np.float32]]:
    """(pictures, most boxes, 4): each picture's boxes, then rows of zeros."""
    rows = np.zeros((len(boxes), max(map(len, boxes)), 4), np.float32)
    for row, of_one in zip(rows, boxes, strict=True):
        row[: len(of_one)] = of_one
    return rows
