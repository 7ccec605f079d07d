"""What a detector is shown: views and the boxes in them, and batches that can be made again."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pose_core.errors import InvalidInput
from pose_core.geometry import LETTERBOX_GREY, letterbox
from pose_core.types import Size
from tests.training.test_scenes import box, source, write
from training.contracts import DetectionBatch
from training.data import load_scenes
from training.data.batches import Request
from training.data.loading import BatchLoader, Feeding
from training.data.pictures import PictureReader
from training.data.records import Picture
from training.data.scene_batches import Scenes, plain_scene_loader, scene_loader
from training.data.scene_samples import render
from training.data.scene_views import draw_cut, draw_mosaic, draw_moved, draw_tiles, mirrored, plain_tile
from training.data.scenes import NO_BOXES, Scene, rows_of
from training.recipe import Augmentation, Data, Source

SIZE = Size(96, 64)
FIGURES = Source(dataset="synthetic", annotations="", options=(("count", 9), ("width", 80), ("height", 100)))
AUGMENTATION = Augmentation(cut=0.4, mosaic=0.5, scale=1.0, reduction=(0.2, 3.0), grey=0.1, dropout=(0.0, (0.0, 0.0)))
DATA = Data(train=(FIGURES,), val=FIGURES, augmentation=AUGMENTATION, light_from_epoch=100)
FEEDING = Feeding(input_size=SIZE, batch_size=4, seed=3)

forks = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


# ---- views


def block_scene(width: int = 120, height: int = 90, where: Sequence[int] = (30, 20, 70, 80)) -> Scene:
    """A picture whose person is a white block on black."""
    pixels = np.zeros((height, width, 3), np.uint8)
    left, top, right, bottom = where
    pixels[top:bottom, left:right] = 255
    picture = Picture(1, Path("block"), Size(width, height), pixels)
    return Scene(picture, rows_of([where]), np.ones(1, np.float32), NO_BOXES)


def white_box(image: np.ndarray) -> list[float]:
    """The extent of what is white: pixels count from where they are as bright as half of white."""
    bright = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) > 127 + (LETTERBOX_GREY > 127)
    y, x = np.nonzero(bright)
    return [x.min(), y.min(), x.max() + 1, y.max() + 1]


def test_the_plain_view_is_that_of_serving() -> None:
    scene = block_scene()
    sample = render([plain_tile(scene, SIZE)], SIZE, PictureReader())
    served = letterbox(scene.picture.pixels, SIZE) if scene.picture.pixels is not None else None
    assert served is not None
    assert np.abs(sample.image.astype(int) - served).mean() < 1.5
    np.testing.assert_array_equal(sample.image[:, 86:], LETTERBOX_GREY)
    np.testing.assert_allclose(sample.box_M4, scene.box_M4 * 64 / 90, rtol=0.01)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["moved", "cut", "mosaic"])
def test_boxes_are_where_people_are(kind: str, seed: int, mirror: bool) -> None:  # noqa: FBT001 - a parameter
    random, scene = np.random.default_rng(seed), block_scene()
    if kind == "moved":
        tiles = [draw_moved(scene, SIZE, AUGMENTATION, random)]
    elif kind == "cut":
        tiles = [draw_cut(scene, scene.box_M4[0], SIZE, random)]
    else:
        tiles = draw_mosaic([scene, *[block_scene(50, 50, (0, 0, 1, 1))] * 3], SIZE, AUGMENTATION, random)
    tiles = [mirrored(tile) for tile in tiles] if mirror else tiles
    sample = render(tiles[:1], SIZE, PictureReader())
    found = np.concatenate([sample.box_M4, sample.ignore_R4])
    assert len(found) == int((sample.image > 200).any())
    assert all(np.abs(one - white_box(sample.image)).max() <= 1.5 for one in found)


def test_a_cut_leaves_part_of_a_person_in_a_full_view() -> None:
    scene, size = block_scene(), Size(384, 256)
    shares = []
    for seed in range(40):
        tile = draw_cut(scene, scene.box_M4[0], size, np.random.default_rng(seed))
        sample = render([tile], size, PictureReader())
        (left, top, right, bottom) = sample.box_M4[0].tolist()
        scale = tile.placement.scale_x
        shares.append((right - left) * (bottom - top) / scale**2 / (40 * 60))
        assert max(tile.frame.right / size.width, tile.frame.bottom / size.height) > 0.99
        assert (tile.frame.left, tile.frame.top) == (0, 0)
    assert 0.15 < min(shares) < 0.4
    assert max(shares) < 0.85


def test_a_mosaic_shows_four_pictures_each_in_its_corner() -> None:
    random = np.random.default_rng(0)
    tiles = draw_mosaic([block_scene()] * 4, SIZE, AUGMENTATION, random)
    covered = np.zeros((SIZE.height, SIZE.width), int)
    for tile in tiles:
        covered[tile.frame.top : tile.frame.bottom, tile.frame.left : tile.frame.right] += 1
    assert (covered == 1).all()


def test_hardly_anybody_and_tiny_people_are_ignored() -> None:
    scene = block_scene()
    tile = plain_tile(scene, SIZE)
    most = tile._replace(frame=tile.frame._replace(right=28))
    assert len(render([most], SIZE, PictureReader()).ignore_R4) == 1
    small = block_scene(800, 600, (30, 20, 70, 80))
    assert len(render([plain_tile(small, SIZE)], SIZE, PictureReader()).ignore_R4) == 1
    gone = tile._replace(frame=tile.frame._replace(right=10))
    assert [len(boxes) for boxes in render([gone], SIZE, PictureReader())[1:]] == [0, 0, 0]


def test_all_kinds_of_views_are_drawn() -> None:
    random, scene = np.random.default_rng(0), block_scene()
    kinds = set()
    for _ in range(60):
        tiles = draw_tiles(scene, lambda: scene, SIZE, AUGMENTATION, random)
        whole = tiles[0].frame[2:] == (SIZE.width, SIZE.height)
        kinds.add((len(tiles), whole, tiles[0].placement.scale_x < 0))
    assert {count for count, _, _ in kinds} == {1, 4}
    assert len(kinds) >= 5


# ---- batches


@pytest.fixture(scope="module")
def figures() -> BatchLoader[DetectionBatch]:
    return scene_loader(load_scenes(Path(), [FIGURES]), DATA, FEEDING)


def assert_same(one: Sequence[DetectionBatch], other: Sequence[DetectionBatch]) -> None:
    assert len(one) == len(other)
    for first, second in zip(one, other, strict=True):
        for name in ("image_B3HW", "box_BM4", "weight_BM", "ignore_BR4", "id_B"):
            assert torch.equal(getattr(first, name), getattr(second, name)), name


def test_shapes_types_and_padding(figures: BatchLoader[DetectionBatch]) -> None:
    batches = list(figures.epoch(0))
    assert [len(batch.id_B) for batch in batches] == [4, 4, 1]
    for batch in batches:
        assert (batch.image_B3HW.shape[1:], batch.image_B3HW.dtype) == ((3, 64, 96), torch.uint8)
        assert batch.box_BM4.shape[:2] == batch.weight_BM.shape
        assert batch.box_BM4.dtype == batch.weight_BM.dtype == batch.ignore_BR4.dtype == torch.float32
        assert (batch.box_BM4[batch.weight_BM == 0] == 0).all()
        real = batch.box_BM4[batch.weight_BM > 0]
        assert (real[:, 2:] > real[:, :2]).all()
        assert (real >= 0).all()
        assert (real <= torch.tensor([96, 64, 96, 64])).all()


def test_epochs_can_be_made_again_and_begun_anywhere(figures: BatchLoader[DetectionBatch]) -> None:
    first = list(figures.epoch(0))
    assert_same(first, list(figures.epoch(0)))
    assert_same(first[1:], list(figures.epoch(0, 1)))
    assert not torch.equal(first[0].image_B3HW, next(figures.epoch(1)).image_B3HW)


@forks
def test_workers_make_no_difference(figures: BatchLoader[DetectionBatch]) -> None:
    many = scene_loader(load_scenes(Path(), [FIGURES]), DATA, replace(FEEDING, workers=2))
    assert_same(list(figures.epoch(3)), list(many.epoch(3)))


def test_pictures_are_blue_first_and_prepared_as_they_are() -> None:
    batch = next(plain_scene_loader(load_scenes(Path(), [FIGURES]), FEEDING).epoch(0))
    scene = load_scenes(Path(), [FIGURES]).scenes[0]
    rgb = render([plain_tile(scene, SIZE)], SIZE, PictureReader()).image
    np.testing.assert_array_equal(batch.image_B3HW[0].permute(1, 2, 0).numpy()[..., ::-1], rgb)
    ready = batch.prepared(torch.channels_last)
    assert ready.image_B3HW.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(ready.image_B3HW, batch.image_B3HW.float(), rtol=0, atol=0)


def test_what_surrounds_photos_never_changes() -> None:
    plain = replace(AUGMENTATION, mosaic=0.0, cut=0.0, hue=(0.0, 0.0, 90.0), blur=0.0, reduction=(0.0, 1.0))
    data = replace(DATA, augmentation=plain)
    for batch in scene_loader(load_scenes(Path(), [FIGURES]), data, FEEDING).epoch(0):
        grey = (batch.image_B3HW == LETTERBOX_GREY).all(dim=1)
        assert grey.any(dim=2).any(dim=1).all(), "every letterboxed picture has some"


def test_unreadable_pictures_are_replaced(tmp_path: Path) -> None:
    write(tmp_path, [box(1), box(2, 2), box(3, 3)], pictures=3)
    (tmp_path / "images" / "2.jpg").write_bytes(b"no picture")
    loader = scene_loader(load_scenes(tmp_path, [source()]), DATA, FEEDING)
    for epoch in range(4):
        assert 2 not in next(loader.epoch(epoch)).id_B.tolist()
    assert [record.file.name for record in loader.unreadable] == ["2.jpg"]


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="no picture to learn from"):
        scene_loader(load_scenes(Path(), [FIGURES])._replace(scenes=()), DATA, FEEDING)


def test_what_workers_get_can_be_sent_to_them() -> None:
    loaded, marks = load_scenes(Path(), [FIGURES]), torch.zeros(9, dtype=torch.uint8)
    scenes = Scenes(
        loaded.scenes,
        PictureReader(10**6),
        marks,
        augmentation_of=partial(lambda_free, AUGMENTATION),
        seed=1,
        input_size=SIZE,
    )
    request = Request(0, np.arange(2))
    assert_same([pickle.loads(pickle.dumps(scenes))[request]], [scenes[request]])  # noqa: S301 - our own


def lambda_free(augmentation: Augmentation, _epoch: int) -> Augmentation:
    return augmentation
