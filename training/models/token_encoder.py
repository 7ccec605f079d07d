"""TokenPose's encoder, token-distilling in DistilPose: patches of a feature map and keypoints look at each other.

Source: TokenPose, Li et al. 2021, arXiv 2104.03516, in the form of yshMars/DistilPose@91651a8, which scales attention
by the width of a head.

Letters beside those of `training.contracts`: D width of a token, L visual tokens, T all tokens, A heads of an
attention, E width of a head, P numbers in a patch.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput

PATCH = (4, 3)
"""Rows and columns of the feature map in one visual token: 16 x 16 tokens of a 64 x 48 map."""

EXPANSION = 3
"""How many times wider the two-layer perceptron is inside."""


class Tokens(NamedTuple):
    """What the encoder says.

    Attributes:
        keypoint_BKD: one token per keypoint.
        visual_BLD: one token per patch of the feature map, row by row.
    """

    keypoint_BKD: Tensor
    visual_BLD: Tensor


class Encoding(NamedTuple):
    """The size of an encoder: width of a token, layers, heads of the attention, keypoints."""

    width: int = 192
    layers: int = 12
    heads: int = 8
    keypoints: int = 17


class Attention(nn.Module):
    """Softmax attention of all tokens to all tokens. Keeps (B, T, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Queries, keys and values stand in this order in `qkv`, each with its heads side by side."""
        q_BATE, k_BATE, v_BATE = self.qkv(x_BTD).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind()
        attended_BATE = functional.scaled_dot_product_attention(q_BATE, k_BATE, v_BATE)
        out_BTD: Tensor = self.out(attended_BATE.transpose(1, 2).flatten(2))
        return out_BTD


class Layer(nn.Module):
    """Attention and a perceptron, each with a layer norm before and around a shortcut. Keeps (B, T, D)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, EXPANSION * width), nn.GELU(), nn.Linear(EXPANSION * width, width))

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Attention first."""
        x_BTD = x_BTD + self.attention(self.attention_norm(x_BTD))
        out_BTD: Tensor = x_BTD + self.mlp(self.mlp_norm(x_BTD))
        return out_BTD


class TokenEncoder(nn.Module):
    """(B, C, H, W) feature map -> `Tokens`.

    Args:
        channels: of the feature map.
        cells: rows and columns of the feature map.
        encoding: how many tokens there are and how wide they are.

    Attributes:
        counts: keypoint tokens and visual tokens.
        position_LD: where each patch is, see `sine_table`; added to the visual tokens before every layer, so that it
            adds up. Keypoint tokens are nowhere. Learns nothing, and is not stored.

    Raises:
        InvalidInput: the map cannot be cut into patches, or a token not into heads.
    """

    position_LD: Tensor

    def __init__(self, channels: int, cells: tuple[int, int], encoding: Encoding) -> None:
        super().__init__()
        rows, columns = (cell // patch for cell, patch in zip(cells, PATCH, strict=True))
        if (rows * PATCH[0], columns * PATCH[1]) != cells:
            raise InvalidInput(f"{cells} cells (height, width) cannot be cut into patches of {PATCH}", field="cells")
        if encoding.width % encoding.heads or encoding.width % 4:
            raise InvalidInput(f"{encoding.width} is not a multiple of 4 and of {encoding.heads} heads", field="width")
        self.counts = [encoding.keypoints, rows * columns]
        self.keypoint_token = nn.Parameter(torch.zeros(1, encoding.keypoints, encoding.width))
        self.patch_to_token = nn.Linear(channels * math.prod(PATCH), encoding.width)
        self.layers = nn.ModuleList(Layer(encoding.width, encoding.heads) for _ in range(encoding.layers))
        self.register_buffer("position_LD", sine_table(rows, columns, encoding.width), persistent=False)

    def forward(self, feature_BCHW: Tensor) -> Tokens:
        """The tokens of the last layer; there is no norm after it."""
        keypoint_BKD = self.keypoint_token.expand(feature_BCHW.shape[0], -1, -1)
        visual_BLD = self.patch_to_token(cut_patches(feature_BCHW))
        for layer in self.layers:
            x_BTD = layer(torch.cat((keypoint_BKD, visual_BLD + self.position_LD), dim=1))
            keypoint_BKD, visual_BLD = x_BTD.split(self.counts, dim=1)
        return Tokens(keypoint_BKD, visual_BLD)


def cut_patches(feature_BCHW: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, L, P): patches row by row, the numbers of each by row, column, channel, channel fastest."""
    samples, channels, height, width = feature_BCHW.shape
    rows, columns = PATCH
    patches = feature_BCHW.reshape(samples, channels, height // rows, rows, width // columns, columns)
    return patches.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)


def sine_table(rows: int, columns: int, width: int) -> Tensor:
    """Positions of patches as sines and cosines, (rows * columns, width), float32.

    The first half of the width tells the row, the second the column. A row counts from 1 and is a fraction of a full
    turn; channel i turns 10000^(2 (i // 2) / (width / 2)) times slower, even channels are sines, odd ones cosines.
    """
    half = width // 2
    slower = 10000 ** (2 * torch.arange(half).div(2, rounding_mode="floor") / half)
    down, across = (
        ((torch.arange(count) + 1) / (count + 1e-6) * 2 * math.pi)[:, None] / slower for count in (rows, columns)
    )
    down, across = (
        torch.stack((angle[:, 0::2].sin(), angle[:, 1::2].cos()), dim=2).flatten(1) for angle in (down, across)
    )
    table = torch.cat((down[:, None].expand(-1, columns, -1), across[None].expand(rows, -1, -1)), dim=2)
    return table.flatten(0, 1)


def initialise_tokens(module: nn.Module) -> None:
    """Give an encoder and its head the reference's starting values, in place: N(0, 0.02) cut off, biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=0.02)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, TokenEncoder):
            nn.init.trunc_normal_(part.keypoint_token, std=0.02)
