"""Learning points from labels alone: the students that DistilPose compares with.

Source: yshMars/DistilPose@91651a8, whose own baseline of that kind answers no score and therefore cannot be evaluated;
here every point scores 1.
"""

from torch import nn

from pose_core.errors import InvalidInput
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.losses_distilpose import coordinate_loss, point_accuracy
from training.models.distilpose import DistilPose, require_distilpose


class Regression(Method):
    """Labels alone, and the score of every point is 1: the network to compare with.

    Attributes:
        student: what is trained.
    """

    def __init__(self, student: DistilPose, teacher: None = None) -> None:
        super().__init__()
        if teacher is not None:
            raise InvalidInput("learning from labels alone has no teacher", field="teacher")
        self.student = require_distilpose(student)
        self.student.head.fix_score(1.0)

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Loss `coordinate`; metric `accuracy`, see `point_accuracy`."""
        del progress
        points, _ = self.student.forward_with_tokens(batch.image_B3HW)
        (target_BK2,) = batch.targets
        loss = coordinate_loss(points.mu_BK2, target_BK2, batch.weight_BK)
        accuracy = point_accuracy(points.mu_BK2, target_BK2, batch.weight_BK)
        return StepResult({"coordinate": loss}, {"accuracy": accuracy})

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student
