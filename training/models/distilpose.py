"""DistilPose, the student of TokenPose: the same encoder, but five numbers per keypoint instead of a map.

Source: DistilPose, Ye et al. 2023, arXiv 2303.02455; yshMars/DistilPose@91651a8.
"""

from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput
from pose_core.types import Size
from training.models.hrnet import HrNet
from training.models.layers import exact, without_autocast
from training.models.token_encoder import Encoding, TokenEncoder, Tokens, initialise_tokens
from training.models.tokenpose import Scale, SIZE_256x192, cells_of, scale_of

SCORE = 2
"""Channel of the score among the five numbers of a keypoint: x, y, score, width along x, width along y."""


class Points(NamedTuple):
    """Where keypoints are, as a Gaussian each.

    Attributes:
        mu_BK2: x and y as fractions of the crop's width and height.
        score_BK1: how sure the network is; any number, taught to be the height of the teacher's map.
        sigma_BK2: width of the Gaussian along x and y, in cells of the teacher's map.
    """

    mu_BK2: Tensor
    score_BK1: Tensor
    sigma_BK2: Tensor


class PointHead(nn.Module):
    """(B, C, H, W) feature map -> `Points`; all keypoints share one norm and one layer.

    These are computed in float32 also under autocast: steps of bfloat16 are as wide as a pixel.
    """

    def __init__(self, channels: int, cells: tuple[int, int], encoding: Encoding) -> None:
        super().__init__()
        self.encoder = TokenEncoder(channels, cells, encoding)
        self.mlp = nn.Sequential(nn.LayerNorm(encoding.width), nn.Linear(encoding.width, 5))
        initialise_tokens(self)

    def forward(self, feature_BCHW: Tensor) -> tuple[Points, Tokens]:
        """The points, and the tokens they come from; softplus keeps the widths positive."""
        tokens = self.encoder(feature_BCHW)
        with without_autocast(feature_BCHW.device):
            mu_BK2, score_BK1, sigma_BK2 = self.mlp(exact(tokens.keypoint_BKD)).split([2, 1, 2], dim=2)
        return Points(mu_BK2.sigmoid(), score_BK1, functional.softplus(sigma_BK2)), tokens

    @torch.no_grad()
    def fix_score(self, score: float) -> None:
        """Answer one score for everything, in place: that of a network whose scores nothing teaches says nothing."""
        layer = self.mlp[-1]
        assert isinstance(layer, nn.Linear)
        layer.weight[SCORE], layer.bias[SCORE] = 0.0, score


class DistilPose(nn.Module):
    """A person crop to keypoints.

    Attributes:
        input_size: the only size of crop this head can read.
    """

    onnx_input: ClassVar[str] = "input"
    onnx_outputs: ClassVar[tuple[str, ...]] = ("keypoints", "scores")

    def __init__(self, scale: Scale, input_size: Size) -> None:
        super().__init__()
        self.input_size = input_size
        self.backbone = HrNet(scale.stages, scale.width, scale.stem)
        self.head = PointHead(self.backbone.channels, cells_of(input_size), scale.encoding)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """RGB crop, normalised with the numbers of ImageNet -> what `pose_core.codecs.Regression` decodes.

        Returns:
            Fractions (B, K, 2) of width and height, raw scores (B, K, 1).
        """
        points, _ = self.forward_with_tokens(image_B3HW)
        return points.mu_BK2, points.score_BK1

    def forward_with_tokens(self, image_B3HW: Tensor) -> tuple[Points, Tokens]:
        """Everything that is compared with the teacher."""
        points, tokens = self.head(self.backbone(image_B3HW))
        return points, tokens


SCALES = {
    "xs": Scale(stages=1, encoding=Encoding(width=96, layers=4, heads=4), stem=16),
    "s": Scale(stages=1),
    "l": Scale(stages=3),
}
"""All but `xs` are published; that one has tokens like the teacher of that size."""


def build_distilpose(size: str, *, input_size: Size = SIZE_256x192, keypoints: int = 17) -> DistilPose:
    """A fresh DistilPose: xs and s on stemnet, l on three stages of HRNet-W48."""
    return DistilPose(scale_of(SCALES, size, keypoints), input_size)


def require_distilpose(student: nn.Module) -> DistilPose:
    """The student, if it is one.

    Raises:
        InvalidInput: a network that answers no points.
    """
    if not isinstance(student, DistilPose):
        raise InvalidInput("this method trains a DistilPose", field="student")
    return student
