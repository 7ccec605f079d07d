"""Batches: what is in them, that they can be made again, and what happens to pictures that cannot be read."""

import logging
import pickle
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.training import pipeline_rate, processor_ms
from pose_core.codecs import Heatmap, SimCC
from pose_core.errors import InvalidImage, InvalidInput
from pose_core.types import Size
from tests.training.data_folder import SOURCE, annotation, jpeg, write_folder
from training.contracts import BatchSource, PoseBatch
from training.data import load_sources
from training.data.augment import plain_view
from training.data.batches import Crops, Request, batch_of
from training.data.crops import Sample, plain_sample
from training.data.loading import Loader, Loading, augmentation_at, plain_loader, training_loader
from training.data.pictures import PictureReader, Pixels
from training.data.records import Dataset, Picture
from training.data.synthetic import load_synthetic
from training.recipe import LIGHT_AUGMENTATION, Augmentation, Data, Source

SIZE = Size(48, 64)
FIGURES = Source(dataset="synthetic", annotations="", options=(("count", 10), ("width", 48), ("height", 64)))
DATA = Data(train=(FIGURES,), val=FIGURES, light_from_epoch=2)
LOADING = Loading(input_size=SIZE, codec=SimCC(), batch_size=4, seed=3)

forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(scope="module")
def figures() -> Dataset:
    return load_synthetic(Path(), FIGURES).dataset


def training(figures: Dataset, **changes: object) -> Loader:
    return training_loader(figures, DATA, replace(LOADING, **changes))  # type: ignore[arg-type]


def assert_same(first: list[PoseBatch], second: list[PoseBatch]) -> None:
    assert len(first) == len(second)
    for one, other in zip(first, second, strict=True):
        for name in ("image_B3HW", "weight_BK", "keypoint_BK2", "id_B"):
            torch.testing.assert_close(getattr(one, name), getattr(other, name), rtol=0, atol=0)


# ---- what is in a batch


def test_shapes_and_types(figures: Dataset) -> None:
    batches = list(training(figures).epoch(0))
    assert [len(batch.id_B) for batch in batches] == [4, 4, 2], "the last smaller batch is kept"
    batch = batches[0]
    assert (batch.image_B3HW.shape, batch.image_B3HW.dtype) == ((4, 3, 64, 48), torch.uint8)
    assert batch.targets == (), "they are drawn where they are needed"
    assert {tensor.dtype for tensor in (batch.weight_BK, batch.keypoint_BK2)} == {torch.float32}
    assert (batch.weight_BK.shape, batch.keypoint_BK2.shape) == ((4, 133), (4, 133, 2))
    assert batch.id_B.dtype == torch.int64
    assert all(tensor.is_contiguous() for tensor in (batch.image_B3HW, batch.keypoint_BK2))


def test_plain_batches_are_the_plain_samples(figures: Dataset) -> None:
    batches = list(plain_loader(figures, LOADING).epoch(0))
    assert torch.cat([batch.id_B for batch in batches]).tolist() == list(range(10))
    crop, keypoints, _ = plain_sample(figures[5], SIZE, PictureReader())
    np.testing.assert_array_equal(batches[1].image_B3HW[1].permute(1, 2, 0).numpy(), crop)
    np.testing.assert_array_equal(batches[1].keypoint_BK2[1].numpy(), keypoints[:, :2])
    expected = SimCC().encode(keypoints[None, :, :2], keypoints[None, :, 2] > 0, SIZE)
    np.testing.assert_array_equal(batches[1].labelled().targets[0][1].numpy(), expected.arrays[0][0])
    np.testing.assert_array_equal(batches[1].weight_BK[1].numpy(), expected.weights[0])


def test_plain_epochs_are_all_the_same(figures: Dataset) -> None:
    loader = plain_loader(figures, LOADING)
    assert_same(list(loader.epoch(0)), list(loader.epoch(5)))


def test_confidence_is_a_weight_and_no_label(figures: Dataset) -> None:
    keypoints = figures.keypoint_NK3.copy()
    keypoints[:, ::2, 2] = 0.25
    keypoints[:, 1, 2] = 0
    half = replace(figures, keypoint_NK3=keypoints)
    (batch, *_), (certain, *_) = (list(plain_loader(people, LOADING).epoch(0)) for people in (half, figures))
    assert batch.weight_BK[0, :4].tolist() == [0.25, 0, 0.25, 1]
    unsure, sure = batch.labelled().targets[0], certain.labelled().targets[0]
    assert (unsure[:, 1] == 0).all()
    torch.testing.assert_close(unsure[:, 2:], sure[:, 2:], rtol=0, atol=0)


