"""Drawn stick figures whose every point is known exactly: something to learn from without any download.

A figure faces the viewer, so its left is on the right of the picture, also after a mirror image and its exchange of
names; nothing but the place tells left from right. The same seed gives the same pictures.
"""

import colorsys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float64

from pose_core.skeleton import FACE, FEET, FLIP_ORDER, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND
from pose_core.types import Image, PersonBox, Size
from training.data.records import Loaded, Person, Picture, dataset_of, options_of
from training.recipe import Source

OPTIONS: Final[dict[str, str | int | float]] = {"count": 64, "seed": 0, "width": 160, "height": 208}
"""How many figures, each in a picture of its own, and the size of the pictures."""

Points = Float64[np.ndarray, "points 2"]

_BODY_LINES: Final = (
    *((5, 6), (11, 12), (5, 11), (6, 12)),
    *((5, 7), (7, 9), (6, 8), (8, 10)),
    *((11, 13), (13, 15), (12, 14), (14, 16)),
    *((15, 17), (15, 18), (15, 19), (16, 20), (16, 21), (16, 22)),
    *((0, 1), (0, 2), (1, 3), (2, 4)),
)
_FINGER_LINES: Final = tuple(
    (hand.start + (0 if joint == 0 else 4 * finger + joint), hand.start + 4 * finger + joint + 1)
    for hand in (LEFT_HAND, RIGHT_HAND)
    for finger in range(5)
    for joint in range(4)
)
_FACE_CURVES: Final = ((0, 17), (17, 22), (22, 27), (27, 31), (31, 36), (36, 42), (42, 48), (48, 60), (60, 68))
_FACE_LINES: Final = tuple(
    (FACE.start + point, FACE.start + point + 1) for start, end in _FACE_CURVES for point in range(start, end - 1)
)
LINES: Final = (*_BODY_LINES, *_FINGER_LINES, *_FACE_LINES)
"""Which points are joined."""


def _colours() -> Iterator[tuple[float, float, float]]:
    """A bright colour for each line, the same for left and right."""
    kinds: dict[frozenset[int], int] = {}
    for line in LINES:
        kind = frozenset(min(point, int(FLIP_ORDER[point])) for point in line)
        yield colorsys.hsv_to_rgb(0.618 * kinds.setdefault(kind, len(kinds)) % 1.0, 0.7, 255)


COLOURS: Final = tuple(_colours())


def load_synthetic(folder: Path, source: Source) -> Loaded:
    """Figures in memory.

    Args:
        folder: not used.
        source: with the options of `OPTIONS`; paths are not used.
    """
    del folder
    options = options_of(source, OPTIONS)
    size = Size(int(options["width"]), int(options["height"]))
    seed = int(options["seed"])
    people = (
        draw_person(number, size, np.random.default_rng((seed, number))) for number in range(int(options["count"]))
    )
    return Loaded(dataset_of(f"synthetic, seed {seed}", people), ())


def draw_person(number: int, size: Size, random: np.random.Generator) -> Person:
    """One figure alone in its picture; its number is the id of both."""
    points = place_figure(draw_figure(random), size, random)
    picture = Picture(number, Path(f"synthetic-{number}"), size, paint(points, size, random))
    margin = 0.03 * np.ptp(points, axis=0)
    left, top = np.maximum(points.min(axis=0) - margin, 0)
    right, bottom = np.minimum(points.max(axis=0) + margin, [size.width - 1, size.height - 1])
    keypoints = np.ones((KEYPOINT_COUNT, 3), np.float32)
    keypoints[:, :2] = points
    return Person(picture, number, PersonBox(float(left), float(top), float(right), float(bottom)), keypoints)


# The figure


def draw_figure(random: np.random.Generator) -> Points:
    """The 133 points of a figure about eight units high, its hips at the origin, in a random pose."""
    torso = _turned(np.array([[0.9, -2.4], [-0.9, -2.4], [0.0, -2.4], [0.0, -3.7]]), random.uniform(-0.25, 0.25))
    shoulders, head = torso[:2], torso[3]
    arms = [_limb(shoulders[side], _outwards(side, random.uniform(0.1, 2.2)), 1.4, 1.3, random) for side in (0, 1)]
    hips = np.array([[0.5, 0.0], [-0.5, 0.0]])
    legs = [_limb(hips[side], _outwards(side, random.uniform(0.0, 0.5)), 1.9, 1.9, random) for side in (0, 1)]
    face = _face() * [0.75, 0.85] * random.uniform(0.85, 1.15) + head
    head_points = np.array([[0.0, 0.2], [0.33, -0.2], [-0.33, -0.2], [0.8, -0.1], [-0.8, -0.1]]) + head
    arm_points, leg_points = (np.stack(limbs, axis=1).reshape(4, 2) for limbs in (arms, legs))
    feet = [_foot(side) + legs[side][1] for side in (0, 1)]
    hands = [_hand(side, arms[side], random) for side in (0, 1)]
    return np.concatenate([head_points, shoulders, arm_points, hips, leg_points, *feet, face, *hands])


