"""Heatmaps: each point is a peak on a coarse map of the crop.

Sources: stacked hourglass as released with FPD (zhang-feng-pose "Fast Human Pose Estimation", CVPR 2019; HRNet code
base) for the rounded target and the quarter shift; DARK (Zhang et al., CVPR 2020) for the unrounded target and the
Newton step, with the constants of mmpose 0.x.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int

from pose_core.codecs.codec import Targets
from pose_core.types import Size

BLUR_SIZE = 11
"""Side of the Gaussian that smooths a map before DARK's Newton step; fits maps trained with sigma 2."""


@dataclass(frozen=True, slots=True)
class Heatmap:
    """Encode and decode heatmaps.

    Attributes:
        map_size: width and height of the maps for the encoder; the decoder reads it off the maps.
        sigma: width of the target peaks in map cells.
        refine: how the decoder goes below one cell: `quarter` of a cell towards the higher neighbour, or one Newton
            step on the logarithm (`dark`). The encoder rounds the peak to a cell and cuts it off at three sigma for
            `quarter`, and does neither for `dark`.
        cell_offset: where in its cell a peak lies, in cells; 0 for networks trained on rounded coordinates, 0.5 for
            those trained on truncated ones.
    """

    map_size: Size = Size(48, 64)  # noqa: RUF009 - Size is frozen
    sigma: float = 2.0
    refine: Literal["quarter", "dark"] = "quarter"
    cell_offset: float = 0.0

    def weigh(
        self,
        keypoints: Float[np.ndarray, "people points 2"],
        known: Bool[np.ndarray, "people points"],
        input_size: Size,
    ) -> Float32[np.ndarray, "people points"]:
        """1 where the window of a known point's peak touches the map, else 0."""
        cells = np.array([self.map_size.width, self.map_size.height])
        peak, reach = self.place(keypoints, input_size), 3 * self.sigma
        inside = ((peak - reach < cells) & (peak + reach + 1 >= 0)).all(axis=-1)
        return (known & inside).astype(np.float32)

    def place(
        self, keypoints: Float[np.ndarray, "people points 2"], input_size: Size
    ) -> Float64[np.ndarray, "people points 2"]:
        """Where peaks are, in cells; at the middle of a cell for `quarter`."""
        cells = np.array([self.map_size.width, self.map_size.height])
        peak = keypoints / (np.array([input_size.width, input_size.height]) / cells) - self.cell_offset
        return np.trunc(peak + 0.5) if self.refine == "quarter" else peak

    def encode(
        self,
        keypoints: Float[np.ndarray, "people points 2"],
        known: Bool[np.ndarray, "people points"],
        input_size: Size,
    ) -> Targets:
        """Maps (people, points, height, width) of peak 1; all zero where the peak's window misses the map."""
        weights, peak = self.weigh(keypoints, known, input_size), self.place(keypoints, input_size)
        cutoff = 3 * self.sigma if self.refine == "quarter" else np.inf
        across = _gaussian(peak[..., 0], self.map_size.width, self.sigma, cutoff)
        down = _gaussian(peak[..., 1], self.map_size.height, self.sigma, cutoff)
        maps = down[..., :, None] * across[..., None, :] * weights[..., None, None]
        return Targets((maps.astype(np.float32),), weights)

    def decode(
        self, outputs: Sequence[Float32[np.ndarray, "people points height width"]], input_size: Size
    ) -> Float32[np.ndarray, "people points 3"]:
        """The refined peak of each map in crop pixels; the score is the map's maximum.

        A map without a positive value gives its first cell, unrefined.
        """
        maps = outputs[0]
        people, points, height, width = maps.shape
        flat = maps.reshape(people, points, height * width)
        best = flat.argmax(axis=-1)
        score = np.take_along_axis(flat, best[..., None], axis=-1)[..., 0]
        cell = np.stack([best % width, best // width], axis=-1) * (score > 0)[..., None]
        shift = REFINEMENTS[self.refine](maps, cell) * (score > 0)[..., None]
        stride = np.array([input_size.width / width, input_size.height / height])
        decoded = np.empty((people, points, 3), np.float32)
        decoded[..., :2] = (cell + shift + self.cell_offset) * stride
        decoded[..., 2] = score
        return decoded


def _gaussian(
    peak: Float[np.ndarray, "people points"], cells: int, sigma: float, cutoff: float
) -> Float64[np.ndarray, "people points cells"]:
    distance = np.arange(cells) - peak[..., None]
    return np.exp(-(distance**2) / (2 * sigma**2)) * (abs(distance) <= cutoff)


def quarter_shift(
    maps: Float[np.ndarray, "people points height width"], cell: Int[np.ndarray, "people points 2"]
) -> Float[np.ndarray, "people points 2"]:
    """A quarter cell towards the higher neighbour on each axis.

    Nothing for peaks in the first two rows and columns and in the last one (HRNet's rule).
    """
    height, width = maps.shape[2:]
    x, y = cell[..., 0], cell[..., 1]
    inside = (x > 1) & (x < width - 1) & (y > 1) & (y < height - 1)
    value = _reader(maps, np.where(inside, x, 1), np.where(inside, y, 1))
    slope = np.stack([value(1, 0) - value(-1, 0), value(0, 1) - value(0, -1)], axis=-1)
    return np.sign(slope) * 0.25 * inside[..., None]


def dark_shift(
    maps: Float[np.ndarray, "people points height width"], cell: Int[np.ndarray, "people points 2"]
) -> Float[np.ndarray, "people points 2"]:
    """One Newton step to the peak of the logarithm of the smoothed map (DARK, equations 3 to 9).

    Nothing for peaks on the two outermost cells and where the curvature vanishes.
    """
    height, width = maps.shape[2:]
    x, y = cell[..., 0], cell[..., 1]
    inside = (x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)
    value = _reader(np.log(np.maximum(_smooth(maps), 1e-10)), np.where(inside, x, 2), np.where(inside, y, 2))
    dx, dy = (value(1, 0) - value(-1, 0)) / 2, (value(0, 1) - value(0, -1)) / 2
    dxx = (value(2, 0) - 2 * value(0, 0) + value(-2, 0)) / 4
    dyy = (value(0, 2) - 2 * value(0, 0) + value(0, -2)) / 4
    dxy = (value(1, 1) - value(1, -1) - value(-1, 1) + value(-1, -1)) / 4
    determinant = dxx * dyy - dxy**2
    solvable = inside & (determinant != 0)
    safe = np.where(solvable, determinant, 1)
    step = np.stack([(dxy * dy - dyy * dx) / safe, (dxy * dx - dxx * dy) / safe], axis=-1)
    return step * solvable[..., None]


def _smooth(
    maps: Float[np.ndarray, "people points height width"],
) -> Float[np.ndarray, "people points height width"]:
    """Gaussian blur with zeros around the map, rescaled so that every map keeps its maximum."""
    kernel = cv2.getGaussianKernel(BLUR_SIZE, 0, cv2.CV_32F)[:, 0]
    border = BLUR_SIZE // 2
    blurred = maps
    for axis in (2, 3):
        margin = [(border, border) if axis == padded else (0, 0) for padded in range(4)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(blurred, margin), BLUR_SIZE, axis=axis)
        blurred = windows @ kernel
    peak = blurred.max(axis=(2, 3), keepdims=True)
    return blurred * np.divide(maps.max(axis=(2, 3), keepdims=True), peak, out=np.ones_like(peak), where=peak > 0)


def _reader(
    maps: Float[np.ndarray, "people points height width"],
    x: Int[np.ndarray, "people points"],
    y: Int[np.ndarray, "people points"],
) -> Callable[[int, int], Float[np.ndarray, "people points"]]:
    """A function that reads every map at its own cell plus a given step in x and y."""
    person, point = np.ogrid[: maps.shape[0], : maps.shape[1]]
    return lambda step_x, step_y: maps[person, point, y + step_y, x + step_x]


REFINEMENTS = {"quarter": quarter_shift, "dark": dark_shift}
