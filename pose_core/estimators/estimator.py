"""What an estimator network expects and answers, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Int64

from pose_core.codecs import Codec, SimCC
from pose_core.openpose import DEFAULT_THRESHOLD
from pose_core.skeleton import KEYPOINT_COUNT
from pose_core.types import Size

SCHEMES: Final[Mapping[str, Int64[np.ndarray, "points"]]] = {
    "coco-wholebody": np.arange(KEYPOINT_COUNT),
    "coco": np.arange(17),
}
"""Where the points of each keypoint scheme go among the 133; the others keep score 0."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class EstimatorSpec:
    """One top-down estimator.

    Attributes:
        input_size: of the network; a size fixed in the graph wins.
        codec: how the outputs become coordinates.
        scheme: which points the network knows, a key of `SCHEMES`.
        mean: of each RGB channel in 0..255.
        std: of each RGB channel in 0..255.
        threshold: score from which a point shows when nobody asks for another.
    """

    input_size: Size = Size(192, 256)  # noqa: RUF009 - Size is frozen
    codec: Codec = SimCC()  # noqa: RUF009 - frozen
    scheme: str = "coco-wholebody"
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    threshold: float = DEFAULT_THRESHOLD
