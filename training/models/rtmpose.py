"""RTMPose, the network that DWPose distils: CSPNeXt backbone and RTMCC head, in five sizes.

Source: RTMPose, arXiv 2303.07399; sizes of mmpose@759b39c1 projects/rtmposev1 and configs/wholebody_2d_keypoint. State
dicts have the names, shapes and order of the published checkpoints.
"""

from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from training.models.cspnext import STRIDE, CspNext
from training.models.rtmcc_head import RtmccHead

WHOLE_BODY_KEYPOINTS = 133


class Scale(NamedTuple):
    """How deep and wide a network is, relative to size l."""

    deepen: float
    widen: float


SCALES = {
    "t": Scale(0.167, 0.375),
    "s": Scale(0.33, 0.5),
    "m": Scale(0.67, 0.75),
    "l": Scale(1.0, 1.0),
    "x": Scale(1.33, 1.25),
}

SIZE_256x192 = Size(width=192, height=256)
SIZE_384x288 = Size(width=288, height=384)


class RtmPose(nn.Module):
    """A person crop to SimCC logits.

    `backbone` and `head` are used on their own where a method needs the feature map between them: DWPose's second
    stage feeds one network's backbone to another one's head.

    Attributes:
        input_size: the only size of crop this head can read.
    """

    onnx_input: ClassVar[str] = "input"
    onnx_outputs: ClassVar[tuple[str, ...]] = ("simcc_x", "simcc_y")

    def __init__(self, scale: Scale, input_size: Size, keypoints: int) -> None:
        super().__init__()
        if input_size.width % STRIDE or input_size.height % STRIDE:
            raise InvalidInput(f"{input_size} is not a multiple of {STRIDE} pixels", field="input_size")
        self.input_size = input_size
        self.backbone = CspNext(scale.deepen, scale.widen)
        self.head = RtmccHead(self.backbone.channels, input_size, keypoints)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """RGB crop, minus mean (123.675, 116.28, 103.53), over std (58.395, 57.12, 57.375) -> simcc_x, simcc_y."""
        _, simcc_x_BKX, simcc_y_BKY = self.forward_with_feature(image_B3HW)
        return simcc_x_BKX, simcc_y_BKY

    def forward_with_feature(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the last backbone map (B, C, H / 32, W / 32), which feature distillation compares, and the logits."""
        feature_BCHW = self.backbone(image_B3HW)
        simcc_x_BKX, simcc_y_BKY = self.head(feature_BCHW)
        return feature_BCHW, simcc_x_BKX, simcc_y_BKY


def build_rtmpose(size: str, *, input_size: Size = SIZE_256x192, keypoints: int = WHOLE_BODY_KEYPOINTS) -> RtmPose:
    """A fresh RTMPose of size t, s, m, l or x; published ones take 256 x 192 or 384 x 288 (height x width)."""
    if size not in SCALES:
        raise UnknownChoice("size", size, SCALES)
    return RtmPose(SCALES[size], input_size, keypoints)
