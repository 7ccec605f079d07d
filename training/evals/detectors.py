"""Detectors on the photos of a set: files, names and torch networks alike, through the code of the service."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from pose_core.detectors import DEFAULT_THRESHOLD, Detector
from pose_core.detectors.detector import letterbox_planes
from pose_core.detectors.yolox import people_of_grid
from pose_core.errors import InvalidImage
from pose_core.geometry import letterbox_ratio
from pose_core.steps import without_networks
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size
from training.evals.detection import Found
from training.evals.networks import evaluating

LEAST_SCORE: Final = 0.01
"""Detections below are not even counted as false alarms."""


def torch_detector(network: nn.Module, size: Size, name: str) -> Detector:
    """A torch YOLOX on whatever device it is, as the service would use it; its file has no digest."""
    steps = without_networks(partial(detect, network, size))
    return Detector(name, DEFAULT_THRESHOLD, provider="torch", sha256="", steps=steps)


def detect(network: nn.Module, size: Size, image: Image, threshold: float, timer: Timer) -> list[PersonBox]:
    """People scoring above the threshold, best first, boxes in photo pixels."""
    del timer
    device = next(network.parameters()).device
    tensor = torch.from_numpy(letterbox_planes(image, size, "bgr"))
    with evaluating(network), torch.inference_mode():
        rows = network(tensor.to(device))[0].float().cpu().numpy()
    return people_of_grid(rows, size, letterbox_ratio(Size.of(image), size), threshold)


def find_people(detector: Detector, photos: Iterable[Path | Image], *, progress: bool = False) -> list[Found]:
    """What a detector says about photos, down to `LEAST_SCORE`.

    Raises:
        InvalidImage: a photo cannot be read.
    """
    return [
        as_found(detector.detect(read_photo(photo), LEAST_SCORE, Timer()))
        for photo in tqdm([*photos], desc=detector.name, unit="photo", disable=not progress)
    ]


def read_photo(photo: Path | Image) -> Image:
    """RGB pixels; an image is returned as it is."""
    if not isinstance(photo, Path):
        return photo
    image: Image | None = cv2.imread(str(photo), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise InvalidImage(f"{photo} cannot be read")
    return image


def as_found(people: list[PersonBox]) -> Found:
    """Boxes as arrays, the surest first."""
    rows = np.array([(one.left, one.top, one.right, one.bottom, one.score) for one in people]).reshape(-1, 5)
    return Found(rows[:, :4], rows[:, 4])
