"""DistilPose: a network that answers points learns from one that answers maps.

Source: DistilPose, Ye et al. 2023, arXiv 2303.02455: L = L_reg + a1 L_KT + a2 L_VT + a3 L_SH + a4 L_CS. The defaults of
the weights are those of yshMars/DistilPose@91651a8.
"""

import torch
from torch import Tensor, nn

from pose_core.errors import InvalidInput
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.losses_distilpose import (
    Masking,
    confidence_loss,
    coordinate_loss,
    point_accuracy,
    require_masking,
    simulated_heatmap_loss,
    token_loss,
)
from training.models.distilpose import DistilPose, Points, require_distilpose
from training.models.token_encoder import Tokens
from training.models.tokenpose import TokenPose


class Distilpose(Method):
    """Labels, and a frozen teacher: its tokens, and its maps beside those that the student's points would make.

    A loss whose weight is 0 is left out.

    Attributes:
        student: what is trained. Without `confidence_weight` nothing teaches its scores, and all of them are 1.
        teacher: sees the same crops; its tokens must be as many and as wide where they are compared.
        keypoint_token_weight: of `L_KT`.
        visual_token_weight: of `L_VT`.
        simulated_heatmap_weight: of `L_SH`.
        confidence_weight: of `L_CS`.
        masking: see `training.losses_distilpose.Masking`.
    """

    def __init__(
        self,
        student: DistilPose,
        teacher: TokenPose | None,
        *,
        keypoint_token_weight: float = 5e-4,
        visual_token_weight: float = 5e-4,
        simulated_heatmap_weight: float = 1.0,
        confidence_weight: float = 1e-2,
        masking: Masking = "reference",
    ) -> None:
        super().__init__()
        self.student = require_distilpose(student)
        self.teacher = require_teacher(teacher, student).requires_grad_(requires_grad=False)
        if keypoint_token_weight or visual_token_weight:
            require_same_tokens(self.student, self.teacher)
        self.keypoint_token_weight, self.visual_token_weight = keypoint_token_weight, visual_token_weight
        self.simulated_heatmap_weight, self.confidence_weight = simulated_heatmap_weight, confidence_weight
        self.masking = require_masking(masking)
        if not confidence_weight:
            self.student.head.fix_score(1.0)

    def train(self, mode: bool = True) -> "Distilpose":  # noqa: FBT001, FBT002 - the signature of nn.Module
        """Switch the student; the teacher stays in evaluation mode."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Loss `coordinate` and those of the teacher that have a weight; metric `accuracy`, see `point_accuracy`.

        The teacher's are `keypoint_token`, `visual_token`, `simulated_heatmap` and `confidence`.
        """
        del progress
        with torch.no_grad():
            heatmap_BKHW, known = self.teacher.forward_with_tokens(batch.image_B3HW)
        points, tokens = self.student.forward_with_tokens(batch.image_B3HW)
        (target_BK2,) = batch.targets
        losses = {"coordinate": coordinate_loss(points.mu_BK2, target_BK2, batch.weight_BK)}
        losses |= self.token_losses(tokens, known) | self.map_losses(points, heatmap_BKHW, batch.weight_BK)
        return StepResult(losses, {"accuracy": point_accuracy(points.mu_BK2, target_BK2, batch.weight_BK)})

    def token_losses(self, tokens: Tokens, known: Tokens) -> dict[str, Tensor]:
        """How far the student's tokens are from the teacher's."""
        losses = {}
        if self.keypoint_token_weight:
            distance = token_loss(tokens.keypoint_BKD, known.keypoint_BKD)
            losses["keypoint_token"] = self.keypoint_token_weight * distance
        if self.visual_token_weight:
            losses["visual_token"] = self.visual_token_weight * token_loss(tokens.visual_BLD, known.visual_BLD)
        return losses

    def map_losses(self, points: Points, heatmap_BKHW: Tensor, weight_BK: Tensor) -> dict[str, Tensor]:
        """How far the student's points are from the teacher's maps."""
        losses = {}
        if self.simulated_heatmap_weight:
            distance = simulated_heatmap_loss(points.mu_BK2, points.sigma_BK2, heatmap_BKHW, weight_BK, self.masking)
            losses["simulated_heatmap"] = self.simulated_heatmap_weight * distance
        if self.confidence_weight:
            distance = confidence_loss(points.score_BK1, points.mu_BK2, heatmap_BKHW, weight_BK)
            losses["confidence"] = self.confidence_weight * distance
        return losses

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student


def require_teacher(teacher: nn.Module | None, student: DistilPose) -> TokenPose:
    """The teacher, if it can teach this student.

    Raises:
        InvalidInput: there is none, or one of another kind, of other keypoints, or for other crops.
    """
    if not isinstance(teacher, TokenPose):
        raise InvalidInput("distillation needs a TokenPose", field="teacher")
    if teacher.input_size != student.input_size:
        raise InvalidInput(f"sees {teacher.input_size}, the student {student.input_size}", field="teacher")
    theirs, ours = (network.head.encoder.keypoint_token.shape[1] for network in (teacher, student))
    if theirs != ours:
        raise InvalidInput(f"finds {theirs} keypoints, the student {ours}", field="teacher")
    return teacher


def require_same_tokens(student: DistilPose, teacher: TokenPose) -> None:
    """Refuse tokens that cannot be compared.

    Raises:
        InvalidInput: the teacher's are wider or narrower.
    """
    ours, theirs = (network.head.encoder.keypoint_token.shape[2] for network in (student, teacher))
    if ours != theirs:
        raise InvalidInput(f"has tokens of {theirs} numbers, the student of {ours}", field="teacher")
