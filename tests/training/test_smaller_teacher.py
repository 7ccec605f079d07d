"""A teacher that looks at reduced crops."""

import pytest
import torch

from pose_core.errors import InvalidInput
from pose_core.types import Size
from tests.training import tiny
from training.contracts import Progress
from training.methods.dwpose import DwposeStage1
from training.methods.smaller_teacher import ask_teacher, reduce_map, reduction_factor
from training.models.rtmpose import RtmPose

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


def test_answers_lie_where_the_student_would_put_them() -> None:
    """The two bins of the student that cover one of the teacher's lie evenly around it."""
    teacher = tiny.build_teacher().eval()
    image = torch.randn(1, 3, LARGE.height, LARGE.width)
    with torch.no_grad():
        reduced = torch.nn.functional.avg_pool2d(image, 2)
        feature, x, y = ask_teacher(teacher, image, 2)
        own_feature, own_x, own_y = teacher.forward_with_feature(reduced)
    assert torch.equal(feature, own_feature)
    assert x.shape[-1] == 2 * LARGE.width
    assert y.shape[-1] == 2 * LARGE.height
    for ours, theirs in ((x, own_x), (y, own_y)):
        around = 0.75 * theirs[..., 1:-1] + 0.125 * (theirs[..., :-2] + theirs[..., 2:])
        torch.testing.assert_close(((ours[..., ::2] + ours[..., 1::2]) / 2)[..., 1:-1], around)


def test_maps_are_compared_cell_by_cell_of_the_teacher() -> None:
    cells = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert reduce_map(cells, 1) is cells
    assert reduce_map(cells, 2).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]


def test_the_first_stage_takes_such_a_teacher() -> None:
    method = DwposeStage1(large_student(), tiny.build_teacher()).eval()
    batch = tiny.make_batch()
    enlarged = torch.nn.functional.interpolate(batch.image_B3HW.float(), scale_factor=2)
    targets = tuple(target.repeat_interleave(2, dim=-1) for target in batch.targets)
    one = type(batch)(enlarged, targets, batch.weight_BK, batch.absent_BK, batch.keypoint_BK2 * 2, batch.id_B)
    result = method(one.normalised((120.0,) * 3, (60.0,) * 3), Progress(0, 2, 0))
    assert all(loss.isfinite() and loss > 0 for loss in result.losses.values())
