"""What every codec is: training targets one way, crop pixels the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Float32

from pose_core.types import Size


@dataclass(frozen=True, slots=True)
class Targets:
    """What a network should have answered.

    Attributes:
        arrays: one target per network output, in the order of the outputs, each with the people first.
        weights: 1 where a point teaches, 0 where it is unknown or out of reach of the crop.
    """

    arrays: tuple[Float32[np.ndarray, "people points ..."], ...]
    weights: Float32[np.ndarray, "people points"]


@runtime_checkable
class Codec(Protocol):
    """Between crop pixels and a network's outputs, for all people in one call."""

    def weigh(
        self,
        keypoints: Float[np.ndarray, "people points 2"],
        known: Bool[np.ndarray, "people points"],
        input_size: Size,
    ) -> Float32[np.ndarray, "people points"]:
        """The weights that `encode` gives, without drawing anything."""

    def encode(
        self,
        keypoints: Float[np.ndarray, "people points 2"],
        known: Bool[np.ndarray, "people points"],
        input_size: Size,
    ) -> Targets:
        """Training targets for keypoints in crop pixels."""

    def decode(
        self, outputs: Sequence[Float32[np.ndarray, "people ..."]], input_size: Size
    ) -> Float32[np.ndarray, "people points 3"]:
        """X and y in crop pixels and the raw score of each point."""
