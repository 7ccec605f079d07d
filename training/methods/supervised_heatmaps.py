"""Learning heatmaps from labels alone: how teachers and baselines of Fast Human Pose Estimation are trained."""

from torch import nn

from pose_core.errors import InvalidInput
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.losses_heatmap import heatmap_accuracy, stacked_loss
from training.models.hourglass import StackedHourglass


class SupervisedHeatmaps(Method):
    """`L_mse` over all stacks, equation 3 of arXiv 1811.05419.

    Attributes:
        student: what is trained.
    """

    def __init__(self, student: StackedHourglass, teacher: nn.Module | None = None) -> None:
        super().__init__()
        if teacher is not None:
            raise InvalidInput("supervised training has no teacher", field="teacher")
        self.student = require_hourglass(student, "student")

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Loss `ground_truth`; metric `accuracy`, see `training.losses_heatmap.heatmap_accuracy`."""
        del progress
        stacks = self.student.forward_stacks(batch.image_B3HW)
        loss = stacked_loss(stacks, batch.targets[0], batch.weight_BK)
        return StepResult({"ground_truth": loss}, {"accuracy": heatmap_accuracy(stacks[-1], batch.targets[0])})

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student


def require_hourglass(network: nn.Module | None, role: str) -> StackedHourglass:
    """A stacked hourglass, if it is one.

    Raises:
        InvalidInput: there is none, or a network of another kind.
    """
    if not isinstance(network, StackedHourglass):
        raise InvalidInput("a stacked hourglass is needed", field=role)
    return network
