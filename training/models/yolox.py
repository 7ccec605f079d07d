"""YOLOX, the person detector: CSPDarknet backbone, path aggregation and a decoupled head, in six sizes.

Source: YOLOX, arXiv 2107.08430, as built by Megvii-BaseDetection/YOLOX; names and order in the state dict and the
layout of the output are those of its checkpoints and of its published ONNX files.
"""

import math
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from training.models.csp_darknet import VARIANTS, CspDarknet, CspLayer, Variant, build_conv3
from training.models.layers import ConvBnSilu

STRIDES = (8, 16, 32)
"""Picture pixels per cell of the three maps, in the order of the output's rows."""

PRIOR = 0.01
"""Probability that a fresh head gives to every cell and class; keeps the first losses finite (RetinaNet, 4.1)."""


class PathAggregation(nn.Module):
    """The backbone and its neck: coarse maps flow into fine ones, and those back into coarse ones.

    Source: PANet, arXiv 1803.01534. Same strides and channels as `CspDarknet`, which is the child `backbone` because
    the published state dicts say `backbone.backbone`. Names count levels: C3_p4 is the CSP layer that makes map p4.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        depthwise, blocks = variant.depthwise, round(3 * variant.deepen)
        fine, middle, coarse = (int(channels * variant.widen) for channels in (256, 512, 1024))
        self.backbone = CspDarknet(variant)
        self.lateral_conv0 = ConvBnSilu(coarse, middle, 1)
        self.C3_p4 = CspLayer(2 * middle, middle, blocks, residual=False, depthwise=depthwise)
        self.reduce_conv1 = ConvBnSilu(middle, fine, 1)
        self.C3_p3 = CspLayer(2 * fine, fine, blocks, residual=False, depthwise=depthwise)
        self.bu_conv2 = build_conv3(fine, fine, stride=2, depthwise=depthwise)
        self.C3_n3 = CspLayer(2 * fine, middle, blocks, residual=False, depthwise=depthwise)
        self.bu_conv1 = build_conv3(middle, middle, stride=2, depthwise=depthwise)
        self.C3_n4 = CspLayer(2 * middle, coarse, blocks, residual=False, depthwise=depthwise)

    def forward(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Finest map first."""
        dark3, dark4, dark5 = self.backbone(image_B3HW)
        lateral5 = self.lateral_conv0(dark5)
        lateral4 = self.reduce_conv1(self.C3_p4(torch.cat((enlarge(lateral5), dark4), dim=1)))
        out3 = self.C3_p3(torch.cat((enlarge(lateral4), dark3), dim=1))
        out4 = self.C3_n3(torch.cat((self.bu_conv2(out3), lateral4), dim=1))
        out5 = self.C3_n4(torch.cat((self.bu_conv1(out4), lateral5), dim=1))
        return out3, out4, out5


def enlarge(x_BCHW: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2 H, 2 W): each cell becomes four."""
    return functional.interpolate(x_BCHW, scale_factor=2, mode="nearest")


class Cells(NamedTuple):
    """What the head says about one map's cells: box (B, 4, H, W), objectness (B, 1, H, W), classes (B, C, H, W)."""

    box: Tensor
    objectness: Tensor
    classes: Tensor

    def as_probabilities(self) -> "Cells":
        """Sigmoid of objectness and classes; boxes as they are."""
        return Cells(self.box, self.objectness.sigmoid(), self.classes.sigmoid())

    def as_rows(self) -> Tensor:
        """(B, 5 + classes, H * W), cells row by row: x, y, w, h, objectness, classes."""
        return torch.cat(self, dim=1).flatten(start_dim=2)


