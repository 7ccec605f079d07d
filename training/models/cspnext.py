"""CSPNeXt-P5, the backbone of RTMPose, at any depth and width.

Source: RTMDet, arXiv 2212.07784, section 3.2, as instantiated by the whole-body configs of mmpose@759b39c1. Names and
order in the state dict are those of the published checkpoints (without their prefix `backbone.`). Batch norms keep
PyTorch's eps 1e-5 and momentum 0.1, as in those configs; the class there has other defaults that no config uses.
A fresh backbone has PyTorch's own initialisation, which is also the reference's; recipes load pre-trained weights.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput
from training.models.layers import ConvBnSilu, SpatialPyramidPooling, exact

STRIDE = 32
"""Picture pixels per cell of the feature map, along each axis."""


class Stage(NamedTuple):
    """One stage at depth 1 and width 1: its channels, how many blocks, and what the last stage does differently."""

    channels_in: int
    channels_out: int
    blocks: int
    residual: bool
    pooled: bool


STAGES = (
    Stage(64, 128, 3, residual=True, pooled=False),
    Stage(128, 256, 6, residual=True, pooled=False),
    Stage(256, 512, 6, residual=True, pooled=False),
    Stage(512, 1024, 3, residual=False, pooled=True),
)


class DepthwiseSeparable(nn.Module):
    """5 x 5 per channel, then 1 x 1 across channels, each with batch norm and SiLU. Keeps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvBnSilu(channels, channels, 5, groups=channels)
        self.pointwise_conv = ConvBnSilu(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the two in turn."""
        out_BCHW: Tensor = self.pointwise_conv(self.depthwise_conv(x_BCHW))
        return out_BCHW


class CspNextBlock(nn.Module):
    """3 x 3, then depthwise-separable 5 x 5; with `residual` the input is added after the last SiLU."""

    def __init__(self, channels: int, *, residual: bool) -> None:
        super().__init__()
        self.conv1 = ConvBnSilu(channels, channels, 3)
        self.conv2 = DepthwiseSeparable(channels)
        self.residual = residual

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Keep the shape (B, C, H, W)."""
        out_BCHW: Tensor = self.conv2(self.conv1(x_BCHW))
        return out_BCHW + x_BCHW if self.residual else out_BCHW


class ChannelAttention(nn.Module):
    """Scale every channel by a gate in 0..1 that sees the mean of all channels. Keeps (B, C, H, W).

    The mean is taken in float32 also under autocast.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Multiply by the gate."""
        mean_BC11 = functional.adaptive_avg_pool2d(exact(x_BCHW), 1)
        return x_BCHW * functional.hardsigmoid(self.fc(mean_BC11))


class CspLayer(nn.Module):
    """Half the channels through blocks, half past them, attention over both, and a mix. Keeps (B, C, H, W)."""

    def __init__(self, channels: int, blocks: int, *, residual: bool) -> None:
        super().__init__()
        middle = int(channels * 0.5)
        self.main_conv = ConvBnSilu(channels, middle, 1)
        self.short_conv = ConvBnSilu(channels, middle, 1)
        self.final_conv = ConvBnSilu(2 * middle, channels, 1)
        self.blocks = nn.Sequential(*(CspNextBlock(middle, residual=residual) for _ in range(blocks)))
        self.attention = ChannelAttention(2 * middle)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The main path comes first in the concatenation."""
        main_BCHW = self.blocks(self.main_conv(x_BCHW))
        both_BCHW = torch.cat((main_BCHW, self.short_conv(x_BCHW)), dim=1)
        out_BCHW: Tensor = self.final_conv(self.attention(both_BCHW))
        return out_BCHW


def build_stem(channels: int) -> nn.Sequential:
    """(B, 3, H, W) -> (B, channels, H / 2, W / 2) by three 3 x 3 convolutions, the first of stride 2."""
    half = channels // 2
    return nn.Sequential(ConvBnSilu(3, half, 3, stride=2), ConvBnSilu(half, half, 3), ConvBnSilu(half, channels, 3))


def build_stage(stage: Stage, deepen: float, widen: float) -> nn.Sequential:
    """Halve the map, pool neighbourhoods in the last stage only, then the CSP layer.

    Channels are truncated and blocks rounded half to even, at least one, like the reference does.
    """
    channels_in, channels = int(stage.channels_in * widen), int(stage.channels_out * widen)
    down = ConvBnSilu(channels_in, channels, 3, stride=2)
    pool = [SpatialPyramidPooling(channels, channels)] if stage.pooled else []
    return nn.Sequential(down, *pool, CspLayer(channels, max(round(stage.blocks * deepen), 1), residual=stage.residual))


class CspNext(nn.Module):
    """(B, 3, H, W) -> (B, channels, H / 32, W / 32), the map of the last stage only.

    Attributes:
        channels: channels of that map, 1024 at `widen` 1.
        frozen_stages: how many parts, the stem first, stay as they are; see `freeze_stages`.
    """

    def __init__(self, deepen: float, widen: float) -> None:
        super().__init__()
        self.channels = int(STAGES[-1].channels_out * widen)
        self.stem = build_stem(int(STAGES[0].channels_in * widen))
        self.stage1, self.stage2, self.stage3, self.stage4 = (build_stage(stage, deepen, widen) for stage in STAGES)
        self.frozen_stages = 0

    @property
    def parts(self) -> list[nn.Module]:
        """The stem and the four stages, in the order in which they run."""
        return [self.stem, self.stage1, self.stage2, self.stage3, self.stage4]

    def freeze_stages(self, count: int) -> None:
        """Let the first parts, of stem and four stages, learn nothing: neither weights nor statistics of batch norms.

        Raises:
            InvalidInput: there are not so many.
        """
        if not 0 <= count <= len(self.parts):
            raise InvalidInput(f"{count} is not between 0 and {len(self.parts)}", field="frozen_stages")
        self.frozen_stages = count
        for number, part in enumerate(self.parts):
            part.requires_grad_(requires_grad=number >= count)
        self.train(self.training)

    def train(self, mode: bool = True) -> "CspNext":  # noqa: FBT001, FBT002 - the signature of nn.Module
        """Switch all parts but the frozen ones, which stay in evaluation mode."""
        super().train(mode)
        for part in self.parts[: self.frozen_stages]:
            part.eval()
        return self

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Run the stem and the four stages."""
        return self.maps(image_B3HW)[-1]

    def maps(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the last three stages make: maps of stride 8, 16 and 32."""
        stride8_BCHW: Tensor = self.stage2(self.stage1(self.stem(image_B3HW)))
        stride16_BCHW: Tensor = self.stage3(stride8_BCHW)
        return stride8_BCHW, stride16_BCHW, self.stage4(stride16_BCHW)
