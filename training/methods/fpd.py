"""Fast pose distillation: a small hourglass learns the maps of a large one beside those of the labels.

Source: "Fast Human Pose Estimation", Zhang et al., CVPR 2019, arXiv 1811.05419, sections 3.1 and 3.2; wiring of the
released code (ilovepose@c4722f8). Where the two differ, `docs/provenance.md` says what is taken and why.
"""

import torch
from torch import nn

from pose_core.errors import InvalidInput
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.losses_heatmap import heatmap_accuracy, stacked_loss
from training.models.hourglass import require_hourglass


class Fpd(Method):
    """`alpha * L_pd + (1 - alpha) * L_mse`, equation 5.

    Both terms are sums over all stacks of the student; every stack is compared with the last maps of the teacher.

    Attributes:
        student: what is trained. The released runs start it from its own training without a teacher
            (`training.recipe.Network.weights`); from scratch it came out below that one.
        teacher: never gets a gradient; its batch norms keep their running statistics.
        alpha: share of the teacher, 0 to 1.
        mask_teacher: whether the teacher is asked about labelled points only, as in the released code; the paper says
            that it also tells where the others are.
    """

    def __init__(
        self, student: nn.Module, teacher: nn.Module | None, *, alpha: float = 0.5, mask_teacher: bool = True
    ) -> None:
        super().__init__()
        self.student = require_hourglass(student, "student")
        self.teacher = require_hourglass(teacher, "teacher").requires_grad_(requires_grad=False)
        for name in ("input_size", "keypoints"):
            own, other = (getattr(network, name) for network in (self.student, self.teacher))
            if own != other:
                raise InvalidInput(f"its {name} is {other}, the student's {own}", field="teacher")
        if not 0 <= alpha <= 1:
            raise InvalidInput(f"{alpha} is not between 0 and 1", field="alpha")
        self.alpha, self.mask_teacher = alpha, mask_teacher

    def train(self, mode: bool = True) -> "Fpd":  # noqa: FBT001, FBT002 - the signature of nn.Module
        """Switch the student; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Losses `ground_truth` and `distillation`; metric `accuracy` and that of the teacher.

        See `training.losses_heatmap.heatmap_accuracy`.
        """
        del progress
        with torch.no_grad():
            (teacher_BKHW,) = self.teacher(batch.image_B3HW)
        stacks = self.student.forward_stacks(batch.image_B3HW)
        (target_BKHW,), weight_BK = batch.targets, batch.weight_BK
        teacher_weight_BK = weight_BK if self.mask_teacher else torch.ones_like(weight_BK)
        losses = {
            "ground_truth": (1 - self.alpha) * stacked_loss(stacks, target_BKHW, weight_BK),
            "distillation": self.alpha * stacked_loss(stacks, teacher_BKHW, teacher_weight_BK),
        }
        accuracy, ceiling = (heatmap_accuracy(maps_BKHW, target_BKHW) for maps_BKHW in (stacks[-1], teacher_BKHW))
        return StepResult(losses, {"accuracy": accuracy, "teacher_accuracy": ceiling})

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student