def _turned(points: Points, angle: float) -> Points:
    """Points turned clockwise around the origin."""
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _outwards(side: int, angle: float) -> float:
    """The direction so far from straight down, away from the body; 0 is the figure's left side."""
    return -angle if side == 0 else angle


def _limb(
    start: Float64[np.ndarray, "2"], angle: float, upper: float, lower: float, random: np.random.Generator
) -> Points:
    """Middle joint and end of an arm or a leg."""
    joint = start + _turned(np.array([[0.0, upper]]), angle)[0]
    return np.stack([joint, joint + _turned(np.array([[0.0, lower]]), angle + random.uniform(-0.7, 0.7))[0]])


def _foot(side: int) -> Points:
    """Big toe, small toe and heel around the ankle."""
    return np.array([[0.3, 0.5], [0.55, 0.4], [-0.1, 0.3]]) * [1 if side == 0 else -1, 1]


def _hand(side: int, arm: Points, random: np.random.Generator) -> Points:
    """Root and five fingers of four joints, pointing away from the elbow, the thumb towards the body."""
    elbow, wrist = arm
    along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    spread = np.deg2rad([50, 20, 5, -10, -28]) * random.uniform(0.7, 1.2) * (1 if side == 0 else -1)
    lengths = np.array([[0.6], [0.9], [1.0], [0.9], [0.7]]) * [0.45, 0.65, 0.85, 1.0]
    fingers = [_turned(along[None], angle) * length[:, None] for angle, length in zip(spread, lengths, strict=True)]
    return np.concatenate([wrist[None], *(finger + wrist for finger in fingers)])


def _face() -> Points:
    """The 68 points of a face of radius 1: jaw, brows, nose, eyes, outer and inner lip."""
    brow = np.stack([np.linspace(-0.75, -0.2, 5), [-0.5, -0.58, -0.6, -0.58, -0.53]], axis=1)
    bridge = np.stack([np.zeros(4), np.linspace(-0.3, 0.15, 4)], axis=1)
    nostrils = np.stack([np.linspace(-0.2, 0.2, 5), [0.27, 0.3, 0.32, 0.3, 0.27]], axis=1)
    eyes = [_ring(6, (center, -0.25), (0.2, 0.1)) for center in (-0.45, 0.45)]
    lips = [_ring(12, (0, 0.62), (0.4, 0.2)), _ring(8, (0, 0.62), (0.28, 0.09))]
    jaw = np.stack([-np.cos(np.linspace(0, np.pi, 17)), np.sin(np.linspace(0, np.pi, 17)) * 1.1], axis=1)
    return np.concatenate([jaw, brow, brow[::-1] * [-1, 1], bridge, nostrils, *eyes, *lips])


def _ring(count: int, center: tuple[float, float], radius: tuple[float, float]) -> Points:
    """Points on an ellipse, from its left end over the top."""
    angle = np.pi - np.arange(count) * 2 * np.pi / count
    return np.stack([np.cos(angle), -np.sin(angle)], axis=1) * radius + center


# The picture


def place_figure(figure: Points, size: Size, random: np.random.Generator) -> Points:
    """The figure scaled to 70 to 92 % of what fits into a picture, at a random place inside."""
    canvas = np.array([size.width - 1, size.height - 1])
    low, extent = figure.min(axis=0), np.ptp(figure, axis=0)
    scale = float((canvas / extent).min()) * random.uniform(0.7, 0.92)
    free = canvas - extent * scale
    return (figure - low) * scale + free * random.uniform(0.1, 0.9, 2)


def paint(points: Points, size: Size, random: np.random.Generator) -> Image:
    """The figure on a background of blurred noise; lines are true to 1/16 of a pixel."""
    coarse = random.integers(0, 130, (6, 5, 3)).astype(np.uint8)
    image: Image = cv2.resize(coarse, (size.width, size.height), interpolation=cv2.INTER_CUBIC)
    fixed = np.rint(points * 16).astype(int).tolist()
    for (start, end), colour in zip(LINES, COLOURS, strict=True):
        cv2.line(image, fixed[start], fixed[end], colour, 1, cv2.LINE_AA, 4)
    for x, y in fixed[: FEET.stop]:
        cv2.circle(image, (x, y), 24, (255, 255, 255), -1, cv2.LINE_AA, 4)
    return image
