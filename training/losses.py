"""What SimCC networks are trained on: how far distributions over bins, and feature maps, are from each other.

Source: DWPose, arXiv 2307.15880, equations 1 to 5, in the form of the published code (IDEA-Research/DWPose@0232d66,
`KLDiscretLoss`, `KDLoss`, `FeaLoss`). Where paper and code differ, `docs/provenance.md` says what is taken and why.

Letters beside those of `training.contracts`: I bins of either axis. Every result is a float32 scalar, computed in
float32 whatever the precision of the networks.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from pose_core.errors import UnknownChoice
from pose_core.skeleton import BODY, FEET

BETA = 10.0
"""Logits and labels are multiplied by this before their softmax."""

Reduction = Literal["mean", "sum"]
"""How the ground-truth loss counts the samples of a batch: their mean, or their sum as the published code does."""


def ground_truth_loss(
    logits: Sequence[Tensor], labels: Sequence[Tensor], weight_BK: Tensor, reduction: Reduction = "mean"
) -> Tensor:
    """Kullback-Leibler divergence of predicted from labelled positions: `L_ori` of the paper.

    Labels are Gaussians of peak 1 and pass through the same softmax as the logits. The divergence is averaged over the
    bins of an axis and over all K points, absent ones included, and summed over both axes.

    Args:
        logits: (B, K, X) and (B, K, Y) of the student.
        labels: what `pose_core.codecs.SimCC` encodes, of the same shapes.
        weight_BK: weight of each point, 0 for absent ones.
        reduction: over the samples; `sum` makes the loss grow with the batch.
    """
    total = torch.zeros((), device=weight_BK.device)
    for logits_BKI, labels_BKI in zip(logits, labels, strict=True):
        divergence_BK = bin_divergence(logits_BKI, labels_BKI).mean(dim=-1)
        total = total + (divergence_BK * weight_BK).sum()
    samples, points = weight_BK.shape
    return total / (points if reduction == "sum" else points * samples)


def weigh_bodies(weight_BK: Tensor, factor: float) -> Tensor:
    """Weights of the 133 points of which those of body and feet count `factor` times.

    68 points are a face's and 42 are hands', so that people of whom these are known count several times as much as
    those of whom only the body is. Not from the paper.
    """
    if factor == 1:
        return weight_BK
    weighed_BK = weight_BK.clone()
    weighed_BK[:, BODY.start : FEET.stop] *= factor
    return weighed_BK


def logit_loss(student: Sequence[Tensor], teacher: Sequence[Tensor], visible_BK: Tensor | None = None) -> Tensor:
    """Kullback-Leibler divergence of the student's positions from the teacher's: `L_logit` of the paper.

    Summed over bins and both axes, averaged over samples and points. Visible or not, every point counts unless a mask
    is given: what a teacher says of hidden points is worth learning (1.1 AP, table 7 of the paper).

    Args:
        student: logits (B, K, X) and (B, K, Y).
        teacher: logits of the same shapes; no gradient reaches them.
        visible_BK: where it is 0 the point does not count; None for no mask.
    """
    total = torch.zeros((), device=student[0].device)
    for student_BKI, teacher_BKI in zip(student, teacher, strict=True):
        divergence_BK = bin_divergence(student_BKI, teacher_BKI.detach()).sum(dim=-1)
        total = total + (divergence_BK if visible_BK is None else divergence_BK * (visible_BK > 0)).sum()
    samples, points = student[0].shape[:2]
    return total / (points * samples)


def bin_divergence(logits_BKI: Tensor, target_BKI: Tensor) -> Tensor:
    """Each bin's part of KL(softmax(beta target) || softmax(beta logits)), (B, K, I)."""
    log_p_BKI = functional.log_softmax(BETA * logits_BKI.float(), dim=-1)
    log_q_BKI = functional.log_softmax(BETA * target_BKI.float(), dim=-1)
    return functional.kl_div(log_p_BKI, log_q_BKI, reduction="none", log_target=True)


def absent_loss(logits: Sequence[Tensor], absent_BK: Tensor) -> Tensor:
    """Squared logits of points that are certainly not in the crop: their highest one, the score, is to be near 0.

    The other losses compare softmaxes, to which a constant makes no difference; they can flatten the logits of a point
    but not lower them. Averaged over bins, samples and all K points, summed over both axes. Not from the paper.
    """
    squared_BK = torch.stack([logits_BKI.float().square().mean(dim=-1) for logits_BKI in logits]).sum(dim=0)
    return (squared_BK * absent_BK).mean()


def feature_loss(student_BCHW: Tensor, teacher_BCHW: Tensor) -> Tensor:
    """Squared difference of two feature maps, summed over C, H and W, averaged over B: `L_fea` without its alpha.

    The paper also averages over C, H and W; its author says that the code is right and alpha absorbs the difference.
    """
    difference_BCHW = student_BCHW.float() - teacher_BCHW.detach().float()
    return difference_BCHW.square().sum() / len(difference_BCHW)


def position_accuracy(
    logits: Sequence[Tensor], labels: Sequence[Tensor], weight_BK: Tensor, within: float = 0.05
) -> Tensor:
    """Share of the points with a weight whose best bins lie nearer than `within` of the crop's sides to the labelled.

    A number to watch, not a loss: there is no gradient. Each axis is divided by its own side (the reference divides x
    by the height and y by the width). 0 where no point has a weight.
    """
    offsets = [
        (logits_BKI.argmax(dim=-1) - labels_BKI.argmax(dim=-1)) / logits_BKI.shape[-1]
        for logits_BKI, labels_BKI in zip(logits, labels, strict=True)
    ]
    known_BK = weight_BK > 0
    near_BK = torch.stack(offsets).square().sum(dim=0).sqrt() < within
    return (near_BK & known_BK).sum() / known_BK.sum().clamp(min=1)


def require_reduction(value: str) -> None:
    """Refuse a name that is not a `Reduction`, for values that come from recipes.

    Raises:
        UnknownChoice: it is not.
    """
    if value not in get_args(Reduction):
        raise UnknownChoice("ground_truth_reduction", value, get_args(Reduction))