def test_points_out_of_reach_teach_nothing(figures: Dataset) -> None:
    keypoints = figures.keypoint_NK3.copy()
    keypoints[:, 0, 0] = -500
    batch = next(plain_loader(replace(figures, keypoint_NK3=keypoints), LOADING).epoch(0))
    assert (batch.weight_BK[:, 0] == 0).all()
    assert (batch.weight_BK[:, 1:] == 1).all()


def test_another_codec(figures: Dataset) -> None:
    batch = next(training(figures, codec=Heatmap(map_size=Size(12, 16))).epoch(0))
    assert [target.shape for target in batch.labelled().targets] == [(4, 133, 16, 12)]


def test_what_workers_get_can_be_sent_to_them(figures: Dataset) -> None:
    """Where processes cannot be forked, everything is pickled."""
    crops = Crops(
        figures,
        PictureReader(10**6),
        torch.zeros(10, dtype=torch.uint8),
        augmentation_of=partial(augmentation_at, DATA),
        seed=LOADING.seed,
        codec=LOADING.codec,
        input_size=SIZE,
    )
    request = Request(1, np.array([4, 2]))
    assert_same([pickle.loads(pickle.dumps(crops))[request]], [crops[request]])  # noqa: S301 - our own bytes


def test_a_loader_is_a_batch_source(figures: Dataset) -> None:
    source: BatchSource = training(figures)
    assert len(list(source.epoch(0, 1))) == source.steps_per_epoch - 1 == 2


# ---- which samples


def test_every_epoch_sees_everybody_in_another_order(figures: Dataset) -> None:
    loader = training(figures)
    orders = [torch.cat([batch.id_B for batch in loader.epoch(epoch)]).tolist() for epoch in range(3)]
    assert [sorted(order) for order in orders] == [list(range(10))] * 3
    assert len({tuple(order) for order in orders}) == 3


def test_the_same_person_looks_different_in_every_epoch(figures: Dataset) -> None:
    loader = training(figures.subset([0]))
    images = [next(loader.epoch(epoch)).image_B3HW.numpy().tobytes() for epoch in range(4)]
    assert len(set(images)) == 4


def test_seed_and_epoch_give_the_batches_again(figures: Dataset) -> None:
    assert_same(list(training(figures).epoch(7)), list(training(figures).epoch(7)))
    other = next(training(figures, seed=4).epoch(7))
    assert not torch.equal(other.image_B3HW, next(training(figures).epoch(7)).image_B3HW)


@forks
def test_workers_change_nothing_and_live_on(figures: Dataset) -> None:
    expected = [list(training(figures).epoch(epoch)) for epoch in range(3)]
    for workers in (1, 2):
        loader = training(figures, workers=workers)
        assert_same(list(loader.epoch(1)), expected[1])
        assert_same(list(loader.epoch(0)), expected[0])
        next(loader.epoch(2))  # is left in the middle
        assert_same(list(loader.epoch(2, start=1)), expected[2][1:])


@pytest.mark.parametrize("start", [0, 1, 2, 3, 9])
def test_an_epoch_can_begin_in_the_middle(figures: Dataset, start: int) -> None:
    assert_same(list(training(figures).epoch(1, start)), list(training(figures).epoch(1))[start:])


def test_processes_share_a_step(figures: Dataset) -> None:
    """Two processes see together what one sees alone; they have equally many steps although ten are not divisible."""
    alone = [sorted(batch.id_B.tolist()) for batch in training(figures).epoch(0)]
    loaders = [training(figures, rank=rank, world=2) for rank in range(2)]
    assert [loader.steps_per_epoch for loader in loaders] == [3, 3]
    together = [
        sorted([*one.id_B.tolist(), *other.id_B.tolist()])
        for one, other in zip(loaders[0].epoch(0), loaders[1].epoch(0), strict=True)
    ]
    assert together == alone


def test_padding_makes_shares_equal(figures: Dataset) -> None:
    batches = [list(training(figures, batch_size=8, rank=rank, world=4).epoch(0)) for rank in range(4)]
    assert [[len(batch.id_B) for batch in share] for share in batches] == [[2, 1]] * 4
    seen = torch.cat([batch.id_B for share in batches for batch in share]).tolist()
    assert set(seen) == set(range(10))
    assert len(seen) == 12


def test_epochs_can_be_cut_short(figures: Dataset) -> None:
    loader = training(figures, steps_per_epoch=2)
    assert loader.steps_per_epoch == 2
    assert_same(list(loader.epoch(0)), list(training(figures).epoch(0))[:2])
    assert list(loader.epoch(0, start=2)) == []
    assert training(figures, steps_per_epoch=100).steps_per_epoch == 3


