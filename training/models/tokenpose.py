"""TokenPose, the heatmap network that teaches DistilPose: a backbone, the token encoder, one map per keypoint token.

Source: TokenPose, Li et al. 2021, arXiv 2104.03516, in the form of the teachers of yshMars/DistilPose@91651a8: one
encoder of 12 layers also on HRNet-W48 (the published TokenPose-L has three encoders and three stages of HRNet), and
attention scaled by the width of a head.
"""

import math
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from training.models.hrnet import STEM, STRIDE, HrNet
from training.models.token_encoder import Encoding, TokenEncoder, Tokens, initialise_tokens

SIZE_256x192 = Size(width=192, height=256)


class Scale(NamedTuple):
    """What a network is made of.

    Attributes:
        stages: of HRNet; 1 is stemnet.
        encoding: see there.
        width: channels of HRNet's finest branch.
        stem: channels of the first two convolutions.
    """

    stages: int
    encoding: Encoding = Encoding()
    width: int = 48
    stem: int = STEM


class HeatmapHead(nn.Module):
    """(B, C, H, W) feature map -> maps (B, K, H, W) of the same cells.

    All keypoints share one perceptron without a non-linearity: norm, layer, norm, layer.
    """

    def __init__(self, channels: int, cells: tuple[int, int], encoding: Encoding) -> None:
        super().__init__()
        self.encoder = TokenEncoder(channels, cells, encoding)
        count, width = math.prod(cells), encoding.width
        middle = count // 8
        self.mlp = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, middle), nn.LayerNorm(middle), nn.Linear(middle, count)
        )
        self.cells = cells
        initialise_tokens(self)

    def forward(self, feature_BCHW: Tensor) -> tuple[Tensor, Tokens]:
        """The maps, and the tokens they come from."""
        tokens = self.encoder(feature_BCHW)
        return self.mlp(tokens.keypoint_BKD).unflatten(2, self.cells), tokens


class TokenPose(nn.Module):
    """A person crop to heatmaps.

    Attributes:
        input_size: the only size of crop this head can read.
        map_size: width and height of the maps.
    """

    onnx_input: ClassVar[str] = "input"
    onnx_outputs: ClassVar[tuple[str, ...]] = ("heatmaps",)

    def __init__(self, scale: Scale, input_size: Size) -> None:
        super().__init__()
        self.input_size = input_size
        self.backbone = HrNet(scale.stages, scale.width, scale.stem)
        rows, columns = cells_of(input_size)
        self.map_size = Size(columns, rows)
        self.head = HeatmapHead(self.backbone.channels, (rows, columns), scale.encoding)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor]:
        """RGB crop, normalised with the numbers of ImageNet -> (maps (B, K, H / 4, W / 4),)."""
        return (self.forward_with_tokens(image_B3HW)[0],)

    def forward_stacks(self, image_B3HW: Tensor) -> list[Tensor]:
        """The maps that training compares with the labels, of which there is one set only."""
        return [self.forward_with_tokens(image_B3HW)[0]]

    def forward_with_tokens(self, image_B3HW: Tensor) -> tuple[Tensor, Tokens]:
        """The maps, and the tokens that a student may copy."""
        heatmap_BKHW, tokens = self.head(self.backbone(image_B3HW))
        return heatmap_BKHW, tokens


def cells_of(input_size: Size) -> tuple[int, int]:
    """Rows and columns of the maps of a crop.

    Raises:
        InvalidInput: it cannot be cut into cells.
    """
    if input_size.width % STRIDE or input_size.height % STRIDE:
        raise InvalidInput(f"{input_size} is not a multiple of {STRIDE} pixels", field="input_size")
    return input_size.height // STRIDE, input_size.width // STRIDE


SCALES = {
    "xs": Scale(stages=1, encoding=Encoding(width=96, layers=6, heads=4), stem=32),
    "s": Scale(stages=1),
    "w48": Scale(stages=4),
}
"""All but `xs` are published; that one is for crops of 128 x 96 and two processor cores."""


def build_tokenpose(size: str, *, input_size: Size = SIZE_256x192, keypoints: int = 17) -> TokenPose:
    """A fresh TokenPose: xs and s on stemnet, w48 on all of HRNet-W48."""
    return TokenPose(scale_of(SCALES, size, keypoints), input_size)


def scale_of(scales: Mapping[str, Scale], size: str, keypoints: int) -> Scale:
    """A scale of a table, for a number of keypoints.

    Raises:
        UnknownChoice: there is none of that name.
    """
    if size not in scales:
        raise UnknownChoice("size", size, scales)
    scale = scales[size]
    return scale._replace(encoding=scale.encoding._replace(keypoints=keypoints))
