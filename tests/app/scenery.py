"""The scene that the tests of the app play in: tiny networks that see the same three people in every photo.

The photo is the drawn one of `tests/conftest.py`, 160 x 120 pixels. The networks look at no pixel, so where everybody
is and what their keypoints are is known beforehand, and written down here without the code under test.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from onnx import helper

from app.parameters import MAP_PARTS
from pose_core.geometry import Fit, place
from pose_core.openpose import keep_parts, openpose_people, place_people
from pose_core.renderers import render_map
from pose_core.skeleton import FACE, FEET, LEFT_HAND, RIGHT_HAND, Part
from pose_core.styles import STYLES
from pose_core.types import Image, Size
from pose_core.weights import WEIGHTS
from tests import tiny_onnx

PHOTO = Size(160, 120)

LEFT = (10, 20, 50, 110)
MIDDLE = (60, 20, 90, 100)
RIGHT = (100, 10, 150, 110)
SCORES = {LEFT: 0.5, MIDDLE: 0.9, RIGHT: 0.7}
"""Boxes of the three people in the photo and what the detector says of them: each order puts another one first."""

LONELY = (20, 20, 60, 100)
"""The only person that the other detector, `OTHER_DETECTOR`, sees."""

OTHER_ESTIMATOR = "dwpose-t"
OTHER_DETECTOR = "yolox-l-humanart"
"""Official names, of files whose sha256 nobody knows, behind which further tiny networks are installed: the estimator
scores the red of what it sees."""

_BODY = (
    *((96, 40), (100, 36), (92, 36), (106, 38), (86, 38), (116, 64), (76, 64), (126, 96), (66, 96)),
    *((132, 128), (60, 128), (108, 136), (84, 136), (110, 184), (82, 184), (112, 232), (80, 232)),
)
_FEET = ((118, 242), (122, 240), (110, 238), (74, 242), (70, 240), (82, 238))


def _figure() -> np.ndarray:
    """A standing figure in the 192 x 256 pixels of the estimator's crop, every point on the half-pixel grid."""
    points = np.zeros((133, 2), np.float32)
    points[:17], points[FEET] = _BODY, _FEET
    turn = np.linspace(0, 2 * np.pi, FACE.stop - FACE.start)
    points[FACE] = np.stack([96 + 14 * np.cos(turn), 40 + 14 * np.sin(turn)], axis=-1).round()
    for hand, wrist, outwards in ((LEFT_HAND, 9, 1), (RIGHT_HAND, 10, -1)):
        bones = np.arange(21)
        points[hand] = points[wrist] + np.stack([outwards * (bones % 4) * 3, (bones // 4) * 4], axis=-1)
    return points


def _confidence() -> np.ndarray:
    """Sure of the body but for one ear, ever less so of face, feet, left and right hand."""
    scores = np.full(133, 0.9, np.float32)
    scores[3] = 0.25
    for part, score in ((FACE, 0.8), (FEET, 0.7), (LEFT_HAND, 0.6), (RIGHT_HAND, 0.5)):
        scores[part] = score
    return scores


FIGURE, CONFIDENCE = _figure(), _confidence()


def keypoints_in(box: Sequence[float]) -> np.ndarray:
    """What the estimator sees in a box: the figure in the box grown by a quarter and then widened to 3:4."""
    left, top, right, bottom = box
    height = 1.25 * max(bottom - top, (right - left) * 4 / 3)
    corner = np.array([(left + right) / 2 - height * 3 / 8, (top + bottom) / 2 - height / 2])
    return np.column_stack([FIGURE * height / 256 + corner, CONFIDENCE])


@dataclass(frozen=True, slots=True)
class Networks:
    """Files of the tiny networks, and the folder with those that are installed under official names."""

    estimator: Path
    detector: Path
    home: Path


def write_networks(folder: Path) -> Networks:
    """All networks of the scene."""
    home = folder / "home"
    home.mkdir()
    tiny_onnx.mean_colour(home / WEIGHTS[OTHER_ESTIMATOR].file_name)
    _detector(home / WEIGHTS[OTHER_DETECTOR].file_name, {LONELY: 0.6})
    estimator = tiny_onnx.simcc(folder / "figure.onnx", FIGURE, CONFIDENCE)
    return Networks(estimator, _detector(folder / "three people.onnx", SCORES), home)


def _detector(path: Path, people: dict[tuple[int, int, int, int], float]) -> Path:
    letterboxed = np.array(list(people)) * 64 / PHOTO.width
    return tiny_onnx.yolox(path, letterboxed, np.array(list(people.values())))


def write_fragile_estimator(path: Path) -> Path:
    """An estimator that fails on more than one person at a time, although its file claims to take any number."""
    nodes = [
        helper.make_node("Reshape", ["input", "one"], ["person"]),
        helper.make_node("ReduceMean", ["person"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "x"], ["simcc_x"]),
        helper.make_node("Add", ["mean", "y"], ["simcc_y"]),
    ]
    bins = {"x": np.zeros((1, 133, 384), np.float32), "y": np.zeros((1, 133, 512), np.float32)}
    outputs: dict[str, tuple[np.dtype, tiny_onnx.Shape]] = {
        f"simcc_{axis}": (zeros.dtype, ["batch", *zeros.shape[1:]]) for axis, zeros in bins.items()
    }
    constants = {"one": np.array([1, 3, 256, 192]), **bins}
    return tiny_onnx.save(path, nodes, constants, {"input": ["batch", 3, 256, 192]}, outputs)


PICKY = 1.5
"""Mean of a crop's normalised red above which a picky or lost estimator fails: white is 2.2, the drawn photo less."""


def white_png() -> bytes:
    """A photo of the scene's size on which such an estimator fails."""
    return write_png(np.full((PHOTO.height, PHOTO.width, 3), 255, np.uint8))


def read_png(data: bytes) -> Image:
    """The pixels of a PNG, through somebody else's reader."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert pixels is not None
    return pixels.astype(np.uint8, copy=False)


def write_png(image: Image) -> bytes:
    """A PNG, through somebody else's writer."""
    return bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1])


def drawn(
    answer: dict[str, Any],
    *,
    style: str = "controlnet",
    parts: Collection[Part] = MAP_PARTS,
    threshold: float = 0.3,
    fit: Fit = "contain",
) -> Image:
    """The map of a JSON answer, drawn from its raw keypoints."""
    photo = Size(answer["width"], answer["height"])
    canvas = Size(answer["canvas_width"], answer["canvas_height"])
    keypoints = np.array([person["keypoints"] for person in answer["people"]], np.float32).reshape(-1, 133, 3)
    people = [keep_parts(person, parts) for person in openpose_people(keypoints)]
    scene = place_people(people, place(photo, canvas, fit), canvas)
    return render_map(STYLES[style](scene, threshold), canvas).rgb
