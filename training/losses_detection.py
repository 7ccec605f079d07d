"""What detectors are trained on: how far boxes and scores are from labels, and from those of a teacher.

Boxes are left, top, right, bottom in pixels of the picture. Every result is computed in float32.

Source: YOLOX, arXiv 2107.08430, and Megvii-BaseDetection/YOLOX for the square in the loss of boxes.
"""

import torch
from torch import Tensor
from torch.nn import functional

LARGEST_LOG = 8.0
"""Logarithm of the largest box in cells; fresh networks must not overflow."""


def decode_boxes(row_N4: Tensor, grid_N3: Tensor) -> Tensor:
    """What cells say, as boxes; any axes may come before the last two.

    Args:
        row_N4: x and y relative to the cell, logarithms of width and height, all in cells.
        grid_N3: see `training.simota.cell_grid`.
    """
    stride_N1 = grid_N3[:, 2:]
    center_N2 = (row_N4[..., :2] + grid_N3[:, :2]) * stride_N1
    half_N2 = row_N4[..., 2:].clamp(max=LARGEST_LOG).exp() * stride_N1 / 2
    return torch.cat([center_N2 - half_N2, center_N2 + half_N2], dim=-1)


def encode_boxes(box_N4: Tensor, grid_N3: Tensor) -> Tensor:
    """What cells should say; the inverse of `decode_boxes`."""
    stride_N1 = grid_N3[:, 2:]
    center_N2 = (box_N4[..., :2] + box_N4[..., 2:]) / 2 / stride_N1 - grid_N3[:, :2]
    return torch.cat([center_N2, ((box_N4[..., 2:] - box_N4[..., :2]) / stride_N1).log()], dim=-1)


def overlap(one_N4: Tensor, other_N4: Tensor) -> Tensor:
    """Intersection over union, box by box; other axes are broadcast."""
    low_N2, high_N2 = (
        torch.maximum(one_N4[..., :2], other_N4[..., :2]),
        torch.minimum(one_N4[..., 2:], other_N4[..., 2:]),
    )
    shared_N = (high_N2 - low_N2).clamp(min=0).prod(dim=-1)
    one_N, other_N = ((box_N4[..., 2:] - box_N4[..., :2]).prod(dim=-1) for box_N4 in (one_N4, other_N4))
    return shared_N / (one_N + other_N - shared_N).clamp(min=1e-9)


def pair_overlap(box_BM4: Tensor, other_BN4: Tensor) -> Tensor:
    """Intersection over union of every box with every other one, (B, M, N)."""
    return overlap(box_BM4[..., :, None, :], other_BN4[..., None, :, :])


def box_loss(found_P4: Tensor, wanted_P4: Tensor, weight_P: Tensor) -> Tensor:
    """Sum over boxes of 1 - overlap squared, times their weights."""
    return (weight_P * (1 - overlap(found_P4, wanted_P4).square())).sum()


def score_loss(logit_N: Tensor, wanted_N: Tensor, weight_N: Tensor) -> Tensor:
    """Sum over cells of the binary cross-entropy, times their weights."""
    return (weight_N * functional.binary_cross_entropy_with_logits(logit_N, wanted_N, reduction="none")).sum()


def teacher_score_loss(objectness_N: Tensor, person_N: Tensor, teacher_N: Tensor) -> Tensor:
    """Sum over cells of the divergence of the student's score from the teacher's.

    Args:
        objectness_N: logits of the student; with `person_N`, the product of their probabilities is its score.
        person_N: the same.
        teacher_N: scores of the teacher.

    Returns:
        Kullback-Leibler divergence of two coins per cell; 0 where student and teacher agree.
    """
    log_score_N = functional.logsigmoid(objectness_N) + functional.logsigmoid(person_N)
    log_rest_N = torch.log1p(-log_score_N.exp().clamp(max=1 - 1e-6))
    cross_N = -teacher_N * log_score_N - (1 - teacher_N) * log_rest_N
    entropy_N = torch.special.entr(teacher_N) + torch.special.entr(1 - teacher_N)
    return (cross_N - entropy_N).sum()
