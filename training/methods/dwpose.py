"""DWPose: distillation in two stages.

Source: "Effective Whole-body Pose Estimation with Two-stages Distillation", arXiv 2307.15880, sections 3.1 and 3.2;
wiring of the published distiller, IDEA-Research/DWPose@0232d66. Where the two differ there is an option; its default is
argued in `docs/provenance.md`.
"""

from typing import Literal, get_args

import torch
from torch import nn

from pose_core.errors import InvalidInput, UnknownChoice
from training.contracts import Method, PoseBatch, Progress, StepResult
from training.losses import (
    Reduction,
    absent_loss,
    feature_loss,
    ground_truth_loss,
    logit_loss,
    position_accuracy,
    require_reduction,
    weigh_bodies,
)
from training.models.rtmpose import RtmPose
from training.smaller_teacher import ask_teacher, reduce_map, reduction_factor

TeacherMode = Literal["eval", "train"]
"""Whether the teacher's batch norms use and keep their running statistics (`eval`), or normalise with those of the
batch and drift (`train`), as they do in the published code, where every epoch begins by switching the whole distiller
to training."""

StudentHead = Literal["fresh", "copy"]
"""Whether stage 2 keeps the head that the student was built with, or overwrites it with the teacher's."""


class DwposeStage1(Method):
    """A student learns from labels and from a larger, frozen teacher: its last feature map and its logits.

    Attributes:
        student: what is trained.
        teacher: never gets a gradient. It may see crops that are smaller by a whole factor, and then is asked about
            reduced ones; see `training.smaller_teacher`.
        align: 1 x 1 convolution from the student's channels to the teacher's; the identity where they agree. Trained,
            and dropped in the end.
        feature_weight: alpha of the feature loss. The paper writes 5e-5 beside a formula with a mean, the published
            configurations have 7e-5 beside a sum.
        logit_weight: of the logit loss.
        ground_truth_weight: see `training.methods.supervised.Supervised`.
        ground_truth_reduction: likewise.
        decay: whether feature and logit loss fade linearly, from 1 in the first epoch to 1 / epochs in the last.
        mask_logits: whether the logit loss looks at labelled points only; the paper found that worse (table 7).
        teacher_mode: see `TeacherMode`.
        absent_weight: see `training.methods.supervised.Supervised`.
        body_weight: likewise.
    """

    def __init__(
        self,
        student: RtmPose,
        teacher: RtmPose | None,
        *,
        feature_weight: float = 7e-5,
        logit_weight: float = 0.1,
        ground_truth_weight: float = 64.0,
        ground_truth_reduction: Reduction = "mean",
        decay: bool = True,
        mask_logits: bool = False,
        teacher_mode: TeacherMode = "eval",
        absent_weight: float = 0.0,
        body_weight: float = 1.0,
    ) -> None:
        super().__init__()
        require_reduction(ground_truth_reduction)
        self.student = student
        self.teacher = require_teacher(teacher).requires_grad_(requires_grad=False)
        self.factor = reduction_factor(student.input_size, self.teacher.input_size)
        self.align = build_align(student.backbone.channels, self.teacher.backbone.channels)
        self.feature_weight, self.logit_weight = feature_weight, logit_weight
        self.ground_truth_weight = ground_truth_weight
        self.ground_truth_reduction: Reduction = ground_truth_reduction
        self.decay = decay
        self.mask_logits = mask_logits
        self.absent_weight = absent_weight
        self.body_weight = body_weight
        self.teacher_mode = require_mode(teacher_mode)

    def train(self, mode: bool = True) -> "DwposeStage1":  # noqa: FBT001, FBT002 - the signature of nn.Module
        """Switch student and align convolution; the teacher only if `teacher_mode` is `train`."""
        super().train(mode)
        self.teacher.train(mode and self.teacher_mode == "train")
        return self

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Losses `ground_truth`, `feature`, `logit`, the last two times the metric `decay`, and perhaps `absent`.

        A further metric is `accuracy`.
        """
        with torch.no_grad():
            teacher_BCHW, *teacher_logits = ask_teacher(self.teacher, batch.image_B3HW, self.factor)
        student_BCHW, *logits = self.student.forward_with_feature(batch.image_B3HW)
        aligned_BCHW = reduce_map(self.align(student_BCHW), self.factor)
        factor = 1 - progress.epoch / progress.epochs if self.decay else 1.0
        weight_BK = weigh_bodies(batch.weight_BK, self.body_weight)
        truth = ground_truth_loss(logits, batch.targets, weight_BK, self.ground_truth_reduction)
        mask_BK = batch.weight_BK if self.mask_logits else None
        losses = {
            "ground_truth": self.ground_truth_weight * truth,
            "feature": factor * self.feature_weight * feature_loss(aligned_BCHW, teacher_BCHW),
            "logit": factor * self.logit_weight * logit_loss(logits, teacher_logits, mask_BK),
        }
        if self.absent_weight:
            losses["absent"] = self.absent_weight * absent_loss(logits, batch.absent_BK)
        accuracy = position_accuracy(logits, batch.targets, batch.weight_BK)
        return StepResult(losses, {"accuracy": accuracy, "decay": truth.new_tensor(factor)})

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student


class DwposeStage2(Method):
    """A trained network teaches itself a new head: only the logit loss, only the head is trained.

    The frozen backbone runs once per batch and feeds both heads. Any trained network will do, distilled or not.

    Attributes:
        student: the frozen backbone of the teacher under the head that is trained; complete and ready to export.
        teacher_head: the head that came with the backbone; never gets a gradient.
        logit_weight: of the logit loss.
        teacher_mode: see `TeacherMode`; with `train` the statistics of the shared backbone drift, and the drifted ones
            are deployed.
        absent_weight: see `training.methods.supervised.Supervised`.
    """

    def __init__(
        self,
        student: RtmPose,
        teacher: RtmPose | None,
        *,
        logit_weight: float = 1.0,
        student_head: StudentHead = "fresh",
        teacher_mode: TeacherMode = "eval",
        absent_weight: float = 0.0,
    ) -> None:
        super().__init__()
        teacher = require_teacher(teacher)
        if teacher.input_size != student.input_size:
            raise InvalidInput(f"sees {teacher.input_size}, the student {student.input_size}", field="teacher")
        if student.backbone.channels != teacher.backbone.channels:
            raise InvalidInput("stage 2 needs a student of the teacher's architecture", field="student")
        if student_head not in get_args(StudentHead):
            raise UnknownChoice("student_head", student_head, get_args(StudentHead))
        if student_head == "copy":
            student.head.load_state_dict(teacher.head.state_dict())
        self.student = student
        self.student.backbone = teacher.backbone.requires_grad_(requires_grad=False)
        self.teacher_head = teacher.head.requires_grad_(requires_grad=False)
        self.logit_weight = logit_weight
        self.absent_weight = absent_weight
        self.teacher_mode = require_mode(teacher_mode)

    def train(self, mode: bool = True) -> "DwposeStage2":  # noqa: FBT001, FBT002 - the signature of nn.Module
        """Switch the heads; the backbone only if `teacher_mode` is `train`."""
        super().train(mode)
        self.student.backbone.train(mode and self.teacher_mode == "train")
        return self

    def forward(self, batch: PoseBatch, progress: Progress) -> StepResult:
        """Losses `logit` and, if it has a weight, `absent`; metrics `accuracy` and `teacher_accuracy`.

        Labels are used for the metrics, and for what a crop does not show.
        """
        del progress
        with torch.no_grad():
            feature_BCHW = self.student.backbone(batch.image_B3HW)
            teacher_logits = self.teacher_head(feature_BCHW)
        logits = self.student.head(feature_BCHW)
        accuracy, ceiling = (
            position_accuracy(answers, batch.targets, batch.weight_BK) for answers in (logits, teacher_logits)
        )
        losses = {"logit": self.logit_weight * logit_loss(logits, teacher_logits)}
        if self.absent_weight:
            losses["absent"] = self.absent_weight * absent_loss(logits, batch.absent_BK)
        return StepResult(losses, {"accuracy": accuracy, "teacher_accuracy": ceiling})

    def deployable(self) -> nn.Module:
        """The teacher's backbone with the trained head."""
        return self.student


def build_align(student_channels: int, teacher_channels: int) -> nn.Module:
    """What makes a student's feature map comparable with its teacher's."""
    if student_channels == teacher_channels:
        return nn.Identity()
    return nn.Conv2d(student_channels, teacher_channels, kernel_size=1)


def require_teacher(teacher: RtmPose | None) -> RtmPose:
    """The teacher, if there is one.

    Raises:
        InvalidInput: there is none, or one of another kind.
    """
    if not isinstance(teacher, RtmPose):
        raise InvalidInput("distillation needs a pose estimator", field="teacher")
    return teacher


def require_mode(mode: str) -> TeacherMode:
    """A `TeacherMode`, for values that come from recipes.

    Raises:
        UnknownChoice: it is none.
    """
    if mode not in get_args(TeacherMode):
        raise UnknownChoice("teacher_mode", mode, get_args(TeacherMode))
    return "train" if mode == "train" else "eval"
