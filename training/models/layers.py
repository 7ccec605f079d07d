"""Two layers that CSPNeXt and YOLOX share down to the names in their state dicts; and float32 where autocast is on."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional


def exact(x: Tensor) -> Tensor:
    """The same numbers in float32, where sums over many of them need it although autocast chose something shorter."""
    return x if x.dtype == torch.float32 else x.float()  # as written, exported graphs get no cast


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """A region whose layers compute in the precision of their weights, on a device that may know no autocast."""
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


class ConvBnSilu(nn.Module):
    """Convolution without bias, batch norm, SiLU. (B, C_in, H, W) -> (B, C_out, H / stride, W / stride).

    Attributes:
        conv: odd square kernel, padded so that stride 1 keeps the size; `groups` as in `nn.Conv2d`.
        bn: with PyTorch's eps 1e-5 and momentum 0.1; who needs others sets them afterwards.
    """

    def __init__(self, channels_in: int, channels_out: int, kernel: int, *, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(channels_out)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Apply the three in turn."""
        return functional.silu(self.bn(self.conv(x_BCHW)))


class SpatialPyramidPooling(nn.Module):
    """Halve the channels, look at neighbourhoods of 1, 5, 9 and 13 cells, and mix. (B, C, H, W) -> (B, C_out, H, W).

    Source: He et al. 2015, arXiv 1406.4729, in the form of YOLOX and CSPNeXt, where three pools look at the same map.
    Here each pool of 5 looks at the one before: a maximum of maxima reaches 9 and 13 cells with the identical values
    and a quarter of the comparisons.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        middle = channels_in // 2
        self.conv1 = ConvBnSilu(channels_in, middle, 1)
        self.conv2 = ConvBnSilu(4 * middle, channels_out, 1)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Concatenate the pooled maps, smallest neighbourhood first, and mix them."""
        maps = [self.conv1(x_BCHW)]
        for _ in range(3):
            maps.append(functional.max_pool2d(maps[-1], kernel_size=5, stride=1, padding=2))
        mixed_BCHW: Tensor = self.conv2(torch.cat(maps, dim=1))
        return mixed_BCHW
