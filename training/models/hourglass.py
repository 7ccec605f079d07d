"""Stacked hourglass: a crop to one heatmap per point, looked at again and again at all resolutions.

Sources: Newell et al., ECCV 2016 (arXiv 1603.06937; pose-hg-train@2fef691) for the design and the `original` stem; Fast
Human Pose Estimation, arXiv 1811.05419, in its released code (ilovepose@c4722f8) for the `scaled` stem, biases and
names. State dicts have the names, shapes and order of the released checkpoints.
"""

from typing import ClassVar, Literal, cast, get_args

from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size

STRIDE = 4
"""Crop pixels per cell of a map, on both axes."""

ORDER = 4
"""How often an hourglass halves its map."""

SIZE_256x256 = Size(width=256, height=256)
MPII_KEYPOINTS = 16

Stem = Literal["scaled", "original"]
"""Widths before the first hourglass: growing with the network's (f/4, f/2, f), as released, or those of the original
design (64, 128, 128), which fit the cost that the paper states for its student."""


class Residual(nn.Module):
    """Pre-activation bottleneck: 1 x 1, 3 x 3 and 1 x 1 convolution after a batch norm and a ReLU each, plus the input.

    (B, C_in, H, W) -> (B, C_out, H, W). Where the widths differ the input passes a 1 x 1 convolution of its own.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        middle = channels_out // 2
        self.bn1 = nn.BatchNorm2d(channels_in)
        self.conv1 = nn.Conv2d(channels_in, middle, kernel_size=1)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, kernel_size=3, padding=1)
        self.bn3 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, channels_out, kernel_size=1)
        same = channels_in == channels_out
        self.downsample = nn.Sequential() if same else nn.Sequential(nn.Conv2d(channels_in, channels_out, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Add what the three convolutions make of the input to it."""
        y_BCHW = self.conv1(functional.relu(self.bn1(x_BCHW)))
        y_BCHW = self.conv2(functional.relu(self.bn2(y_BCHW)))
        y_BCHW = self.conv3(functional.relu(self.bn3(y_BCHW)))
        return y_BCHW + self.downsample(x_BCHW)


def unit(channels_in: int, channels_out: int) -> nn.Sequential:
    """One residual unit; released checkpoints count those of a series, which here is always one."""
    return nn.Sequential(Residual(channels_in, channels_out))


class Hourglass(nn.Module):
    """Down to a sixteenth of the resolution and up again, a residual unit on each way. (B, C, H, W) to the same shape.

    Attributes:
        hg: from the innermost order to the outermost one the units that skip, go down and go up; the innermost order
            has a fourth one, at the bottom.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hg = nn.ModuleList(
            nn.ModuleList(unit(channels, channels) for _ in range(3 if order else 4)) for order in range(ORDER)
        )

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Look at the map as a whole and in detail."""
        return self._look(ORDER - 1, x_BCHW)

    def _look(self, order: int, x_BCHW: Tensor) -> Tensor:
        skip, down, up, *bottom = cast("nn.ModuleList", self.hg[order])
        low_BCHW = down(functional.max_pool2d(x_BCHW, 2))
        low_BCHW = bottom[0](low_BCHW) if bottom else self._look(order - 1, low_BCHW)
        raised_BCHW = functional.interpolate(up(low_BCHW), scale_factor=2.0, mode="nearest")
        added_BCHW: Tensor = skip(x_BCHW) + raised_BCHW
        return added_BCHW


class StackedHourglass(nn.Module):
    """A person crop to heatmaps, one per point and stack.

    Attributes:
        input_size: of the crops, a multiple of 64 pixels on both axes.
        keypoints: how many points.
        map_size: width and height of the maps.
    """

    onnx_input: ClassVar[str] = "input"
    onnx_outputs: ClassVar[tuple[str, ...]] = ("heatmaps",)

    def __init__(self, stacks: int, channels: int, stem: Stem, input_size: Size, keypoints: int) -> None:
        super().__init__()
        multiple = STRIDE * 2**ORDER
        if input_size.width % multiple or input_size.height % multiple:
            raise InvalidInput(f"{input_size} is not a multiple of {multiple} pixels", field="input_size")
        if stem not in get_args(Stem):
            raise UnknownChoice("stem", stem, get_args(Stem))
        self.input_size, self.keypoints = input_size, keypoints
        self.map_size = Size(input_size.width // STRIDE, input_size.height // STRIDE)
        first, second, third = (channels // 4, channels // 2, channels) if stem == "scaled" else (64, 128, 128)
        self.conv1 = nn.Conv2d(3, first, kernel_size=7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(first)
        self.layer1, self.layer2, self.layer3 = unit(first, second), unit(second, third), unit(third, channels)
        self.hg = nn.ModuleList(Hourglass(channels) for _ in range(stacks))
        self.res = nn.ModuleList(unit(channels, channels) for _ in range(stacks))
        self.fc = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.ReLU()) for _ in range(stacks)
        )
        self.score = nn.ModuleList(nn.Conv2d(channels, keypoints, 1) for _ in range(stacks))
        self.fc_ = nn.ModuleList(nn.Conv2d(channels, channels, 1) for _ in range(stacks - 1))
        self.score_ = nn.ModuleList(nn.Conv2d(keypoints, channels, 1) for _ in range(stacks - 1))

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor]:
        """RGB crop, minus mean (123.675, 116.28, 103.53), over std (58.395, 57.12, 57.375) -> maps of the last stack.

        They are (B, K, height / 4, width / 4) and linear; a peak of about 1 is a sure point.
        """
        return (self.forward_stacks(image_B3HW)[-1],)

    def forward_stacks(self, image_B3HW: Tensor) -> list[Tensor]:
        """The maps of every stack, which training compares with the labels."""
        x_BCHW = functional.relu(self.bn1(self.conv1(image_B3HW)))
        x_BCHW = functional.max_pool2d(self.layer1(x_BCHW), 2)
        x_BCHW = self.layer3(self.layer2(x_BCHW))
        maps = []
        for number, (hourglass, res, fc, score) in enumerate(zip(self.hg, self.res, self.fc, self.score, strict=True)):
            y_BCHW = fc(res(hourglass(x_BCHW)))
            maps.append(score(y_BCHW))
            if number < len(self.fc_):
                x_BCHW = x_BCHW + self.fc_[number](y_BCHW) + self.score_[number](maps[-1])
        return maps


def build_hourglass(
    stacks: int,
    channels: int,
    *,
    stem: Stem = "scaled",
    input_size: Size = SIZE_256x256,
    keypoints: int = MPII_KEYPOINTS,
) -> StackedHourglass:
    """A fresh stacked hourglass; the published teacher is 8 x 256, the student 4 x 128."""
    return StackedHourglass(stacks, channels, stem, input_size, keypoints)


def require_hourglass(network: nn.Module | None, role: str) -> StackedHourglass:
    """A stacked hourglass, if it is one.

    Raises:
        InvalidInput: there is none, or a network of another kind.
    """
    if not isinstance(network, StackedHourglass):
        raise InvalidInput("a stacked hourglass is needed", field=role)
    return network
