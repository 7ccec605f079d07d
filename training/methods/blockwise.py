"""A fresh detector learns a trained one of the same shape block by block, each from what the teacher feeds to it.

Source: DNA, arXiv 1911.13053, section 3, "block-wise supervision", without its search; the comparison is that of
FitNets' hints, arXiv 1412.6550. A block is one to three convolutions deep and sees sensible input from the first step,
so that a whole detector learns to see in some minutes. Errors add up from block to block: a run of
`training.methods.yolox` comes after it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput
from training.contracts import DetectionBatch, Method, Progress, StepResult
from training.models.csp_darknet import Bottleneck, DepthwiseSeparable
from training.models.layers import ConvBnSilu
from training.models.yolox import YoloX

BLOCKS: Final = (ConvBnSilu, DepthwiseSeparable, Bottleneck, nn.Conv2d)
"""What is a block unless it is part of one."""

PARTS: Final[Mapping[str, str]] = {"backbone.backbone.": "backbone", "backbone.": "neck", "head.": "head"}
"""Beginning of a block's name -> part of the detector; the first that fits."""

CLASSES: Final = "head.cls_preds."
"""The last layers of the classes are not the same ones, and are left alone."""


LEAST_DEVIATION: Final = 0.3
"""Channels that vary less, as a fraction of how much they vary on average, count less; some are nearly constant."""

TINY: Final = torch.finfo(torch.float32).tiny


class Seen(NamedTuple):
    """What went into a block of the teacher and what came out, (B, C, H, W) each."""

    given_BCHW: Tensor
    made_BCHW: Tensor


class Blockwise(Method):
    """Every block of the student is trained alone.

    Attributes:
        student: whose blocks learn.
        teacher: a frozen detector with blocks of the same shapes.
    """

    def __init__(self, student: YoloX, teacher: YoloX | None) -> None:
        super().__init__()
        if not isinstance(teacher, YoloX):
            raise InvalidInput("a detector is needed, whose blocks are copied", field="teacher")
        require_same_blocks(student, teacher)
        self.student = student
        self.student.head.cls_preds.requires_grad_(requires_grad=False)
        self.teacher = teacher.requires_grad_(requires_grad=False)

    def train(self, mode: bool = True) -> "Blockwise":  # noqa: FBT001, FBT002 - the signature of nn.Module
        """Switch the student; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: DetectionBatch, progress: Progress) -> StepResult:
        """Losses `backbone`, `neck` and `head`; metrics of the same names: explained share of the variance, a mean."""
        del progress
        with torch.no_grad(), watched(self.teacher) as seen:
            self.teacher(batch.image_B3HW)
        errors: dict[str, list[MapErrors]] = {part: [] for part in PARTS.values()}
        for name, block in find_blocks(self.student).items():
            errors[part_of(name)].append(compare_maps(block(seen[name].given_BCHW), seen[name].made_BCHW))
        losses = {part: torch.stack([one.loss for one in of_part]).sum() for part, of_part in errors.items()}
        explained = {
            part: 1 - torch.stack([one.unexplained for one in of_part]).mean() for part, of_part in errors.items()
        }
        return StepResult(losses, explained)

    def deployable(self) -> nn.Module:
        """The student, which does not know the person yet."""
        return self.student


class MapErrors(NamedTuple):
    """How far a map is from the teacher's.

    Attributes:
        loss: smooth L1 of standardised channels.
        unexplained: share of the variance within the channels.
    """

    loss: Tensor
    unexplained: Tensor


def compare_maps(found_BCHW: Tensor, wanted_BCHW: Tensor) -> MapErrors:
    """How far a student's map is from the teacher's.

    In the loss all channels count alike but the dullest. They are standardised by what is in the batch of this process.
    """
    wanted_BCHW = wanted_BCHW.float()
    error_BCHW = found_BCHW.float() - wanted_BCHW
    variance_1C11 = wanted_BCHW.var(dim=(0, 2, 3), keepdim=True)
    least = (LEAST_DEVIATION**2 * variance_1C11.mean()).clamp(min=1e-6)
    standardised_BCHW = error_BCHW * torch.maximum(variance_1C11, least).rsqrt()
    loss = functional.smooth_l1_loss(standardised_BCHW, torch.zeros_like(standardised_BCHW))
    with torch.no_grad():
        unexplained = error_BCHW.square().mean() / variance_1C11.mean().clamp(min=TINY)
    return MapErrors(loss, unexplained)


def find_blocks(detector: YoloX) -> dict[str, nn.Module]:
    """Every block by its name."""
    blocks: dict[str, nn.Module] = {}
    for name, part in detector.named_modules():
        inside = any(name.startswith(f"{block}.") for block in blocks)
        if isinstance(part, BLOCKS) and not inside and not name.startswith(CLASSES):
            blocks[name] = part
    return blocks


def part_of(block: str) -> str:
    """A value of `PARTS`."""
    return next(part for start, part in PARTS.items() if block.startswith(start))


@contextmanager
def watched(detector: YoloX) -> Iterator[dict[str, Seen]]:
    """What the blocks of a detector take and make, by name, while it runs inside the `with`."""
    seen: dict[str, Seen] = {}

    def watch(name: str, block: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def keep(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
            seen[name] = Seen(given[0], made)

        return block.register_forward_hook(keep)

    handles = [watch(name, block) for name, block in find_blocks(detector).items()]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def require_same_blocks(student: YoloX, teacher: YoloX) -> None:
    """Refuse a teacher whose blocks are of other shapes.

    Raises:
        InvalidInput: they are; names the first one.
    """
    theirs = find_blocks(teacher)
    for name, block in find_blocks(student).items():
        if name not in theirs or shapes_of(block) != shapes_of(theirs[name]):
            raise InvalidInput(f"its block {name} is not of the student's shape", field="teacher")


def shapes_of(block: nn.Module) -> list[torch.Size]:
    """Of all its tensors."""
    return [tensor.shape for tensor in block.state_dict().values()]
