"""A fresh detector learns a trained one of the same shape block by block, each from what the teacher feeds to it.

Source: DNA, arXiv 1911.13053, section 3, "block-wise supervision", without its search; the comparison is that of
FitNets' hints, arXiv 1412.6550. A block is only a few layers deep and sees sensible input from the first step, so that
a whole detector learns to see in some minutes. Errors add up from block to block: a run of `training.methods.yolox`
comes after it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput
from training.contracts import DetectionBatch, Method, Progress, StepResult
from training.models.yolox import STRIDES, YoloX

LEVELS: Final = range(len(STRIDES))

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "backbone": tuple(f"backbone.backbone.{name}" for name in ("stem", "dark2", "dark3", "dark4", "dark5")),
    "neck": tuple(
        f"backbone.{name}"
        for name in ("lateral_conv0", "C3_p4", "reduce_conv1", "C3_p3", "bu_conv2", "C3_n3", "bu_conv1", "C3_n4")
    ),
    "head": tuple(
        f"head.{name}.{level}"
        for name in ("stems", "cls_convs", "reg_convs", "reg_preds", "obj_preds")
        for level in LEVELS
    ),
}
"""Part of a detector -> its blocks; all but the last layers of the classes, which are not the same ones."""


LEAST_DEVIATION: Final = 0.3
"""Channels that vary less, as a fraction of how much the whole map does, count less; some are nearly constant."""


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
        losses, explained = {}, {}
        for part, names in PARTS.items():
            errors = [
                compare_maps(self.student.get_submodule(name)(seen[name].given_BCHW), seen[name].made_BCHW)
                for name in names
            ]
            losses[part] = torch.stack([error.loss for error in errors]).sum()
            explained[part] = 1 - torch.stack([error.unexplained for error in errors]).mean()
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
    found_BCHW, wanted_BCHW = found_BCHW.float(), wanted_BCHW.float()
    deviation_1C11 = wanted_BCHW.std(dim=(0, 2, 3), keepdim=True)
    least = (LEAST_DEVIATION * wanted_BCHW.std()).clamp(min=1e-3)
    error_BCHW = found_BCHW - wanted_BCHW
    standardised_BCHW = error_BCHW / torch.maximum(deviation_1C11, least)
    loss = functional.smooth_l1_loss(standardised_BCHW, torch.zeros_like(standardised_BCHW))
    variance = wanted_BCHW.var(dim=(0, 2, 3)).mean()
    unexplained = error_BCHW.detach().square().mean() / variance.clamp(min=torch.finfo(variance.dtype).tiny)
    return MapErrors(loss, unexplained)


@contextmanager
def watched(detector: YoloX) -> Iterator[dict[str, Seen]]:
    """What the blocks of a detector take and make, by name, while it runs inside the `with`."""
    seen: dict[str, Seen] = {}

    def watch(name: str) -> torch.utils.hooks.RemovableHandle:
        def keep(_: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> None:
            seen[name] = Seen(given[0], made)

        return detector.get_submodule(name).register_forward_hook(keep)

    handles = [watch(name) for names in PARTS.values() for name in names]
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
    for name in (name for names in PARTS.values() for name in names):
        ours, theirs = (
            [tensor.shape for tensor in network.get_submodule(name).state_dict().values()]
            for network in (student, teacher)
        )
        if ours != theirs:
            raise InvalidInput(f"its block {name} is not of the student's shape", field="teacher")
