"""HRNet, at any width, and its beginning alone, which TokenPose calls stemnet: both end at a quarter of the crop.

Source: HRNet, Wang et al. 2019, arXiv 1908.07919; names of the state dict as in the released code of HRNet and in
yshMars/DistilPose@91651a8 (without their prefix `backbone.`). TokenPose uses the first stage alone, the first three or
all four; the networks differ in nothing else. Batch norms have PyTorch's eps 1e-5 and momentum 0.1.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput

STRIDE = 4
"""Picture pixels per cell of the map that leaves the network, along each axis."""

STEM = 64
"""Channels of the first two convolutions at full width."""

EXPANSION = 4
"""How many times wider a bottleneck is outside than inside."""

BLOCKS = 4
"""Residual blocks in a row: bottlenecks of the first stage, basic blocks of a branch."""

MODULES = (1, 4, 3)
"""Modules of the second, third and fourth stage."""


def conv_norm(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    """A convolution without bias, padded to keep the size at stride 1, and its batch norm."""
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(channels_out)]


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 around a shortcut, (B, C, H, W) -> (B, 4 * inner, H, W)."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        outer = EXPANSION * inner
        self.conv1, self.bn1 = conv_norm(channels, inner, 1)
        self.conv2, self.bn2 = conv_norm(inner, inner, 3)
        self.conv3, self.bn3 = conv_norm(inner, outer, 1)
        self.downsample = nn.Identity() if channels == outer else nn.Sequential(*conv_norm(channels, outer, 1))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The last ReLU comes after the addition."""
        inner_BCHW = functional.relu(self.bn1(self.conv1(x_BCHW)))
        inner_BCHW = functional.relu(self.bn2(self.conv2(inner_BCHW)))
        return functional.relu(self.bn3(self.conv3(inner_BCHW)) + self.downsample(x_BCHW))


class BasicBlock(nn.Module):
    """Twice 3 x 3 around a shortcut. Keeps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_norm(channels, channels, 3)
        self.conv2, self.bn2 = conv_norm(channels, channels, 3)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """The last ReLU comes after the addition."""
        inner_BCHW = functional.relu(self.bn1(self.conv1(x_BCHW)))
        return functional.relu(self.bn2(self.conv2(inner_BCHW)) + x_BCHW)


class FusedBranches(nn.Module):
    """Branches that run side by side, each with half the cells per axis of the one before, and then see each other.

    Args:
        widths: channels of each branch, finest first.
        outputs: how many maps leave, finest first.
    """

    def __init__(self, widths: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(channels) for _ in range(BLOCKS))) for channels in widths
        )
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(build_path(widths, source, target) for source in range(len(widths)))
            for target in range(outputs)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Each map that leaves is the ReLU of the sum of what all branches send it, in the order of the branches."""
        maps = [branch(map_BCHW) for branch, map_BCHW in zip(self.branches, maps, strict=True)]
        fused = []
        for paths in self.fuse_layers:
            assert isinstance(paths, nn.ModuleList)
            sent = [path(map_BCHW) for path, map_BCHW in zip(paths, maps, strict=True)]
            total_BCHW = sent[0]
            for map_BCHW in sent[1:]:
                total_BCHW = total_BCHW + map_BCHW
            fused.append(functional.relu(total_BCHW))
        return fused


def build_path(widths: Sequence[int], source: int, target: int) -> nn.Module:
    """What takes a map from one branch to size and width of another: enlarge, leave alone, or halve step by step."""
    if source == target:
        return nn.Identity()
    if source > target:
        enlarge = nn.Upsample(scale_factor=2 ** (source - target), mode="nearest")
        return nn.Sequential(*conv_norm(widths[source], widths[target], 1), enlarge)
    kept, last = widths[source], widths[target]
    halve = [nn.Sequential(*conv_norm(kept, kept, 3, stride=2), nn.ReLU()) for _ in range(target - source - 1)]
    return nn.Sequential(*halve, nn.Sequential(*conv_norm(kept, last, 3, stride=2)))


def build_transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """What makes the maps of a stage from those of the stage before; the new, coarser one from the last of these."""
    kept = [
        nn.Identity() if old == new else nn.Sequential(*conv_norm(old, new, 3), nn.ReLU())
        for old, new in zip(before, after, strict=False)
    ]
    new = nn.Sequential(nn.Sequential(*conv_norm(before[-1], after[-1], 3, stride=2), nn.ReLU()))
    return nn.ModuleList([*kept, new])


def build_stage(widths: Sequence[int], modules: int, outputs: int) -> nn.Sequential:
    """Modules one after the other; only the last one may drop maps."""
    kept = [len(widths)] * (modules - 1) + [outputs]
    return nn.Sequential(*(FusedBranches(widths, count) for count in kept))


class HrNet(nn.Module):
    """(B, 3, H, W) -> (B, channels, H / 4, W / 4), the finest map of the last stage.

    Args:
        stages: 1 for stemnet, 2, 3 or 4; the last one has a single map.
        width: channels of the finest branch, of which the first stage has none; each coarser branch has twice as many.
        stem: channels of the first two convolutions, 64 in all published networks.

    Attributes:
        channels: of the map that leaves: `width`, or four times `stem` after the first stage.
        later_stages: the numbers of the stages after the first.

    Raises:
        InvalidInput: there is no such number of stages.
    """

    def __init__(self, stages: int, width: int = 48, stem: int = STEM) -> None:
        super().__init__()
        if not 1 <= stages <= len(MODULES) + 1:
            raise InvalidInput(f"{stages} is not between 1 and {len(MODULES) + 1}", field="stages")
        self.conv1, self.bn1 = conv_norm(3, stem, 3, stride=2)
        self.conv2, self.bn2 = conv_norm(stem, stem, 3, stride=2)
        outer = EXPANSION * stem
        self.layer1 = nn.Sequential(Bottleneck(stem, stem), *(Bottleneck(outer, stem) for _ in range(BLOCKS - 1)))
        self.later_stages = range(2, stages + 1)
        before = [outer]
        for number, modules in zip(self.later_stages, MODULES, strict=False):
            widths = [width * 2**branch for branch in range(number)]
            self.add_module(f"transition{number - 1}", build_transition(before, widths))
            self.add_module(f"stage{number}", build_stage(widths, modules, 1 if number == stages else number))
            before = widths
        self.channels = before[0]
        initialise_backbone(self)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """Run the stem and all stages."""
        x_BCHW = functional.relu(self.bn1(self.conv1(image_B3HW)))
        x_BCHW = functional.relu(self.bn2(self.conv2(x_BCHW)))
        maps: list[Tensor] = [self.layer1(x_BCHW)]
        for number in self.later_stages:
            transition, stage = getattr(self, f"transition{number - 1}"), getattr(self, f"stage{number}")
            sources = [*maps, maps[-1]][: len(transition)]
            maps = stage([step(map_BCHW) for step, map_BCHW in zip(transition, sources, strict=True)])
        return maps[0]


def initialise_backbone(network: nn.Module) -> None:
    """Give convolutions the reference's starting values, N(0, 0.001) by standard deviation, in place."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.001)
