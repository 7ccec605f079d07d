"""What both programs are given to do: one photo, random networks of official size, and people who are put into it.

Random weights find nobody. So each network computes everything it would, under the clock, and `Injected` then puts in
the place of its answer one that holds the wanted people, off the clock. All later stages do their normal work.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime
from jaxtyping import Float32, Float64
from skimage.data import astronaut

from pose_core.codecs import SimCC
from pose_core.detectors.yolox import STRIDES, grid_cells
from pose_core.geometry import crop_matrix, crop_region, photo_to_crop
from pose_core.types import Image, PersonBox, Size

PHOTO_SIZE: Final = Size(1024, 1024)
CROP_SIZE: Final = Size(288, 384)
CODEC: Final = SimCC(sigma=(6.0, 6.93))
PERSON_SIZE: Final = Size(300, 440)
PLACES: Final = tuple((x, y) for y in (500, 230, 780) for x in (512, 190, 834))
"""Centres of the people in photo pixels, in the order in which they join."""

SEED: Final = 0
CACHE: Final = Path(tempfile.gettempdir()) / "skelmap-benchmarks"
"""Where the exported networks are kept between runs."""


def photo_jpeg() -> bytes:
    """A photo of `PHOTO_SIZE` as a JPEG of about 200 kB."""
    loaded: Image = astronaut()
    photo = cv2.resize(loaded, (PHOTO_SIZE.width, PHOTO_SIZE.height), interpolation=cv2.INTER_CUBIC)
    encoded = cv2.imencode(".jpg", cv2.cvtColor(photo, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    return bytes(encoded)


# Networks


@dataclass(frozen=True, slots=True)
class Networks:
    """Which networks to run.

    Attributes:
        detector: one of `training.models.MODELS`.
        detector_px: side of its input.
        estimator: one of `training.models.MODELS`; its input is `CROP_SIZE`.
    """

    detector: str = "yolox-l"
    detector_px: int = 640
    estimator: str = "rtmpose-l"

    @property
    def detector_size(self) -> Size:
        """Input of the detector."""
        return Size(self.detector_px, self.detector_px)


OFFICIAL: Final = Networks()
SMALL: Final = Networks(detector="yolox-tiny", detector_px=416, estimator="rtmpose-t")
"""For a quick look: the stages outside the networks do nearly the same."""


def export_networks(networks: Networks, folder: Path = CACHE) -> tuple[Path, Path]:
    """ONNX files of detector and estimator with random weights, made when they are not there yet."""
    wanted = ((networks.detector, networks.detector_size), (networks.estimator, CROP_SIZE))
    paths = [folder / f"{name}-{size.height}x{size.width}-seed{SEED}.onnx" for name, size in wanted]
    for path, (name, size) in zip(paths, wanted, strict=True):
        if not path.exists():
            _export(name, size, path)
    return paths[0], paths[1]


def _export(name: str, size: Size, path: Path) -> None:
    import torch  # noqa: PLC0415 - several seconds and a tenth of a gigabyte, wasted once the files exist

    from training.export import export_onnx  # noqa: PLC0415
    from training.models import MODELS  # noqa: PLC0415

    torch.manual_seed(SEED)
    export_onnx(MODELS[name](input_size=size), path)


# People


def person_boxes(count: int) -> list[PersonBox]:
    """The first `count` people, most certain first; they overlap, though not enough to suppress each other."""
    half_width, half_height = PERSON_SIZE.width / 2, PERSON_SIZE.height / 2
    return [
        PersonBox(x - half_width, y - half_height, x + half_width, y + half_height, 0.95 - 0.01 * number)
        for number, (x, y) in enumerate(PLACES[:count])
    ]


def person_keypoints(box: PersonBox) -> Float64[np.ndarray, "133 2"]:
    """A standing stick figure with all its points inside the box, in photo pixels, a little different for each box."""
    jitter = np.random.default_rng([SEED, int(box.left), int(box.top)]).normal(scale=1.5, size=(133, 2))
    extent = np.array([box.right - box.left, box.bottom - box.top])
    return _figure() * extent + [box.left, box.top] + jitter


def _figure() -> Float64[np.ndarray, "133 2"]:
    """The figure in fractions of its box: body, feet, four rings of face points, left hand, right hand."""
    right = [
        *((0.47, 0.075), (0.44, 0.085)),  # eye, ear
        *((0.34, 0.2), (0.22, 0.36), (0.16, 0.5)),  # arm
        *((0.4, 0.53), (0.38, 0.74), (0.37, 0.93)),  # leg
    ]
    body = [(0.5, 0.09), *(point for x, y in right for point in ((1 - x, y), (x, y)))]
    right_foot = [(0.32, 0.97), (0.29, 0.96), (0.38, 0.96)]
    feet = [*((1 - x, y) for x, y in right_foot), *right_foot]
    turn = np.linspace(0, 2 * np.pi, 17, endpoint=False)
    ring = np.stack([0.08 * np.cos(turn), 0.07 * np.sin(turn)], axis=-1)
    face = np.concatenate([ring * scale + [0.5, 0.09] for scale in (1.0, 0.75, 0.5, 0.25)])
    angle = np.deg2rad(60 + 15 * np.arange(5))
    steps = np.arange(1, 5)[None, :, None] * np.stack([-0.03 * np.cos(angle), 0.02 * np.sin(angle)], axis=-1)[:, None]
    right_hand = np.concatenate([[[0.0, 0.0]], steps.reshape(20, 2)]) + right[4]
    left_hand = right_hand * [-1, 1] + [1, 0]
    return np.concatenate([body, feet, face, left_hand, right_hand])


# What a trained network would have answered


def detector_rows(boxes: Sequence[PersonBox], size: Size, classes: int) -> Float32[np.ndarray, "1 cells values"]:
    """YOLOX rows in which 18 cells around each person's centre, on the two coarser grids, say where it is.

    All other cells score below 0.02.
    """
    random = np.random.default_rng(SEED)
    cells = sum(grid_cells(size))
    rows = random.normal(scale=0.3, size=(1, cells, 5 + classes)).astype(np.float32)
    rows[..., 4:] = random.uniform(0, 0.14, size=(1, cells, 1 + classes))
    for box in boxes:
        for level in (1, 2):
            _write_person(rows[0], box, level, size)
    return rows


def _write_person(rows: Float32[np.ndarray, "cells values"], box: PersonBox, level: int, size: Size) -> None:
    ratio, stride = size.width / PHOTO_SIZE.width, STRIDES[level]
    first, columns = sum(grid_cells(size)[:level]), size.width // stride
    center_x, center_y = (box.left + box.right) / 2 * ratio / stride, (box.top + box.bottom) / 2 * ratio / stride
    extent = np.log(np.array([box.right - box.left, box.bottom - box.top]) * ratio / stride)
    for step_y in (-1, 0, 1):
        for step_x in (-1, 0, 1):
            column, row = int(center_x) + step_x, int(center_y) + step_y
            off = abs(step_x) + abs(step_y) + (2 - level)  # the middle cell of the coarsest grid is right and surest
            cell = rows[first + row * columns + column]
            cell[:4] = center_x - column + 0.02 * off, center_y - row, *(extent + 0.01 * off)
            cell[4:6] = box.score - 0.03 * off, 1.0


def simcc_logits(
    boxes: Sequence[PersonBox],
) -> tuple[Float32[np.ndarray, "people 133 bins_x"], Float32[np.ndarray, "people 133 bins_y"]]:
    """Noisy SimCC peaks of about 0.9 at everybody's keypoints."""
    random = np.random.default_rng(SEED)
    points = np.stack(
        [photo_to_crop(person_keypoints(box), crop_matrix(crop_region(box, CROP_SIZE), CROP_SIZE)) for box in boxes]
    )
    labels = CODEC.encode(points, np.ones(points.shape[:2], bool), CROP_SIZE).arrays
    x, y = (0.9 * label + random.normal(scale=0.01, size=label.shape).astype(np.float32) for label in labels)
    return x, y


