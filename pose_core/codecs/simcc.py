"""SimCC: each coordinate is a classification over bins, two per pixel here.

Source: SimCC (Li et al., ECCV 2022) as RTMPose and DWPose use it, mmpose@759b39c1 SimCCLabel: Gaussian labels, no
softmax on the way out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32

from pose_core.codecs.codec import Targets
from pose_core.types import Size


@dataclass(frozen=True, slots=True)
class SimCC:
    """Encode and decode SimCC logits.

    Attributes:
        split: bins per crop pixel.
        sigma: width of the label Gaussians in bins, x then y; the default fits 192 x 256 crops, (6.0, 6.93) 288 x 384.
    """

    split: float = 2.0
    sigma: tuple[float, float] = (4.9, 5.66)

    def weigh(
        self,
        keypoints: Float[np.ndarray, "people points 2"],
        known: Bool[np.ndarray, "people points"],
        input_size: Size,
    ) -> Float32[np.ndarray, "people points"]:
        """1 where a known point lies at most three sigma outside the crop on both axes, else 0."""
        bins = np.array([input_size.width * self.split, input_size.height * self.split])
        peak = np.rint(keypoints * self.split)
        reach = 3 * np.array(self.sigma)
        inside = ((peak - reach < bins) & (peak + reach + 1 >= 0)).all(axis=-1)
        return (known & inside).astype(np.float32)

    def encode(
        self,
        keypoints: Float[np.ndarray, "people points 2"],
        known: Bool[np.ndarray, "people points"],
        input_size: Size,
    ) -> Targets:
        """Labels (people, points, width * split) and (people, points, height * split), peak 1.

        A point farther than three sigma outside the crop on either axis teaches nothing: its labels and its weight
        are 0. Nearer ones keep the part of their Gaussian that lies inside.
        """
        weights = self.weigh(keypoints, known, input_size)
        peak = np.rint(keypoints * self.split)
        bins = int(input_size.width * self.split), int(input_size.height * self.split)
        labels = tuple(_labels(peak[..., axis], bins[axis], self.sigma[axis]) * weights[..., None] for axis in (0, 1))
        return Targets(labels, weights)

    def decode(
        self, outputs: Sequence[Float32[np.ndarray, "people points _"]], input_size: Size
    ) -> Float32[np.ndarray, "people points 3"]:
        """The first highest bin of each axis; the score is the lower of the two maxima, as the network gave it.

        A point whose score is not positive lies at bin -1 on both axes (quirk of the reference, kept so that every
        coordinate equals it).
        """
        del input_size  # the number of bins says it all
        decoded = np.empty((*outputs[0].shape[:2], 3), np.float32)
        maxima = []
        for axis, logits in enumerate(outputs):
            best = logits.argmax(axis=-1)
            rows = logits.reshape(-1, logits.shape[-1])
            maxima.append(rows[np.arange(len(rows)), best.ravel()].reshape(best.shape))
            decoded[..., axis] = best
        decoded[..., 2] = np.minimum(maxima[0], maxima[1])
        decoded[decoded[..., 2] <= 0, :2] = -1
        decoded[..., :2] /= self.split
        return decoded


def _labels(
    peak: Float[np.ndarray, "people points"], bins: int, sigma: float
) -> Float32[np.ndarray, "people points bins"]:
    """Gaussians around whole bins: since peaks are whole numbers, every row is a window of one long Gaussian."""
    windows = _windows(bins, sigma)
    return windows[np.clip(bins + math.ceil(3 * sigma) - peak, 0, len(windows) - 1).astype(np.intp)]


@lru_cache(maxsize=16)
def _windows(bins: int, sigma: float) -> Float32[np.ndarray, "windows bins"]:
    """Every row a label can be; peaks farther than three sigma from the crop are no labels."""
    reach = bins + math.ceil(3 * sigma)
    distance = np.arange(-reach, reach + 1)
    gaussian = np.exp(-(distance**2) / (2 * sigma**2)).astype(np.float32)
    return np.lib.stride_tricks.sliding_window_view(gaussian, bins)
