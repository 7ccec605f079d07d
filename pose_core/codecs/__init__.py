"""Between crop pixels and what a network speaks; one file per kind of output head."""

from pose_core.codecs.codec import Codec, Targets
from pose_core.codecs.heatmap import Heatmap
from pose_core.codecs.regression import Regression
from pose_core.codecs.simcc import SimCC

CODECS: dict[str, type[Codec]] = {
    "heatmap": Heatmap,
    "regression": Regression,
    "simcc": SimCC,
}

__all__ = ["CODECS", "Codec", "Heatmap", "Regression", "SimCC", "Targets"]
