"""A detector of people, from labels and, if there is one, from another detector that is asked about every cell.

Source: YOLOX, arXiv 2107.08430; the weights of its losses. Labels of machines count as far as these were sure, and
nothing is known inside regions to ignore. What the teacher says is ours: the student copies its score of every cell,
those of empty ones and of regions to ignore included, and its boxes where it sees somebody.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from training.contracts import DetectionBatch, Method, Progress, StepResult
from training.losses_detection import box_loss, decode_boxes, encode_boxes, score_loss, teacher_score_loss
from training.methods.blockwise import compare_maps, require_same_blocks
from training.models.yolox import YoloX
from training.simota import assign_cells, cell_grid, cell_middles, contains

Doubt = Literal["weight", "target"]
"""What it means for objectness that a machine was not sure of a box: that it counts less, or that the cell should not
be sure either. Loss of box and class count less in any case."""


class Wanted(NamedTuple):
    """What the labels say about the cells of a whole batch; P cells have a person.

    Attributes:
        cell_P: position of the cell in its picture.
        picture_P: its picture.
        box_P4: of the person.
        weight_P: how much the person teaches.
        overlap_P: of the cell's box with the person's.
        known_BN: where the labels say anything about objectness, 1 or 0; 1 at the cells with a person.
    """

    cell_P: Tensor
    picture_P: Tensor
    box_P4: Tensor
    weight_P: Tensor
    overlap_P: Tensor
    known_BN: Tensor


class Yolox(Method):
    """Losses of boxes, objectness and class, and of what a teacher says.

    Attributes:
        student: what is trained; of its classes only the first one is.
        teacher: a frozen detector with the student's cells, class 0 the person; None for labels alone.
        box_weight: of the boxes' loss, which like all losses is divided by how many cells have a person.
        corner_epochs: in so many epochs at the end, the numbers behind the boxes are compared as well.
        doubt: see `Doubt`.
        teacher_score_weight: of the teacher's scores.
        teacher_box_weight: of the teacher's boxes.
        teacher_least: score from which a teacher's box is copied.
        map_weight: of the teacher's maps, see `training.methods.blockwise.compare_maps`; they need the student's
            widths. 0 for not looking at them.
        decay: whether what the teacher says fades linearly, from 1 in the first epoch to 1 / epochs in the last.
    """

    def __init__(
        self,
        student: YoloX,
        teacher: YoloX | None = None,
        *,
        box_weight: float = 5.0,
        corner_epochs: int = 0,
        doubt: Doubt = "weight",
        teacher_score_weight: float = 1.0,
        teacher_box_weight: float = 2.5,
        teacher_least: float = 0.2,
        map_weight: float = 0.0,
        decay: bool = True,
    ) -> None:
        super().__init__()
        if teacher is not None and teacher.input_size != student.input_size:
            raise InvalidInput(f"sees {teacher.input_size}, the student {student.input_size}", field="teacher")
        if teacher is not None and map_weight:
            require_same_blocks(student, teacher)
        if doubt not in get_args(Doubt):
            raise UnknownChoice("doubt", doubt, get_args(Doubt))
        self.student = student
        self.doubt = doubt
        self.teacher = teacher and teacher.requires_grad_(requires_grad=False)
        self.box_weight, self.corner_epochs = box_weight, corner_epochs
        self.teacher_score_weight, self.teacher_box_weight = teacher_score_weight, teacher_box_weight
        self.teacher_least = teacher_least
        self.map_weight = map_weight
        self.decay = decay

    def train(self, mode: bool = True) -> "Yolox":  # noqa: FBT001, FBT002 - the signature of nn.Module
        """Switch the student; the teacher stays in evaluation mode."""
        super().train(mode)
        if self.teacher:
            self.teacher.eval()
        return self

    def forward(self, batch: DetectionBatch, progress: Progress) -> StepResult:
        """Losses `box`, `objectness`, `person`, at the end `corner`, and of a teacher `teacher_score`, `teacher_box`.

        With `map_weight` a teacher also has the loss `teacher_map`.

        Metrics: `overlap` of the cells that have a person, `cells` that a person has; with a teacher, `decay`.
        """
        height, width = batch.image_B3HW.shape[2:]
        grid_N3 = cell_grid(Size(width, height), batch.image_B3HW.device)
        maps, row_BN = self.student.forward_with_maps(batch.image_B3HW)
        row_BN = row_BN.float()
        found_BN4 = decode_boxes(row_BN[..., :4], grid_N3)
        wanted = label_cells(row_BN, found_BN4, batch, grid_N3)
        corners = progress.epoch >= progress.epochs - self.corner_epochs
        losses = self.label_losses(row_BN, found_BN4, wanted, grid_N3, corners=corners)
        people = (batch.weight_BM > 0).sum().clamp(min=1)
        metrics = {"overlap": wanted.overlap_P.sum() / max(len(wanted.cell_P), 1), "cells": len(wanted.cell_P) / people}
        if self.teacher:
            factor = 1 - progress.epoch / progress.epochs if self.decay else 1.0
            said = self.teacher_losses(maps, row_BN, found_BN4, batch, grid_N3)
            losses |= {name: factor * loss for name, loss in said.items()}
            metrics["decay"] = row_BN.new_tensor(factor)
        return StepResult(losses, metrics)

    def label_losses(
        self, row_BN: Tensor, found_BN4: Tensor, wanted: Wanted, grid_N3: Tensor, *, corners: bool
    ) -> dict[str, Tensor]:
        """What labels say, each divided by the weight of all cells that have a person."""
        here, weight_P = (wanted.picture_P, wanted.cell_P), wanted.weight_P
        total = weight_P.sum().clamp(min=1)
        objectness_BN, sure_BN = torch.zeros_like(wanted.known_BN), wanted.known_BN.clone()
        objectness_BN[here], sure_BN[here] = (1.0, weight_P) if self.doubt == "weight" else (weight_P, 1.0)
        losses = {
            "box": self.box_weight * box_loss(found_BN4[here], wanted.box_P4, weight_P),
            "objectness": score_loss(row_BN[..., 4], objectness_BN, sure_BN),
            "person": score_loss(row_BN[..., 5][here], wanted.overlap_P, weight_P),
        }
        if corners:
            code_P4 = encode_boxes(wanted.box_P4, grid_N3[wanted.cell_P])
            losses["corner"] = (weight_P[:, None] * (row_BN[..., :4][here] - code_P4).abs()).sum()
        return {name: loss / total for name, loss in losses.items()}

    def teacher_losses(
        self, maps: Sequence[Tensor], row_BN: Tensor, found_BN4: Tensor, batch: DetectionBatch, grid_N3: Tensor
    ) -> dict[str, Tensor]:
        """What the teacher says, divided by the sum of its scores, and how far its maps are, a sum over all three."""
        assert self.teacher is not None
        with torch.no_grad():
            teacher_maps, said_BN = self.teacher.forward_with_maps(batch.image_B3HW)
        said_BN = said_BN.float()
        score_BN = said_BN[..., 4].sigmoid() * said_BN[..., 5].sigmoid()
        total = score_BN.sum().clamp(min=1)
        sure_BN = score_BN > self.teacher_least
        teacher_P4 = decode_boxes(said_BN[..., :4], grid_N3)[sure_BN]
        scores = teacher_score_loss(row_BN[..., 4], row_BN[..., 5], score_BN)
        boxes = box_loss(found_BN4[sure_BN], teacher_P4, score_BN[sure_BN])
        losses = {
            "teacher_score": self.teacher_score_weight * scores / total,
            "teacher_box": self.teacher_box_weight * boxes / total,
        }
        if self.map_weight:
            errors = [compare_maps(*pair).loss for pair in zip(maps, teacher_maps, strict=True)]
            losses["teacher_map"] = self.map_weight * torch.stack(errors).sum()
        return losses

    def deployable(self) -> nn.Module:
        """The student."""
        return self.student


def label_cells(row_BN: Tensor, found_BN4: Tensor, batch: DetectionBatch, grid_N3: Tensor) -> Wanted:
    """Assign the people of every picture to cells, and find the cells of which nothing is known."""
    score_BN = (row_BN[..., 4].sigmoid() * row_BN[..., 5].sigmoid()).detach()
    found = assign_cells(found_BN4.detach(), score_BN, batch.box_BM4, batch.weight_BM > 0, grid_N3)
    known_BN = (~contains(batch.ignore_BR4, cell_middles(grid_N3)).any(dim=1)).float()
    known_BN[found.picture_P, found.cell_P] = 1
    person = (found.picture_P, found.person_P)
    box_P4, weight_P = batch.box_BM4[person], batch.weight_BM[person]
    return Wanted(found.cell_P, found.picture_P, box_P4, weight_P, found.overlap_P, known_BN)