# Putting it in


Arrays = tuple[Float32[np.ndarray, "people ..."], ...]


@dataclass
class Injected:
    """An onnxruntime session that computes what it is asked for and then answers something else.

    Attributes:
        runtime: the real session; everything but `run` is left to it.
        answer: what to answer; it is handed over in pieces of the batches asked for, then again from the start.
        network_s: time spent computing since the last `start`.
        injection_s: time spent on the other answer since then.
    """

    runtime: Any
    answer: Arrays = ()
    network_s: float = 0.0
    injection_s: float = 0.0
    _served: int = field(default=0, repr=False)

    def start(self, answer: Arrays) -> None:
        """Begin a request in which `answer` is to be found."""
        self.answer, self.network_s, self.injection_s, self._served = answer, 0.0, 0.0, 0

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Any]) -> list[Float32[np.ndarray, "batch ..."]]:
        """Compute, and answer copies: callers may write into them, and they are as fresh in the caches as real ones."""
        start = time.perf_counter()
        self.runtime.run(names, feeds)
        computed = time.perf_counter()
        (batch,) = feeds.values()
        part = slice(self._served, self._served + len(batch))
        self._served = part.stop
        pieces = [array[part].copy() for array in self.answer]
        self.network_s += computed - start
        self.injection_s += time.perf_counter() - computed
        return pieces

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return getattr(self.runtime, name)


# The command line


def add_options(parser: argparse.ArgumentParser, rounds: int) -> None:
    """Options that both scripts have."""
    parser.add_argument("--rounds", type=int, default=rounds, help=f"of which medians are taken ({rounds})")
    parser.add_argument("--small", action="store_true", help="yolox-tiny at 416 and rtmpose-t, for a quick look")
    parser.add_argument("--detector", help=f"another detector than {OFFICIAL.detector}")
    parser.add_argument("--detector-size", type=int, help=f"side of its input ({OFFICIAL.detector_px})")
    parser.add_argument("--estimator", help=f"another estimator than {OFFICIAL.estimator}")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="for both sides")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where the networks are kept ({CACHE})")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")


def chosen_networks(options: argparse.Namespace) -> Networks:
    """The networks that the options ask for."""
    default = SMALL if options.small else OFFICIAL
    return Networks(
        detector=options.detector or default.detector,
        detector_px=options.detector_size or default.detector_px,
        estimator=options.estimator or default.estimator,
    )


def conditions(networks: Networks, rounds: int) -> dict[str, str]:
    """What a reader needs to judge the numbers."""
    return {
        "networks": f"{networks.detector} {networks.detector_px}x{networks.detector_px} and {networks.estimator} "
        f"{CROP_SIZE.height}x{CROP_SIZE.width}, random weights",
        "rounds": str(rounds),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load average {os.getloadavg()[0]:.1f} at the end",
        "versions": f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}, "
        f"OpenCV {cv2.__version__}, numpy {np.__version__}",
    }
