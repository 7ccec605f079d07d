"""Learning heatmaps from labels alone: the teachers and baselines of Fast Human Pose Estimation and of DistilPose."""

from torch import nn

from pose_core.errors import InvalidInput
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.losses_heatmap import heatmap_accuracy, stacked_loss
from training.models.hourglass import StackedHourglass
from training.models.tokenpose import TokenPose


class SupervisedHeatmaps(Method):
    """`L_mse` over all stacks, equation 3 of arXiv 1811.05419; a TokenPose has one.

    Attributes:
        student: what is trained.
        weight: factor of the loss, which is half a mean square: 1 as in the code of FPD, 2 as in that of DistilPose.
    """

    def __init__(
        self, student: StackedHourglass | TokenPose, teacher: nn.Module | None = None, *, weight: float = 1.0
    ) -> None:
        super().__init__()
        if teacher is not None:
            raise InvalidInput("supervised training has no teacher", field="teacher")
        if not isinstance(student, StackedHourglass | TokenPose):
            raise InvalidInput("a network that answers heatmaps is needed", field="student")
        self.student = student
        self.weight = weight

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Loss `ground_truth`; metric `accuracy`, see `training.losses_heatmap.heatmap_accuracy`."""
        del progress
        stacks = self.student.forward_stacks(batch.image_B3HW)
        loss = stacked_loss(stacks, batch.targets[0], batch.weight_BK)
        return StepResult(
            {"ground_truth": self.weight * loss}, {"accuracy": heatmap_accuracy(stacks[-1], batch.targets[0])}
        )

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student
