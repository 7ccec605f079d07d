"""Every network that can be trained, by name. A new one is a file here and a line in `ESTIMATORS` or `DETECTORS`."""

from collections.abc import Callable
from functools import partial

from pose_core.errors import UnknownChoice
from pose_core.types import Size
from training.models.distilpose import DistilPose, build_distilpose
from training.models.hourglass import StackedHourglass, build_hourglass
from training.models.rtmpose import RtmPose, build_rtmpose
from training.models.tokenpose import TokenPose, build_tokenpose
from training.models.yolox import YoloX, build_yolox

Network = RtmPose | StackedHourglass | TokenPose | DistilPose | YoloX

ESTIMATORS: dict[str, Callable[..., Network]] = {
    "rtmpose-t": partial(build_rtmpose, "t"),
    "rtmpose-s": partial(build_rtmpose, "s"),
    "rtmpose-m": partial(build_rtmpose, "m"),
    "rtmpose-l": partial(build_rtmpose, "l"),
    "rtmpose-x": partial(build_rtmpose, "x"),
    "hourglass-8x256": partial(build_hourglass, 8, 256),
    "hourglass-4x256": partial(build_hourglass, 4, 256),
    "hourglass-8x128": partial(build_hourglass, 8, 128),
    "hourglass-4x128": partial(build_hourglass, 4, 128),
    "hourglass-2x128": partial(build_hourglass, 2, 128),
    "hourglass-4x64": partial(build_hourglass, 4, 64),
    "hourglass-2x64": partial(build_hourglass, 2, 64),
    "hourglass-2x32": partial(build_hourglass, 2, 32),
    "hourglass-2x16": partial(build_hourglass, 2, 16),
    "hourglass-8x256-original": partial(build_hourglass, 8, 256, stem="original"),
    "hourglass-4x128-original": partial(build_hourglass, 4, 128, stem="original"),
    "tokenpose-xs": partial(build_tokenpose, "xs"),
    "tokenpose-s": partial(build_tokenpose, "s"),
    "tokenpose-w48": partial(build_tokenpose, "w48"),
    "distilpose-xs": partial(build_distilpose, "xs"),
    "distilpose-s": partial(build_distilpose, "s"),
    "distilpose-l": partial(build_distilpose, "l"),
}
"""Pose estimators: name -> a function of `input_size` and `keypoints`, how many points, that builds an untrained one.

Both have the defaults of the published networks.
"""

DETECTORS: dict[str, Callable[..., Network]] = {
    "yolox-nano-person": partial(build_yolox, "nano", classes=1),
    "yolox-nano": partial(build_yolox, "nano"),
    "yolox-tiny": partial(build_yolox, "tiny"),
    "yolox-s": partial(build_yolox, "s"),
    "yolox-m": partial(build_yolox, "m"),
    "yolox-l": partial(build_yolox, "l"),
    "yolox-x": partial(build_yolox, "x"),
}
"""Detectors: name -> a function of `input_size`."""

MODELS: dict[str, Callable[..., Network]] = {**ESTIMATORS, **DETECTORS}
"""All of them."""


def build_model(name: str, input_size: Size, keypoints: int) -> Network:
    """An untrained network.

    Args:
        name: a key of `MODELS`.
        input_size: of the pictures it sees.
        keypoints: how many points an estimator is to find; detectors find none.

    Raises:
        UnknownChoice: there is no such network.
        InvalidInput: it cannot have this input size.
    """
    if name not in MODELS:
        raise UnknownChoice("model", name, MODELS)
    if name in DETECTORS:
        return DETECTORS[name](input_size=input_size)
    return ESTIMATORS[name](input_size=input_size, keypoints=keypoints)