def test_the_phase_follows_from_the_epoch(figures: Dataset) -> None:
    assert [augmentation_at(DATA, epoch) for epoch in (0, 1, 2, 3)] == [
        *[Augmentation()] * 2,
        *[LIGHT_AUGMENTATION] * 2,
    ]
    plain = Augmentation(flip=0, half_body=0, shift=(0, 0), scale=0, rotation=(0, 0), hue=(0, 0, 0), blur=0)
    still = replace(plain, dropout=(0.0, (0.2, 0.4)))
    data = replace(DATA, light_augmentation=still, light_from_epoch=1)
    loader = training_loader(figures.subset([0]), data, LOADING)
    moved, at_rest = (next(loader.epoch(epoch)).keypoint_BK2[0].numpy() for epoch in (0, 1))
    expected = plain_view(figures[0], SIZE).matrix @ np.append(figures[0].keypoints[0, :2], 1)
    np.testing.assert_allclose(at_rest[0], expected, atol=1e-3)
    assert abs(moved - at_rest).max() > 1


def test_the_global_random_numbers_stay_as_they_are(figures: Dataset) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    list(training(figures).epoch(0))
    assert torch.equal(torch.get_rng_state(), before)


# ---- what cannot be read


@pytest.fixture
def spoilt(tmp_path: Path) -> Dataset:
    """Five people in five pictures; the second and the third picture break after the annotations were read."""
    folder = write_folder(tmp_path, [annotation(10 * n, n) for n in range(1, 6)], pictures=5)
    dataset = load_sources(folder, [SOURCE]).dataset
    (folder / "images" / "2.jpg").unlink()
    (folder / "images" / "3.jpg").write_bytes(b"\xff\xd8 no picture")
    return dataset


def test_the_next_readable_person_takes_the_place(spoilt: Dataset, caplog: pytest.LogCaptureFixture) -> None:
    loader = plain_loader(spoilt, LOADING)
    with caplog.at_level(logging.WARNING):
        ids = [torch.cat([batch.id_B for batch in loader.epoch(epoch)]).tolist() for epoch in range(2)]
    assert ids == [[10, 40, 40, 40, 50]] * 2
    assert [message.split(": ")[0].rpartition("/")[2] for message in caplog.messages] == [
        "2.jpg, annotation 20",
        "3.jpg, annotation 30",
    ], "each once, not once per epoch"
    assert "cannot be read: No such file" in caplog.messages[0]
    assert [(record.file.name, record.annotation_id) for record in loader.unreadable] == [("2.jpg", 20), ("3.jpg", 30)]


class CountingReader(PictureReader):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read_files: list[str] = []

    def read(self, picture: Picture, reduction: int = 1) -> Pixels:
        """See `PictureReader`."""
        self.read_files.append(picture.file.name)
        return super().read(picture, reduction)


PLAIN = Augmentation(hue=(0, 0, 0), blur=0, dropout=(0, (0.2, 0.4)))


def crops_of(dataset: Dataset, reader: PictureReader, neighbour: float) -> Crops:
    return Crops(
        dataset,
        reader,
        torch.zeros(len(dataset), dtype=torch.uint8),
        augmentation_of=lambda _epoch: replace(PLAIN, neighbour=neighbour),
        seed=1,
        codec=LOADING.codec,
        input_size=SIZE,
    )


def test_a_neighbour_is_somebody_from_another_picture_and_read_once(tmp_path: Path) -> None:
    people = [annotation(1, 1), annotation(2, 1), annotation(3, 2)]
    dataset = load_sources(write_folder(tmp_path, people, pictures=2), [SOURCE]).dataset
    beside = 0
    for epoch in range(20):
        reader = CountingReader()
        crops_of(dataset, reader, 1.0)[Request(epoch, np.array([0]))]
        assert reader.read_files in (["1.jpg"], ["2.jpg", "1.jpg"])
        beside += len(reader.read_files) == 2
    assert 2 < beside < 15, "one of three people is from another picture"


def test_a_neighbour_is_in_the_crop(tmp_path: Path) -> None:
    dataset = load_sources(write_folder(tmp_path, [annotation(1, 1), annotation(2, 2)], pictures=2), [SOURCE]).dataset
    (tmp_path / "images" / "2.jpg").write_bytes(jpeg(np.full((90, 120, 3), (250, 0, 0), np.uint8)))
    makers = [crops_of(dataset, PictureReader(), share) for share in (0.0, 1.0)]
    red = [[(image_of(crops, epoch) == (250, 0, 0)).all(axis=-1).any() for epoch in range(12)] for crops in makers]
    assert not any(red[0])
    assert 2 < sum(red[1]) < 12


