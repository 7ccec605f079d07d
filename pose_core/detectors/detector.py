"""What every detector is: a photo in, boxes of people out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import cv2
import numpy as np
from jaxtyping import Float32

from pose_core.geometry import letterbox
from pose_core.session import Session
from pose_core.steps import Steps, run_steps
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox, Size

ChannelOrder = Literal["rgb", "bgr"]
"""Order of the colour planes that a network is fed."""

DEFAULT_INPUT_SIZE = Size(640, 640)

DEFAULT_THRESHOLD = 0.3
"""Score above which the WebUI and ComfyUI pre-processors take a box for a person."""


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """What a detector network expects.

    Attributes:
        input_size: letterbox size where the graph leaves it open.
        channels: BGR as the public networks were trained; the WebUI and ComfyUI feed RGB.
    """

    input_size: Size = DEFAULT_INPUT_SIZE
    channels: ChannelOrder = "bgr"


class Detect(Protocol):
    """The code behind one architecture."""

    def __call__(
        self, session: Session, spec: DetectorSpec, image: Image, threshold: float, timer: Timer
    ) -> Steps[list[PersonBox]]:
        """People scoring above the threshold, best first, boxes in photo pixels and not clipped to the photo."""


@dataclass(frozen=True, slots=True)
class Detector:
    """A detector ready to use.

    Attributes:
        name: what the user called it.
        threshold: score above which a box counts when the caller names none.
        provider: onnxruntime's name of what computes; empty for a detector without a network.
        sha256: of the network's file; empty for a detector without a network.
        steps: photo, threshold and timer in, people out, best first.
        session: the network; None for a detector without one.
    """

    name: str
    threshold: float
    provider: str
    sha256: str
    steps: Callable[[Image, float, Timer], Steps[list[PersonBox]]]
    session: Session | None = None

    def detect(self, image: Image, threshold: float, timer: Timer) -> list[PersonBox]:
        """People scoring above the threshold, best first, boxes in photo pixels and not clipped to the photo.

        Raises:
            ModelError: the network failed.
        """
        return run_steps(self.steps(image, threshold, timer), timer)


def input_size(session: Session, spec: DetectorSpec) -> Size:
    """The graph's own input size, or the spec's where the graph leaves it open."""
    _, _, height, width = session.input_shape
    return Size(width or spec.input_size.width, height or spec.input_size.height)


def letterbox_planes(image: Image, size: Size, channels: ChannelOrder) -> Float32[np.ndarray, "1 3 height width"]:
    """The letterboxed photo as float32 planes with values 0..255."""
    tensor = np.empty((1, 3, size.height, size.width), np.float32)
    planes = cv2.split(letterbox(image, size))
    for plane, out in zip(planes if channels == "rgb" else planes[::-1], tensor[0], strict=True):
        np.copyto(out, plane)
    return tensor
