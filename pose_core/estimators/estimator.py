"""What an estimator network expects and answers, as data."""

from dataclasses import dataclass

from pose_core.codecs import Codec, SimCC
from pose_core.openpose import DEFAULT_THRESHOLD
from pose_core.schemes import WHOLE_BODY
from pose_core.types import Size

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True, slots=True)
class EstimatorSpec:
    """One top-down estimator.

    Attributes:
        input_size: of the network; a size fixed in the graph wins.
        codec: how the outputs become coordinates.
        scheme: which points the network knows, a key of `pose_core.schemes.SCHEMES`.
        mean: of each RGB channel in 0..255.
        std: of each RGB channel in 0..255.
        threshold: score from which a point shows when nobody asks for another.
    """

    input_size: Size = Size(192, 256)  # noqa: RUF009 - Size is frozen
    codec: Codec = SimCC()  # noqa: RUF009 - frozen
    scheme: str = WHOLE_BODY
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    threshold: float = DEFAULT_THRESHOLD