def image_of(crops: Crops, epoch: int) -> np.ndarray:
    """The first person's crop, what is nearly red made red."""
    image = crops[Request(epoch, np.array([0]))].image_B3HW[0].permute(1, 2, 0).numpy()
    return np.where((abs(image - np.array([250.0, 0, 0])) < 12).all(axis=-1, keepdims=True), (250, 0, 0), image)


def test_a_neighbour_that_cannot_be_read_is_named_and_left_out(spoilt: Dataset) -> None:
    crops = crops_of(spoilt, PictureReader(), 1.0)
    for epoch in range(20):
        assert crops[Request(epoch, np.array([0]))].id_B.tolist() == [10]
    assert crops.unreadable_N.tolist() == [0, 1, 1, 0, 0]


@forks
def test_what_a_worker_says_is_one_line(spoilt: Dataset) -> None:
    loader = plain_loader(spoilt.subset([1, 2]), replace(LOADING, workers=1))
    with pytest.raises(InvalidImage) as refused:
        list(loader.epoch(0))
    assert re.fullmatch(r"\S*2\.jpg and the pictures of the 1 samples after it are unreadable", str(refused.value))


@forks
def test_workers_report_what_they_could_not_read(spoilt: Dataset) -> None:
    loader = training_loader(spoilt, DATA, replace(LOADING, workers=2))
    ids = [torch.cat([batch.id_B for batch in loader.epoch(0)]).tolist() for _ in range(2)]
    assert ids[0] == ids[1]
    assert sorted(ids[0]) == [10, 40, 40, 40, 50]
    assert [record.annotation_id for record in loader.unreadable] == [20, 30]


def test_a_set_without_a_readable_picture_ends_with_a_message(spoilt: Dataset) -> None:
    with pytest.raises(InvalidImage, match=r"2\.jpg and the pictures of the 1 samples after it are unreadable"):
        list(plain_loader(spoilt.subset([1, 2]), LOADING).epoch(0))


def test_an_empty_set_is_refused(figures: Dataset) -> None:
    with pytest.raises(InvalidInput, match="nobody to learn from"):
        training(figures.subset([]))


def test_a_batch_that_cannot_be_divided_is_refused(figures: Dataset) -> None:
    with pytest.raises(InvalidInput, match="batch_size"):
        training(figures, batch_size=3, world=2)


# ---- the benchmark, the real pictures


def test_rate_is_measured(figures: Dataset) -> None:
    rate = pipeline_rate(training(figures), seconds=0.05)
    assert 1 < rate < 1e6
    assert 0.001 < processor_ms(training(figures), batches=2) < 1000


@pytest.mark.shared
def test_people_pack_becomes_batches(shared: Path) -> None:
    source = Source(dataset="coco_wholebody", annotations="val.json", options=(("confidence_weights", 1),))
    dataset, bad = load_sources(shared / "data" / "people", [source])
    assert bad == ()
    people = dataset.subset(range(0, len(dataset), 12))
    loader = training_loader(people, DATA, replace(LOADING, input_size=Size(192, 256), batch_size=16))
    batches = list(loader.epoch(0))
    assert sum(len(batch.id_B) for batch in batches) == len(people)
    assert loader.unreadable == ()
    for batch in batches:
        assert all(torch.isfinite(target).all() for target in batch.labelled().targets)
        assert 0 < float(batch.weight_BK.max()) <= 1


def test_a_point_outside_the_view_is_absent() -> None:
    """It teaches nothing about places, as published; without a label nothing is known of it."""
    keypoints = np.zeros((133, 3), np.float32)
    keypoints[:4] = np.array([(10, 10, 1), (500, 10, 1), (12, 12, 0.5), (600, 10, 0)])
    shown = np.ones(133, np.bool_)
    shown[2] = False
    sample = Sample(np.zeros((SIZE.height, SIZE.width, 3), np.uint8), keypoints, shown)
    batch = batch_of([sample], [7], SimCC(), SIZE)
    assert batch.weight_BK[0, :5].tolist() == [1, 0, 0, 0, 0]
    assert batch.absent_BK[0, :5].tolist() == [0, 1, 0.5, 0, 0]
    (labels, _) = batch.labelled().targets
    assert labels[0, 0].max() == 1
    assert labels[0, 1:].max() == 0
