"""Regression: each point is a pair of fractions of the crop's sides.

Source: DistilPose (Ye et al., CVPR 2023; yshMars/DistilPose@91651a8).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Float32

from pose_core.codecs.codec import Targets
from pose_core.errors import UnknownChoice
from pose_core.types import Size

MirroredScores = Literal["intended", "reference"]


@dataclass(frozen=True, slots=True)
class Regression:
    """Encode and decode fractions of the crop.

    Attributes:
        mirrored_scores: where the mirrored crop is looked at, too, which turns left points into right ones: whether
            scores change places like points (`intended`) or not, as in the released code (`reference`).

    Raises:
        UnknownChoice: `mirrored_scores` is neither.
    """

    mirrored_scores: MirroredScores = "intended"

    def __post_init__(self) -> None:
        if self.mirrored_scores not in get_args(MirroredScores):
            raise UnknownChoice("mirrored_scores", self.mirrored_scores, get_args(MirroredScores))

    def weigh(
        self,
        keypoints: Float[np.ndarray, "people points 2"],
        known: Bool[np.ndarray, "people points"],
        input_size: Size,
    ) -> Float32[np.ndarray, "people points"]:
        """1 where a known point lies inside the crop, else 0."""
        size = np.array([input_size.width, input_size.height], np.float32)
        inside = ((keypoints >= 0) & (keypoints <= size - 1)).all(axis=-1)
        return (known & inside).astype(np.float32)

    def encode(
        self,
        keypoints: Float[np.ndarray, "people points 2"],
        known: Bool[np.ndarray, "people points"],
        input_size: Size,
    ) -> Targets:
        """Fractions (people, points, 2); weight 0 for points outside the crop."""
        size = np.array([input_size.width, input_size.height], np.float32)
        return Targets(((keypoints / size).astype(np.float32),), self.weigh(keypoints, known, input_size))

    def decode(
        self, outputs: Sequence[Float32[np.ndarray, "people points _"]], input_size: Size
    ) -> Float32[np.ndarray, "people points 3"]:
        """Fractions (people, points, 2) and raw scores (people, points, 1) to crop pixels with scores."""
        fractions, scores = outputs
        pixels = fractions * np.array([input_size.width, input_size.height], np.float32)
        return np.concatenate([pixels, scores], axis=-1, dtype=np.float32)
