"""Learning from labels alone: how teachers and baselines are trained."""

from torch import nn

from pose_core.errors import InvalidInput
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.losses import (
    Reduction,
    absent_loss,
    ground_truth_loss,
    position_accuracy,
    require_reduction,
    weigh_bodies,
)
from training.models.rtmpose import RtmPose


class Supervised(Method):
    """The ground-truth loss only.

    Attributes:
        student: what is trained.
        ground_truth_weight: factor of the loss. The published code sums over the 64 samples of one of its devices (32
            at 384 x 288); the mean times that number is the same on any number of devices and for any batch.
        ground_truth_reduction: `mean` over the samples, or their `sum` as in the published code, whose gradient then
            depends on the batch size; give it a weight of 1.
        absent_weight: of `training.losses.absent_loss`; 0, as published, for none.
        body_weight: how many times body and feet count in the ground-truth loss, see `training.losses.weigh_bodies`;
            1 as published.
    """

    def __init__(
        self,
        student: RtmPose,
        teacher: RtmPose | None = None,
        *,
        ground_truth_weight: float = 64.0,
        ground_truth_reduction: Reduction = "mean",
        absent_weight: float = 0.0,
        body_weight: float = 1.0,
    ) -> None:
        super().__init__()
        if teacher is not None:
            raise InvalidInput("supervised training has no teacher", field="teacher")
        require_reduction(ground_truth_reduction)
        self.student = student
        self.ground_truth_weight = ground_truth_weight
        self.ground_truth_reduction: Reduction = ground_truth_reduction
        self.absent_weight = absent_weight
        self.body_weight = body_weight

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Losses `ground_truth` and, if it has a weight, `absent`; metric `accuracy`, see `position_accuracy`."""
        del progress
        logits = self.student(batch.image_B3HW)
        weight_BK = weigh_bodies(batch.weight_BK, self.body_weight)
        loss = ground_truth_loss(logits, batch.targets, weight_BK, self.ground_truth_reduction)
        accuracy = position_accuracy(logits, batch.targets, batch.weight_BK)
        losses = {"ground_truth": self.ground_truth_weight * loss}
        if self.absent_weight:
            losses["absent"] = self.absent_weight * absent_loss(logits, batch.absent_BK)
        return StepResult(losses, {"accuracy": accuracy})

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student
