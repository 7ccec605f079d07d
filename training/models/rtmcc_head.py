"""RTMCC, the SimCC head of RTMPose: one token per keypoint, one gated attention, one classifier per image axis.

Source: RTMPose, arXiv 2303.07399, section 3; the gated attention unit is that of Hua et al. 2022, arXiv 2202.10447,
without biases, relative positions or dropout; constants from mmpose@759b39c1. Names and order in the state dict are
those of the published checkpoints (without their prefix `head.`). Nothing here keeps running statistics.

Letters beside those of `training.contracts`: D width of a token, E of its expansion, S of queries and keys.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput
from pose_core.types import Size
from training.models.cspnext import STRIDE
from training.models.layers import exact

BINS_PER_PIXEL = 2
"""SimCC split ratio: bins of the classifiers per pixel of the input."""

TOKEN_WIDTH = 256
EXPANDED_WIDTH = 512
QUERY_WIDTH = 128
KERNEL = 7


class ScaleNorm(nn.Module):
    """Divide the last axis by its root mean square, at least 1e-5, and multiply by one learned number `g`.

    The norm is taken in float32 also under autocast.

    Source: Nguyen and Salazar 2019, arXiv 1910.05895.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rms_per_norm: float = width**-0.5
        self.g = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        norm: Tensor = torch.linalg.vector_norm(exact(x), dim=-1, keepdim=True)
        return x / (norm * self.rms_per_norm).clamp(min=1e-5) * self.g


class ChannelScale(nn.Module):
    """Multiply each channel of the last axis by a learned number, at first 1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape."""
        return x * self.scale


class GatedAttention(nn.Module):
    """Let the tokens see each other, gate the result and add the scaled input. Keeps (B, K, D).

    The attention is relu(q k / sqrt(S)) squared: no softmax, not divided by the number of tokens.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(2, QUERY_WIDTH))
        self.beta = nn.Parameter(torch.rand(2, QUERY_WIDTH))
        self.o = nn.Linear(EXPANDED_WIDTH, TOKEN_WIDTH, bias=False)
        self.uv = nn.Linear(TOKEN_WIDTH, 2 * EXPANDED_WIDTH + QUERY_WIDTH, bias=False)
        self.ln = ScaleNorm(TOKEN_WIDTH)
        self.res_scale = ChannelScale(TOKEN_WIDTH)

    def forward(self, x_BKD: Tensor) -> Tensor:
        """Queries and keys are two affine views, rows of `gamma` and `beta`, of one projection."""
        projected = functional.silu(self.uv(self.ln(x_BKD)))
        u_BKE, v_BKE, base_BKS = torch.split(projected, [EXPANDED_WIDTH, EXPANDED_WIDTH, QUERY_WIDTH], dim=-1)
        q_BKS, k_BKS = (base_BKS[:, :, None] * self.gamma + self.beta).unbind(dim=2)
        attention_BKK = functional.relu(q_BKS @ k_BKS.transpose(1, 2) / math.sqrt(QUERY_WIDTH)).square()
        out_BKD: Tensor = self.res_scale(x_BKD) + self.o(u_BKE * (attention_BKK @ v_BKE))
        return out_BKD


class RtmccHead(nn.Module):
    """(B, C, H, W) feature map -> logits (B, K, X) and (B, K, Y), with X = 2 * input width and Y = 2 * input height.

    The size of the feature map is fixed: `mlp` has one weight per cell.
    """

    def __init__(self, channels: int, input_size: Size, keypoints: int) -> None:
        super().__init__()
        self.feature_HW = (input_size.height // STRIDE, input_size.width // STRIDE)
        cells = math.prod(self.feature_HW)
        self.final_layer = nn.Conv2d(channels, keypoints, KERNEL, padding=KERNEL // 2)
        self.mlp = nn.Sequential(ScaleNorm(cells), nn.Linear(cells, TOKEN_WIDTH, bias=False))
        self.gau = GatedAttention()
        self.cls_x = nn.Linear(TOKEN_WIDTH, input_size.width * BINS_PER_PIXEL, bias=False)
        self.cls_y = nn.Linear(TOKEN_WIDTH, input_size.height * BINS_PER_PIXEL, bias=False)
        initialise_head(self)

    def forward(self, feature_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Raw logits; the largest along the last axis is the bin, and its value the score."""
        tokens_BKD = self.gau(self.mlp(self.flatten_cells(self.final_layer(feature_BCHW))))
        return self.cls_x(tokens_BKD), self.cls_y(tokens_BKD)

    @torch.no_grad()
    def silence(self, keypoints: Sequence[int]) -> None:
        """Let points score 0 everywhere, in place: those that no label taught would otherwise answer anything.

        Their tokens become 0, and stay 0 in the gated attention, to which they then contribute nothing.

        Args:
            keypoints: their numbers, counted from 0.

        Raises:
            InvalidInput: a number of no keypoint.
        """
        count = self.final_layer.out_channels
        if wrong := [number for number in keypoints if not 0 <= number < count]:
            raise InvalidInput(f"{wrong[0]} is no point; they are 0 to {count - 1}", field="silence")
        assert self.final_layer.bias is not None
        for number in keypoints:
            self.final_layer.weight[number] = 0
            self.final_layer.bias[number] = 0

    def flatten_cells(self, maps_BKHW: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, K, L), row by row.

        Written with constant K and L so that an exported graph keeps them static; hence the check, without which a
        wrong size could silently become a wrong batch. The exporter's trace is spared it.
        """
        keypoints, (height, width) = self.final_layer.out_channels, self.feature_HW
        if not torch.onnx.is_in_onnx_export() and maps_BKHW.shape[2:] != (height, width):
            found = tuple(maps_BKHW.shape[2:])
            raise InvalidInput(
                f"{found} cells (height, width); this head is for {(height, width)}", field="feature map"
            )
        return maps_BKHW.reshape(-1, keypoints, height * width)


def initialise_head(head: nn.Module) -> None:
    """Give a head the reference's starting values, in place.

    Convolutions N(0, 0.001) with bias 0, linear layers N(0, 0.01), by standard deviation; `gamma` and `beta` are
    uniform in 0..1 and all scales 1 from construction. The Xavier initialisation of `uv` in the reference's gated
    attention is overwritten there, too.
    """
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.001)
            assert module.bias is not None
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
