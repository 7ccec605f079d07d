"""Every network that can be trained, by name. A new one is a file here and a line in `MODELS`."""

from collections.abc import Callable
from functools import partial

from training.models.rtmpose import RtmPose, build_rtmpose
from training.models.yolox import YoloX, build_yolox

Network = RtmPose | YoloX

MODELS: dict[str, Callable[..., Network]] = {
    "rtmpose-t": partial(build_rtmpose, "t"),
    "rtmpose-s": partial(build_rtmpose, "s"),
    "rtmpose-m": partial(build_rtmpose, "m"),
    "rtmpose-l": partial(build_rtmpose, "l"),
    "rtmpose-x": partial(build_rtmpose, "x"),
    "yolox-nano-person": partial(build_yolox, "nano", classes=1),
    "yolox-nano": partial(build_yolox, "nano"),
    "yolox-tiny": partial(build_yolox, "tiny"),
    "yolox-s": partial(build_yolox, "s"),
    "yolox-m": partial(build_yolox, "m"),
    "yolox-l": partial(build_yolox, "l"),
    "yolox-x": partial(build_yolox, "x"),
}
"""Name -> a function that builds the untrained network; options such as `input_size` are those of `build_rtmpose` and
`build_yolox`."""
