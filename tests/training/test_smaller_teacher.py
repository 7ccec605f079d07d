"""A teacher that looks at reduced crops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from pose_core.codecs import SimCC
from pose_core.errors import InvalidInput
from pose_core.types import Size
from tests.training import tiny
from training.contracts import Progress
from training.losses import feature_loss
from training.methods.dwpose import DwposeStage1
from training.models.rtmpose import RtmPose
from training.smaller_teacher import ask_teacher, reduce_map, reduction_factor, spread_bins

CODEC = SimCC(sigma=(2.0, 2.0))
LARGE = Size(tiny.SIZE.width * 2, tiny.SIZE.height * 2)


def large_student() -> RtmPose:
    torch.manual_seed(0)
    return RtmPose(tiny.SCALE, LARGE, tiny.POINTS)


@pytest.mark.parametrize(("teacher", "factor"), [(LARGE, 1), (tiny.SIZE, 2), (Size(16, 32), 4)])
def test_sizes_are_whole_multiples(teacher: Size, factor: int) -> None:
    assert reduction_factor(LARGE, teacher) == factor


@pytest.mark.parametrize("teacher", [Size(32, 128), Size(48, 96), Size(128, 256)])
def test_other_sizes_are_refused(teacher: Size) -> None:
    with pytest.raises(InvalidInput, match=r"teacher: sees .* no whole multiple"):
        reduction_factor(LARGE, teacher)


def test_a_teacher_of_the_same_size_is_asked_as_it_is() -> None:
    teacher = tiny.build_teacher().eval()
    image = torch.randn(2, 3, tiny.SIZE.height, tiny.SIZE.width)
    with torch.no_grad():
        wanted, found = teacher.forward_with_feature(image), ask_teacher(teacher, image, 1)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize("factor", [2, 3])
def test_answers_lie_where_the_student_s_labels_do(factor: int) -> None:
    """A point at a known pixel: what a perfect teacher says of it has its middle where the student's label has it."""
    size = Size(48 * factor, 48 * factor)
    point = np.array([[[31.0 * factor, 12.5 * factor]]])
    # the middle of a reduced pixel is that of all its pixels
    reduced = (point - (factor - 1) / 2) / factor
    known = np.ones((1, 1), np.bool_)
    label = CODEC.encode(point, known, size).arrays
    answer = CODEC.encode(reduced, known, Size(48, 48)).arrays
    for wanted, said in zip(label, answer, strict=True):
        spread = spread_bins(torch.from_numpy(said), factor)
        assert spread.shape == wanted.shape
        # labels lie on whole bins of either size
        assert middle(spread) == pytest.approx(middle(torch.from_numpy(wanted)), abs=0.5 * factor)
    exact = torch.zeros(1, 1, 96)
    exact[..., 40] = 1
    assert middle(spread_bins(exact, factor)) == pytest.approx(factor * 40 + factor - 1)


def middle(values_BKI: torch.Tensor) -> float:
    return ((values_BKI * torch.arange(values_BKI.shape[-1])).sum() / values_BKI.sum()).item()


def test_a_reduced_answer_has_the_teacher_s_map_and_the_student_s_bins() -> None:
    teacher = tiny.build_teacher().eval()
    image = torch.randn(1, 3, LARGE.height, LARGE.width)
    with torch.no_grad():
        feature, x, y = ask_teacher(teacher, image, 2)
        own_feature, *_ = teacher.forward_with_feature(functional.avg_pool2d(image, 2))
    assert torch.equal(feature, own_feature)
    assert x.shape[-1] == 2 * LARGE.width
    assert y.shape[-1] == 2 * LARGE.height


def test_maps_are_compared_cell_by_cell_of_the_teacher() -> None:
    cells = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert reduce_map(cells, 1) is cells
    assert reduce_map(cells, 2).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]


def test_the_first_stage_compares_means_of_cells() -> None:
    method = DwposeStage1(large_student(), tiny.build_teacher(), feature_weight=1.0, decay=False).eval()
    batch = tiny.make_batch().labelled()
    enlarged = functional.interpolate(batch.image_B3HW.float(), scale_factor=2)
    targets = tuple(target.repeat_interleave(2, dim=-1) for target in batch.targets)
    large = replace(batch, image_B3HW=enlarged, targets=targets).normalised((120.0,) * 3, (60.0,) * 3)
    result = method(large, Progress(0, 2, 0))
    with torch.no_grad():
        ours = method.align(method.student.backbone(large.image_B3HW))
        theirs = method.teacher.backbone(functional.avg_pool2d(large.image_B3HW, 2))
    pooled = ours.unflatten(2, (-1, 2)).unflatten(4, (-1, 2)).mean(dim=(3, 5))
    torch.testing.assert_close(result.losses["feature"], feature_loss(pooled, theirs))
    assert result.losses["logit"] > 0
