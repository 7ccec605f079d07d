"""What a detector is shown of its pictures: as serving would, moved and scaled, cut across somebody, four in one.

A view is a list of tiles, drawn from the annotations alone; `training.data.scene_samples` renders it. Positions on
photo and canvas are edges: the middle of a picture's first pixel lies at 0.5.

Not from a published pipeline, but in the manner of YOLOX's (arXiv 2107.08430, section 2.1). There is no rotation: boxes
of turned boxes are too large.
"""

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from pose_core.geometry import Placement, letterbox_ratio
from pose_core.types import Size
from training.data.scenes import Boxes, Scene
from training.recipe import Augmentation

PLAIN_SHARE: Final = 0.25
"""How often a picture that is not cut and not one of four is seen as serving would see it."""

STRETCH: Final = 0.1
"""Largest change of a picture's aspect ratio, as a logarithm."""

MIDDLE: Final = (0.3, 0.7)
"""Where four pictures meet, as a fraction of the canvas."""

PORTRAIT_SHARE: Final = 0.5
"""How many cuts leave the upper part of a person, or all of a close-up; the others take away one side."""

LEFT_OF_PORTRAIT: Final = (0.2, 0.65)
LEFT_OF_SIDE: Final = (0.35, 0.8)
"""How much of a person's box is left along the axis of the cut."""

MARGIN: Final = (0.02, 0.4)
"""How much of the picture stays around the person, as a fraction of the longer side of what is left."""

LEAST_PX: Final = 24.0
"""Nobody smaller is cut."""


class Frame(NamedTuple):
    """The columns and rows of the canvas that a tile may fill; the last ones are excluded."""

    left: int
    top: int
    right: int
    bottom: int


class Tile(NamedTuple):
    """One picture on the canvas: canvas = photo * scale + offset per axis; a negative scale mirrors."""

    scene: Scene
    placement: Placement
    frame: Frame


Another = Callable[[], Scene]
"""Any scene of the set, a new one with each call."""


def plain_tile(scene: Scene, size: Size) -> Tile:
    """The picture as the service shows it to a detector: at the top left, as large as the canvas allows."""
    photo = scene.picture.size
    ratio = letterbox_ratio(photo, size)
    frame = Frame(0, 0, max(1, int(photo.width * ratio)), max(1, int(photo.height * ratio)))
    return Tile(scene, Placement(frame.right / photo.width, frame.bottom / photo.height), frame)


def draw_tiles(
    scene: Scene, another: Another, size: Size, augmentation: Augmentation, random: np.random.Generator
) -> list[Tile]:
    """A random view of a scene, alone or with three others.

    Args:
        scene: what must be in it.
        another: whence the other three come.
        size: of the canvas.
        augmentation: `mosaic` and `cut` say how often, `scale` how far sizes vary, `shift` whether a picture leaves its
            corner, and `flip` how often a tile is mirrored.
        random: decides.
    """
    if random.random() < augmentation.mosaic:
        tiles = draw_mosaic([scene, another(), another(), another()], size, augmentation, random)
    elif random.random() < augmentation.cut and len(large := large_boxes(scene)):
        tiles = [draw_cut(scene, large[random.integers(len(large))], size, random)]
    elif random.random() < PLAIN_SHARE:
        tiles = [plain_tile(scene, size)]
    else:
        tiles = [draw_moved(scene, size, augmentation, random)]
    return [mirrored(tile) if random.random() < augmentation.flip else tile for tile in tiles]


def mirrored(tile: Tile) -> Tile:
    """The same tile with its content mirrored where it is: what was at its left edge is at its right one."""
    frame, placement = tile.frame, tile.placement
    offset_x = frame.left + frame.right - placement.offset_x
    return tile._replace(placement=Placement(-placement.scale_x, placement.scale_y, offset_x, placement.offset_y))


def draw_scales(
    scene: Scene, size: Size, augmentation: Augmentation, random: np.random.Generator
) -> tuple[float, float]:
    """Factors per axis from photo to canvas: that of serving, changed by up to 1 + `scale` in either direction."""
    change = random.uniform(-1, 1) * math.log1p(augmentation.scale)
    stretch = random.uniform(-STRETCH, STRETCH) / 2
    ratio = letterbox_ratio(scene.picture.size, size)
    return ratio * math.exp(change + stretch), ratio * math.exp(change - stretch)


