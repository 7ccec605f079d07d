"""Fast pose distillation: what each share of the loss is, who is asked about hidden points, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch.autograd import backward

from pose_core.errors import InvalidInput
from tests.training import tiny
from training.contracts import PoseBatch, Progress
from training.losses_heatmap import stacked_loss
from training.methods.fpd import Fpd
from training.methods.supervised_heatmaps import SupervisedHeatmaps
from training.models.hourglass import build_hourglass

START = Progress(epoch=0, epochs=1, step=0)


def prepared_batch() -> PoseBatch:
    return tiny.make_maps().prepared(torch.contiguous_format)


def build(alpha: float = 0.5, *, mask_teacher: bool = True) -> Fpd:
    return Fpd(tiny.build_hourglass(), tiny.build_hourglass(1, channels=32), alpha=alpha, mask_teacher=mask_teacher)


def losses(method: Fpd | SupervisedHeatmaps) -> dict[str, float]:
    return {name: loss.item() for name, loss in method.eval()(prepared_batch(), START).losses.items()}


def test_alpha_0_is_learning_from_labels_alone() -> None:
    alone = losses(SupervisedHeatmaps(tiny.build_hourglass()))
    assert losses(build(0.0)) == {"ground_truth": alone["ground_truth"], "distillation": 0.0}


def test_alpha_1_is_learning_from_the_teacher_alone() -> None:
    method, batch = build(1.0).eval(), prepared_batch()
    with torch.no_grad():
        stacks = method.student.forward_stacks(batch.image_B3HW)
        last = method.teacher.forward_stacks(batch.image_B3HW)[-1]
    found = losses(method)
    assert found["ground_truth"] == 0.0
    assert found["distillation"] == pytest.approx(stacked_loss(stacks, last, batch.weight_BK).item(), rel=1e-6)


def test_shares_add_up() -> None:
    mixed, truth, taught = losses(build(0.25)), losses(build(0.0)), losses(build(1.0))
    assert mixed["ground_truth"] == pytest.approx(0.75 * truth["ground_truth"])
    assert mixed["distillation"] == pytest.approx(0.25 * taught["distillation"])


@pytest.mark.parametrize("mask_teacher", [True, False])
def test_a_teacher_without_a_mask_also_teaches_points_without_labels(*, mask_teacher: bool) -> None:
    batch = prepared_batch()
    weight_BK = batch.weight_BK.clone()
    weight_BK[:, 0] = 0
    method = build(mask_teacher=mask_teacher).train()
    result = method(replace(batch, weight_BK=weight_BK), START)
    backward(torch.stack([*result.losses.values()]).sum())
    grads = method.student.get_parameter("score.1.bias").grad
    assert grads is not None
    assert (grads != 0).tolist() == [not mask_teacher, True, True]


def test_every_stack_learns_from_the_last_maps_of_the_teacher() -> None:
    method = build(1.0).train()
    backward(method(prepared_batch(), START).losses["distillation"])
    for stack in range(2):
        assert method.student.get_parameter(f"score.{stack}.weight").grad is not None
    assert all(parameter.grad is None for parameter in method.teacher.parameters())


def test_the_teacher_stays_as_it_is() -> None:
    method = build().train()
    before = {name: tensor.clone() for name, tensor in method.teacher.state_dict().items()}
    method(prepared_batch(), START)
    assert not any(part.training for part in method.teacher.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.teacher.state_dict().items())
    assert method.student.training


def test_networks_that_cannot_be_compared_are_refused() -> None:
    student = tiny.build_hourglass()
    with pytest.raises(InvalidInput, match="teacher: a stacked hourglass is needed"):
        Fpd(student, None)
    with pytest.raises(InvalidInput, match="student: a network that answers heatmaps is needed"):
        SupervisedHeatmaps(tiny.build_student())  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="teacher: supervised training has no teacher"):
        SupervisedHeatmaps(student, student)
    other = build_hourglass(1, 16, input_size=tiny.SQUARE, keypoints=5)
    with pytest.raises(InvalidInput, match="teacher: its keypoints is 5, the student's 3"):
        Fpd(student, other)
    with pytest.raises(InvalidInput, match=r"alpha: 1\.5 is not between 0 and 1"):
        build(1.5)