class DecoupledHead(nn.Module):
    """Per map: one stem, then separate towers for the classes and for box and objectness."""

    def __init__(self, variant: Variant, classes: int) -> None:
        super().__init__()
        width, depthwise = int(256 * variant.widen), variant.depthwise
        self.cls_convs = nn.ModuleList(build_tower(width, depthwise=depthwise) for _ in STRIDES)
        self.reg_convs = nn.ModuleList(build_tower(width, depthwise=depthwise) for _ in STRIDES)
        self.cls_preds = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in STRIDES)
        self.reg_preds = nn.ModuleList(nn.Conv2d(width, 4, 1) for _ in STRIDES)
        self.obj_preds = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in STRIDES)
        self.stems = nn.ModuleList(ConvBnSilu(int(channels * variant.widen), width, 1) for channels in (256, 512, 1024))

    def forward(self, *maps: Tensor) -> list[Cells]:
        """One `Cells` per map, finest first."""
        return [self.read_level(level, x_BCHW) for level, x_BCHW in enumerate(maps)]

    def read_level(self, level: int, x_BCHW: Tensor) -> Cells:
        """What map `level` says."""
        stem_BCHW = self.stems[level](x_BCHW)
        classes_BCHW = self.cls_preds[level](self.cls_convs[level](stem_BCHW))
        tower_BCHW = self.reg_convs[level](stem_BCHW)
        return Cells(self.reg_preds[level](tower_BCHW), self.obj_preds[level](tower_BCHW), classes_BCHW)


def build_tower(width: int, *, depthwise: bool) -> nn.Sequential:
    """Two 3 x 3 convolutions that keep (B, width, H, W)."""
    return nn.Sequential(*(build_conv3(width, width, depthwise=depthwise) for _ in range(2)))


class YoloX(nn.Module):
    """A picture to one row per cell of strides 8, 16 and 32.

    Rows are not decoded: with `cell` the column and row of the cell, centre = (xy + cell) * stride and
    size = exp(wh) * stride, in pixels of the input.

    Attributes:
        input_size: the size an exported file takes; the network itself reads any multiple of 32 pixels.
    """

    onnx_input: ClassVar[str] = "images"
    onnx_outputs: ClassVar[tuple[str, ...]] = ("output",)

    def __init__(self, variant: Variant, classes: int, input_size: Size) -> None:
        super().__init__()
        self.input_size = input_size
        self.backbone = PathAggregation(variant)
        self.head = DecoupledHead(variant, classes)
        initialise_yolox(self)

    def forward(self, image_B3HW: Tensor) -> Tensor:
        """BGR 0..255, padded with 114 -> (B, N, 5 + classes), objectness and classes as probabilities."""
        levels = self.head(*self.backbone(image_B3HW))
        return stack_rows([cells.as_probabilities() for cells in levels])

    def forward_logits(self, image_B3HW: Tensor) -> Tensor:
        """The same rows with objectness and classes before the sigmoid, for losses."""
        return self.forward_with_maps(image_B3HW)[1]

    def forward_with_maps(self, image_B3HW: Tensor) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        """The maps of the neck, finest first, which feature distillation compares, and the rows of `forward_logits`."""
        maps = self.backbone(image_B3HW)
        return maps, stack_rows(self.head(*maps))


def stack_rows(levels: list[Cells]) -> Tensor:
    """(B, N, 5 + classes): the cells of all maps, finest map first."""
    return torch.cat([cells.as_rows() for cells in levels], dim=2).permute(0, 2, 1)


def initialise_yolox(model: YoloX) -> None:
    """Set what the reference changes in PyTorch's initial values, in place: batch norms and the prior of the scores."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps, module.momentum = 1e-3, 0.03
    for name, bias in model.head.named_parameters():
        if name.startswith(("cls_preds", "obj_preds")) and name.endswith("bias"):
            nn.init.constant_(bias, -math.log((1 - PRIOR) / PRIOR))


def build_yolox(size: str, *, classes: int = 80, input_size: Size | None = None) -> YoloX:
    """A fresh YOLOX of size nano, tiny, s, m, l or x; 80 classes are COCO's, of which class 0 is the person.

    Raises:
        UnknownChoice: a size that does not exist.
        InvalidInput: an input size that the coarsest map does not divide.
    """
    if size not in VARIANTS:
        raise UnknownChoice("size", size, VARIANTS)
    variant = VARIANTS[size]
    input_size = input_size or Size(width=variant.input_px, height=variant.input_px)
    if input_size.width % STRIDES[-1] or input_size.height % STRIDES[-1]:
        raise InvalidInput(f"{input_size} has a side that is no multiple of {STRIDES[-1]} pixels", field="input_size")
    return YoloX(variant, classes, input_size)
