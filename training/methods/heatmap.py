"""Learning maps from labels alone: the teachers of DistilPose.

Source: TokenPose, Li et al. 2021, arXiv 2104.03516; the loss of yshMars/DistilPose@91651a8.
"""

import torch
from torch import Tensor, nn

from pose_core.errors import InvalidInput
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.losses_distilpose import heatmap_loss, point_accuracy
from training.models.tokenpose import TokenPose


class Heatmaps(Method):
    """One loss, and no teacher.

    Attributes:
        student: what is trained.
    """

    def __init__(self, student: TokenPose, teacher: None = None) -> None:
        super().__init__()
        if teacher is not None:
            raise InvalidInput("learning from labels alone has no teacher", field="teacher")
        if not isinstance(student, TokenPose):
            raise InvalidInput("this method trains a TokenPose", field="student")
        self.student = student

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Loss `heatmap`; metric `accuracy`, see `point_accuracy`."""
        del progress
        heatmap_BKHW, _ = self.student.forward_with_tokens(batch.image_B3HW)
        (target_BKHW,) = batch.targets
        found, wanted = find_peaks(heatmap_BKHW), find_peaks(target_BKHW)
        accuracy = point_accuracy(found, wanted, batch.weight_BK)
        return StepResult({"heatmap": heatmap_loss(heatmap_BKHW, target_BKHW, batch.weight_BK)}, {"accuracy": accuracy})

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student


def find_peaks(heatmap_BKHW: Tensor) -> Tensor:
    """The highest cell of each map as fractions of its sides, x and y, (B, K, 2)."""
    rows, columns = heatmap_BKHW.shape[2:]
    best_BK = heatmap_BKHW.detach().flatten(2).argmax(dim=2)
    return torch.stack((best_BK % columns / columns, best_BK // columns / rows), dim=2)
