"""YOLOX: anchor-free detection on three grids.

Source: YOLOX (Ge et al., 2021; Megvii-BaseDetection/YOLOX demo/ONNXRuntime) as the DWPose pre-processors run it.
Serves any input size and any number of classes of which class 0 is the person, with the grids still to be decoded
(official files) or decoded and suppressed inside the graph (OpenMMLab exports, outputs `dets` and `labels`).
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
from jaxtyping import Float, Float32, Int, Shaped

from pose_core.detectors.detector import DetectorSpec, input_size, letterbox_planes
from pose_core.errors import ModelError
from pose_core.geometry import letterbox_ratio, letterbox_to_photo
from pose_core.session import Session
from pose_core.steps import NetworkRun, Steps, require_finite
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size

STRIDES = (8, 16, 32)
NMS_IOU = 0.45


def detect(
    session: Session, spec: DetectorSpec, image: Image, threshold: float, timer: Timer
) -> Steps[list[PersonBox]]:
    """People scoring above the threshold, best first; see `Detect`."""
    size = input_size(session, spec)
    with timer("letterbox"):
        tensor = letterbox_planes(image, size, spec.channels)
    outputs = yield NetworkRun(session, tensor, "detector")
    with timer("nms"):
        ratio = letterbox_ratio(Size.of(image), size)
        if "dets" in outputs:
            require_finite(outputs["dets"], session)
            return people_of_graph(outputs, ratio, threshold)
        (rows,) = outputs.values()
        require_finite(rows[..., 4:6], session)
        return people_of_grid(rows[0], size, ratio, threshold)


def people_of_grid(
    rows: Float32[np.ndarray, "cells values"], size: Size, ratio: float, threshold: float
) -> list[PersonBox]:
    """Decode the cells that may hold a person, and only those.

    Args:
        rows: dx, dy, log w, log h, objectness, then one probability per class, for each cell of the three grids; the
            grids follow each other by stride, their cells row by row.
        size: the network's input size.
        ratio: letterbox pixels per photo pixel.
        threshold: score a person has to exceed.

    Raises:
        ModelError: the rows are not those of this input size.
    """
    if len(rows) != (cells := sum(grid_cells(size))):
        raise ModelError(f"the detector answers {len(rows)} cells; a {size.width}x{size.height} input has {cells}")
    score = rows[:, 4] * rows[:, 5]
    candidates = np.flatnonzero(score > threshold)
    boxes = letterbox_to_photo(decode_cells(rows[candidates, :4], candidates, size), ratio)
    scored = np.concatenate([boxes, score[candidates, None]], axis=-1)
    return [PersonBox(*person) for person in scored[suppress(boxes, score[candidates])].tolist()]


def grid_cells(size: Size) -> list[int]:
    """How many cells the grid of each stride has."""
    return [(size.width // stride) * (size.height // stride) for stride in STRIDES]


def decode_cells(
    rows: Float32[np.ndarray, "cells 4"], cells: Int[np.ndarray, "cells"], size: Size
) -> Float32[np.ndarray, "cells 4"]:
    """Left, top, right, bottom in letterbox pixels of the given cells, numbered over all grids."""
    grid = cell_grid(size)[cells]
    corner, stride = grid[:, :2], grid[:, 2:]
    center, extent = (rows[:, :2] + corner) * stride, np.exp(rows[:, 2:]) * stride
    return np.concatenate([center - extent / 2, center + extent / 2], axis=-1)


@cache
def cell_grid(size: Size) -> Float32[np.ndarray, "cells 3"]:
    """Column, row and stride of every cell, numbered over all grids."""
    grids = []
    for stride in STRIDES:
        row, column = np.mgrid[: size.height // stride, : size.width // stride]
        grids.append(np.stack([column, row, np.full_like(row, stride)], axis=-1).reshape(-1, 3))
    grid = np.concatenate(grids).astype(np.float32)
    grid.flags.writeable = False
    return grid


def suppress(boxes: Float[np.ndarray, "boxes 4"], score: Float[np.ndarray, "boxes"]) -> list[int]:
    """Greedy non-maximum suppression: indices of the boxes that stay, best first.

    Sides count their last pixel (right - left + 1), as in the reference.
    """
    order = score.argsort(kind="stable")[::-1]
    extent = boxes[:, 2:] - boxes[:, :2] + 1
    area = extent[:, 0] * extent[:, 1]
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(int(best))
        low, high = np.maximum(boxes[best, :2], boxes[rest, :2]), np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.maximum(high - low + 1, 0).prod(axis=-1)
        order = rest[shared / (area[best] + area[rest] - shared) <= NMS_IOU]
    return kept


def people_of_graph(
    outputs: Mapping[str, Shaped[np.ndarray, "1 ..."]], ratio: float, threshold: float
) -> list[PersonBox]:
    """People among `dets` (left, top, right, bottom, score in letterbox pixels) whose `labels` are 0."""
    dets, labels = outputs["dets"][0], outputs["labels"][0]
    people = dets[(labels == 0) & (dets[:, 4] > threshold)]
    people = people[people[:, 4].argsort(kind="stable")[::-1]]
    people[:, :4] = letterbox_to_photo(people[:, :4], ratio)
    return [PersonBox(*person.tolist()) for person in people]
