"""CSPDarknet, the backbone of YOLOX, in six sizes, and the layers that YOLOX's neck is made of as well.

Source: YOLOX, arXiv 2107.08430, as built by Megvii-BaseDetection/YOLOX; names and order in the state dict are those of
its checkpoints (without their prefix `backbone.backbone.`).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.models.layers import ConvBnSilu, SpatialPyramidPooling


class Variant(NamedTuple):
    """How deep and wide a network is relative to size l, its usual square input in pixels, and its kind of 3 x 3."""

    deepen: float
    widen: float
    input_px: int
    depthwise: bool = False


VARIANTS = {
    "nano": Variant(0.33, 0.25, 416, depthwise=True),
    "tiny": Variant(0.33, 0.375, 416),
    "s": Variant(0.33, 0.5, 640),
    "m": Variant(0.67, 0.75, 640),
    "l": Variant(1.0, 1.0, 640),
    "x": Variant(1.33, 1.25, 640),
}


class DepthwiseSeparable(nn.Module):
    """3 x 3 per channel, then 1 x 1 across channels. (B, C_in, H, W) -> (B, C_out, H / stride, W / stride)."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1) -> None:
        super().__init__()
        self.dconv = ConvBnSilu(channels_in, channels_in, 3, stride=stride, groups=channels_in)
        self.pconv = ConvBnSilu(channels_in, channels_out, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the two in turn."""
        out_BCHW: Tensor = self.pconv(self.dconv(x_BCHW))
        return out_BCHW


def build_conv3(channels_in: int, channels_out: int, *, stride: int = 1, depthwise: bool) -> nn.Module:
    """A 3 x 3 convolution with batch norm and SiLU, split into two in the depthwise variant."""
    if depthwise:
        return DepthwiseSeparable(channels_in, channels_out, stride=stride)
    return ConvBnSilu(channels_in, channels_out, 3, stride=stride)


class Focus(nn.Module):
    """Fold each 2 x 2 square of pixels into channels and convolve. (B, 3, H, W) -> (B, C, H / 2, W / 2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvBnSilu(12, channels, 3)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """The squares' columns come in reading order, each top to bottom, unlike in `pixel_unshuffle`."""
        corners = [image_B3HW[:, :, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        out_BCHW: Tensor = self.conv(torch.cat(corners, dim=1))
        return out_BCHW


class Bottleneck(nn.Module):
    """1 x 1, then 3 x 3; with `residual` the input is added. Keeps (B, C, H, W)."""

    def __init__(self, channels: int, *, residual: bool, depthwise: bool) -> None:
        super().__init__()
        self.conv1 = ConvBnSilu(channels, channels, 1)
        self.conv2 = build_conv3(channels, channels, depthwise=depthwise)
        self.residual = residual

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Keep the shape."""
        out_BCHW: Tensor = self.conv2(self.conv1(x_BCHW))
        return out_BCHW + x_BCHW if self.residual else out_BCHW


class CspLayer(nn.Module):
    """Half of C_out through `m`, half past it, and a mix. (B, C_in, H, W) -> (B, C_out, H, W)."""

    def __init__(self, channels_in: int, channels_out: int, blocks: int, *, residual: bool, depthwise: bool) -> None:
        super().__init__()
        middle = channels_out // 2
        self.conv1 = ConvBnSilu(channels_in, middle, 1)
        self.conv2 = ConvBnSilu(channels_in, middle, 1)
        self.conv3 = ConvBnSilu(2 * middle, channels_out, 1)
        self.m = nn.Sequential(*(Bottleneck(middle, residual=residual, depthwise=depthwise) for _ in range(blocks)))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The blocks' half comes first in the concatenation."""
        through_BCHW, past_BCHW = self.conv1(x_BCHW), self.conv2(x_BCHW)
        out_BCHW: Tensor = self.conv3(torch.cat((self.m(through_BCHW), past_BCHW), dim=1))
        return out_BCHW


class CspDarknet(nn.Module):
    """(B, 3, H, W) -> maps of stride 8, 16 and 32 with 256, 512 and 1024 channels times `widen`."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        base, blocks = int(variant.widen * 64), max(round(variant.deepen * 3), 1)
        self.stem = Focus(base)
        self.dark2 = self.build_stage(base, blocks, depthwise=variant.depthwise)
        self.dark3 = self.build_stage(2 * base, 3 * blocks, depthwise=variant.depthwise)
        self.dark4 = self.build_stage(4 * base, 3 * blocks, depthwise=variant.depthwise)
        self.dark5 = self.build_last_stage(8 * base, blocks, depthwise=variant.depthwise)

    @staticmethod
    def build_stage(channels_in: int, blocks: int, *, depthwise: bool) -> nn.Sequential:
        """Halve the map, double the channels."""
        channels = 2 * channels_in
        return nn.Sequential(
            build_conv3(channels_in, channels, stride=2, depthwise=depthwise),
            CspLayer(channels, channels, blocks, residual=True, depthwise=depthwise),
        )

    @staticmethod
    def build_last_stage(channels_in: int, blocks: int, *, depthwise: bool) -> nn.Sequential:
        """Like the others, with pooled neighbourhoods and without residuals."""
        channels = 2 * channels_in
        return nn.Sequential(
            build_conv3(channels_in, channels, stride=2, depthwise=depthwise),
            SpatialPyramidPooling(channels, channels),
            CspLayer(channels, channels, blocks, residual=False, depthwise=depthwise),
        )

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Finest map first."""
        dark3 = self.dark3(self.dark2(self.stem(image_B3HW)))
        dark4 = self.dark4(dark3)
        return dark3, dark4, self.dark5(dark4)
