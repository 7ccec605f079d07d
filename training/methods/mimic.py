"""A fresh backbone learns the feature maps of a trained detector, so that it need not learn to see from keypoints.

Source: FitNets, arXiv 1412.6550, "hints", at three strides at once. The maps are dense: a crop says something about
some hundred cells, where its labels say something about a few points. The head stays as it is; runs that follow take
the backbone only.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pose_core.errors import InvalidInput
from pose_core.estimators.estimator import IMAGENET_MEAN, IMAGENET_STD
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.models.rtmpose import RtmPose
from training.models.yolox import YoloX

STRIDES = (8, 16, 32)
"""Of the maps that are compared: the last three of either backbone."""


class Mimic(Method):
    """Only the student's backbone is trained.

    Attributes:
        student: whose backbone learns.
        teacher: a frozen detector, whose backbone is looked at.
        align: for each map a 1 x 1 convolution from the student's channels to the teacher's. Trained, and dropped.
        scale: for each map the running mean and deviation of the teacher's channels, so that all count alike.
    """

    def __init__(self, student: RtmPose, teacher: YoloX | None) -> None:
        super().__init__()
        if not isinstance(teacher, YoloX):
            raise InvalidInput("a detector is needed, to learn its feature maps", field="teacher")
        self.student = student
        self.student.head.requires_grad_(requires_grad=False)
        self.teacher = teacher.requires_grad_(requires_grad=False)
        widths = self.widths()
        self.align = nn.ModuleList(nn.Conv2d(ours, theirs, 1) for ours, theirs in widths)
        self.scale = nn.ModuleList(nn.BatchNorm2d(theirs, affine=False) for _, theirs in widths)

    def widths(self) -> list[tuple[int, int]]:
        """Channels of the student's and of the teacher's maps, finest first."""
        image_13HW = torch.zeros(1, 3, 2 * STRIDES[-1], 2 * STRIDES[-1])
        self.eval()
        with torch.no_grad():
            pairs = zip(self.student.backbone.maps(image_13HW), self.look(image_13HW), strict=True)
            return [(ours.shape[1], theirs.shape[1]) for ours, theirs in pairs]

    def train(self, mode: bool = True) -> "Mimic":  # noqa: FBT001, FBT002 - the signature of nn.Module
        """Switch everything but the teacher and the student's head."""
        super().train(mode)
        self.teacher.eval()
        self.student.head.eval()
        return self

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Losses `stride8`, `stride16` and `stride32`; metrics of the same names: explained share of the variance."""
        del progress
        with torch.no_grad():
            seen = zip(self.scale, self.look(batch.image_B3HW), strict=True)
            theirs = [scale(map_BCHW).float() for scale, map_BCHW in seen]
        ours = self.student.backbone.maps(batch.image_B3HW)
        losses, explained = {}, {}
        for stride, align, map_BCHW, wanted_BCHW in zip(STRIDES, self.align, ours, theirs, strict=True):
            found_BCHW = align(map_BCHW).float()
            losses[f"stride{stride}"] = functional.smooth_l1_loss(found_BCHW, wanted_BCHW)
            with torch.no_grad():
                explained[f"stride{stride}"] = 1 - functional.mse_loss(found_BCHW, wanted_BCHW) / wanted_BCHW.var()
        return StepResult(losses, explained)

    def look(self, image_B3HW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The teacher's maps of crops that are normalised for the student: BGR from 0 to 255 is what it knows."""
        mean_1311, std_1311 = (image_B3HW.new_tensor(one).view(1, 3, 1, 1) for one in (IMAGENET_MEAN, IMAGENET_STD))
        pixel_B3HW = (image_B3HW * std_1311 + mean_1311).flip(1)
        maps: tuple[Tensor, Tensor, Tensor] = self.teacher.backbone.backbone(pixel_B3HW)
        return maps

    def deployable(self) -> nn.Module:
        """The student, whose head knows nothing yet."""
        return self.student
