"""What a skeleton is drawn with: limbs, discs and lines, in canvas pixels, each with a colour number.

A style says which shapes a person becomes; a renderer puts them on a surface. Colours are those of the ControlNet
training maps (sd-webui-controlnet@56cec5b); the feet, which those maps never show, take BODY_25's.
"""

import colorsys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from pose_core.openpose import OpenPoseScene, visible
from pose_core.types import Size


class Limb(NamedTuple):
    """A filled ellipse from one point to another."""

    x0: float
    y0: float
    x1: float
    y1: float
    half_width: int
    colour: int


class Disc(NamedTuple):
    """A filled circle."""

    x: float
    y: float
    radius: int
    colour: int


class Line(NamedTuple):
    """A straight line."""

    x0: float
    y0: float
    x1: float
    y1: float
    colour: int
    width: int = 2


Shape = Limb | Disc | Line

BODY_EDGES: Final = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10)),
    *((1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
"""The 17 limbs between OpenPose-18 points, in drawing order."""

HAND_EDGES: Final = tuple(
    (0 if joint == 1 else joint - 1 + 4 * finger, joint + 4 * finger) for finger in range(5) for joint in range(1, 5)
)
"""The 20 bones of a hand, thumb first, from the wrist outwards."""

FEET_EDGES: Final = ((13, 0), (0, 1), (13, 2), (10, 3), (3, 4), (10, 5))
"""Per foot: ankle (OpenPose-18) to big toe, big toe to small toe (both of the feet), ankle to heel."""

ANIMAL_EDGES: Final = (
    *((0, 1), (1, 2), (0, 2), (2, 3), (3, 8), (8, 9), (9, 10), (3, 5), (5, 6), (6, 7)),
    *((3, 4), (4, 14), (14, 15), (15, 16), (4, 11), (11, 12), (12, 13)),
)
"""The lines between AP-10K points, in drawing order."""

OPENPOSE_POINTS: Final = 18

_BODY_RGB: Final = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0)),
    *((0, 255, 0), (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255)),
    *((0, 0, 255), (85, 0, 255), (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
_LIMB_RGB: Final = tuple(tuple(int(channel * 0.6) for channel in colour) for colour in _BODY_RGB[:17])
# twenty steps around the colour wheel, rounded as OpenCV rounds the floats it is handed
_HAND_RGB: Final = tuple(
    tuple(int(np.rint(np.float64(channel) * 255)) for channel in colorsys.hsv_to_rgb(edge / 20, 1.0, 1.0))
    for edge in range(20)
)
_HAND_JOINT_RGB: Final = (0, 0, 255)
_FACE_RGB: Final = (255, 255, 255)
_LEFT_FOOT_RGB: Final = (0, 0, 255)
_RIGHT_FOOT_RGB: Final = (0, 255, 255)
_ANIMAL_RGB: Final = (
    *((255, 255, 255), (100, 255, 100), (150, 255, 255), (100, 50, 255), (50, 150, 200), (0, 255, 255)),
    *((0, 150, 0), (0, 0, 255), (0, 0, 150), (255, 50, 255), (255, 0, 255), (255, 0, 0)),
    *((150, 0, 0), (255, 255, 100), (0, 150, 0), (255, 255, 0), (150, 150, 150)),
)

PALETTE: Final[UInt8[np.ndarray, "colours 3"]] = np.array(
    [
        (0, 0, 0),
        *_BODY_RGB,
        *_LIMB_RGB,
        *_HAND_RGB,
        _HAND_JOINT_RGB,
        _FACE_RGB,
        *(tuple(int(channel * 0.6) for channel in colour) for colour in (_LEFT_FOOT_RGB, _RIGHT_FOOT_RGB)),
        *(_LEFT_FOOT_RGB, _RIGHT_FOOT_RGB),
        *_ANIMAL_RGB,
    ],
    np.uint8,
)
"""RGB of each colour number; 0 is the black background."""

JOINT_COLOUR: Final = 1
LIMB_COLOUR: Final = JOINT_COLOUR + len(_BODY_RGB)
HAND_COLOUR: Final = LIMB_COLOUR + len(_LIMB_RGB)
HAND_JOINT_COLOUR: Final = HAND_COLOUR + len(_HAND_RGB)
FACE_COLOUR: Final = HAND_JOINT_COLOUR + 1
FEET_LIMB_COLOUR: Final = FACE_COLOUR + 1
FEET_JOINT_COLOUR: Final = FEET_LIMB_COLOUR + 2
ANIMAL_COLOUR: Final = FEET_JOINT_COLOUR + 2

JOINT_RADIUS: Final = 4
FACE_RADIUS: Final = 3
ANIMAL_LINE_WIDTH: Final = 5

_FARTHEST: Final = 2.0**24
"""Coordinates beyond this many pixels are pulled back to it: OpenCV cannot draw past 32 bits."""


class ShownPart(NamedTuple):
    """The points of one part that show.

    Attributes:
        points: x px, y px of every point of the part.
        shown: which of them show.
    """

    points: list[tuple[float, float]]
    shown: list[bool]


Locate = Callable[[Float64[np.ndarray, "points 2"], Bool[np.ndarray, "points"], Size], Float64[np.ndarray, "points 2"]]
"""A peer's way from a part's coordinates, of which some show, to canvas pixels; peers differ in their rounding."""


def shown_part(
    points: Float64[np.ndarray, "points 3"] | None, threshold: float, size: Size, locate: Locate
) -> ShownPart | None:
    """A part in canvas pixels with what shows of it; None where nothing shows."""
    shown = visible(points, threshold)
    if points is None or shown is None:
        return None
    x, y = locate(points[:, :2], shown, size).clip(-_FARTHEST, _FARTHEST).T.tolist()
    return ShownPart(list(zip(x, y, strict=True)), shown.tolist())


def _drawn(part: ShownPart) -> list[bool]:
    """Which points of a hand or face are drawn: the reference leaves out pixel row and column 0, and all before."""
    return [shown and x >= 1 and y >= 1 for (x, y), shown in zip(part.points, part.shown, strict=True)]


def body_limb(body: ShownPart, edge: int, half_width: int) -> Iterator[Limb]:
    """The limb of an edge if both its ends show."""
    start, end = BODY_EDGES[edge]
    if body.shown[start] and body.shown[end]:
        yield Limb(*body.points[start], *body.points[end], half_width, LIMB_COLOUR + edge)


def body_joint(body: ShownPart, joint: int) -> Iterator[Disc]:
    """The joint if it shows."""
    if body.shown[joint]:
        yield Disc(*body.points[joint], JOINT_RADIUS, JOINT_COLOUR + joint)


def hand_shapes(hand: ShownPart) -> list[Shape]:
    """The bones whose both ends show, then the joints."""
    points, drawn = hand.points, _drawn(hand)
    bones = [
        Line(*points[start], *points[end], HAND_COLOUR + number)
        for number, (start, end) in enumerate(HAND_EDGES)
        if drawn[start] and drawn[end]
    ]
    joints = [Disc(x, y, JOINT_RADIUS, HAND_JOINT_COLOUR) for (x, y), draw in zip(points, drawn, strict=True) if draw]
    return [*bones, *joints]


def face_shapes(face: ShownPart, count: int) -> list[Disc]:
    """The first `count` points of a face."""
    pairs = list(zip(face.points, _drawn(face), strict=True))[:count]
    return [Disc(x, y, FACE_RADIUS, FACE_COLOUR) for (x, y), draw in pairs if draw]


def feet_shapes(feet: ShownPart, body: ShownPart | None, half_width: int) -> Iterator[Shape]:
    """Thin limbs from the ankles to toes and heels, then the points; our own addition, no ControlNet map has feet."""
    for edge, (start, end) in enumerate(FEET_EDGES):
        foot = edge // 3
        part = feet if edge % 3 == 1 else body
        if part and part.shown[start] and feet.shown[end]:
            yield Limb(*part.points[start], *feet.points[end], half_width, FEET_LIMB_COLOUR + foot)
    for number, (point, shown) in enumerate(zip(feet.points, feet.shown, strict=True)):
        if shown:
            yield Disc(*point, JOINT_RADIUS, FEET_JOINT_COLOUR + number // 3)


def animal_shapes(scene: OpenPoseScene, threshold: float) -> Iterator[Line]:
    """The lines of every animal whose both ends show, the same in all styles.

    Source: Mikubill/sd-webui-controlnet@56cec5b `annotator/openpose/animalpose.py`.
    """
    for animal in scene.animals:
        x, y = animal[:, :2].clip(-_FARTHEST, _FARTHEST).T.tolist()
        points = list(zip(x, y, strict=True))
        shown = visible(animal, threshold)
        for edge, (start, end) in enumerate(ANIMAL_EDGES):
            if shown is not None and shown[start] and shown[end]:
                yield Line(*points[start], *points[end], ANIMAL_COLOUR + edge, ANIMAL_LINE_WIDTH)