def draw_moved(scene: Scene, size: Size, augmentation: Augmentation, random: np.random.Generator) -> Tile:
    """A picture at another scale, with `shift[0]` as probability at a place other than the corner."""
    scale_x, scale_y = draw_scales(scene, size, augmentation, random)
    photo, free = scene.picture.size, random.random() < augmentation.shift[0]
    x, y = random.uniform(0, 1, 2) if free else (0.0, 0.0)
    offsets = ((size.width - photo.width * scale_x) * x, (size.height - photo.height * scale_y) * y)
    return Tile(scene, Placement(scale_x, scale_y, *offsets), Frame(0, 0, size.width, size.height))


def draw_mosaic(scenes: list[Scene], size: Size, augmentation: Augmentation, random: np.random.Generator) -> list[Tile]:
    """Four pictures that meet at a point: each fills its corner of the canvas as far as it reaches.

    A picture larger than its corner shows any part of it; a smaller one touches the point.
    """
    middle_x, middle_y = (int(random.uniform(*MIDDLE) * side) for side in (size.width, size.height))
    tiles = []
    for number, scene in enumerate(scenes):
        right, below = bool(number % 2), number >= 2
        across = (middle_x, size.width) if right else (0, middle_x)
        down = (middle_y, size.height) if below else (0, middle_y)
        # at half the size four whole pictures fill the canvas
        scale_x, scale_y = (scale * math.sqrt(0.5) for scale in draw_scales(scene, size, augmentation, random))
        offset_x = draw_offset(across, scene.picture.size.width * scale_x, random, at_start=right)
        offset_y = draw_offset(down, scene.picture.size.height * scale_y, random, at_start=below)
        frame = Frame(across[0], down[0], across[1], down[1])
        tiles.append(Tile(scene, Placement(scale_x, scale_y, offset_x, offset_y), frame))
    return tiles


def draw_offset(span: tuple[int, int], length: float, random: np.random.Generator, *, at_start: bool) -> float:
    """Where a picture of some length begins so that it fills a span, or lies at one end of it if it is too short."""
    start, end = span
    if length >= end - start:
        return end - length + random.uniform(0, 1) * (length - (end - start))
    return float(start) if at_start else end - length


def large_boxes(scene: Scene) -> Boxes:
    """People large enough to be seen in part."""
    sides_M2 = scene.box_M4[:, 2:] - scene.box_M4[:, :2]
    return scene.box_M4[(sides_M2 >= LEAST_PX).all(axis=1)]


def draw_cut(scene: Scene, box: Boxes, size: Size, random: np.random.Generator) -> Tile:
    """A picture that ends across a person, as serving would see it: a portrait, or one side of the body missing."""
    photo = scene.picture.size
    edges = box.tolist()
    if random.random() < PORTRAIT_SHARE:
        edges[3] = edges[1] + (edges[3] - edges[1]) * random.uniform(*LEFT_OF_PORTRAIT)
        cut = 3
    else:
        cut = int(random.integers(4))
        other = (cut + 2) % 4
        edges[cut] = edges[other] + (edges[cut] - edges[other]) * random.uniform(*LEFT_OF_SIDE)
    longer = max(edges[2] - edges[0], edges[3] - edges[1])
    for edge, margin in enumerate(random.uniform(*MARGIN, 4) * longer):
        if edge != cut:
            edges[edge] += margin if edge >= 2 else -margin
    left, top = max(edges[0], 0.0), max(edges[1], 0.0)
    right, bottom = min(edges[2], photo.width), min(edges[3], photo.height)
    ratio = min(size.width / (right - left), size.height / (bottom - top))
    frame = Frame(0, 0, max(1, int((right - left) * ratio)), max(1, int((bottom - top) * ratio)))
    return Tile(scene, Placement(ratio, ratio, -left * ratio, -top * ratio), frame)
