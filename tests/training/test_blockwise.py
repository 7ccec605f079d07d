"""Blocks of a detector, each taught alone with what the teacher feeds to it."""

import pytest
import torch
from torch.autograd import backward

from pose_core.errors import InvalidInput
from tests.training import tiny
from training.contracts import DetectionBatch, Progress
from training.methods import METHODS
from training.methods.blockwise import PARTS, Blockwise, compare_maps, find_blocks, part_of, watched
from training.models.yolox import build_yolox

FIRST = Progress(0, 2, 0)


@pytest.fixture
def batch() -> DetectionBatch:
    return tiny.make_scenes().prepared(torch.contiguous_format)


def test_the_blocks_are_all_of_a_detector_but_what_names_classes() -> None:
    detector = tiny.build_detector()
    blocks = find_blocks(detector)
    assert {part_of(name) for name in blocks} == set(PARTS.values())
    owners = {key: [name for name in blocks if key.startswith(f"{name}.")] for key in detector.state_dict()}
    assert all(len(names) == (0 if key.startswith("head.cls_preds.") else 1) for key, names in owners.items())


def test_a_copy_has_nothing_to_learn(batch: DetectionBatch) -> None:
    student = tiny.build_detector(seed=1)
    losses, explained = Blockwise(student, tiny.build_detector(seed=1)).eval()(batch, FIRST)
    assert all(loss.item() == 0 for loss in losses.values())
    assert all(share.item() == 1 for share in explained.values())


def test_a_block_learns_from_the_teacher_s_input_alone(batch: DetectionBatch) -> None:
    """A student that is the teacher but for one block has a loss in that block only."""
    teacher, student = tiny.build_detector(seed=1), tiny.build_detector(seed=1)
    student.backbone.backbone.stem.load_state_dict(tiny.build_detector(seed=2).backbone.backbone.stem.state_dict())
    losses, explained = Blockwise(student, teacher).eval()(batch, FIRST)
    assert losses["backbone"] > 0
    assert losses["neck"].item() == losses["head"].item() == 0
    assert explained["backbone"] < explained["neck"]


def test_a_block_that_says_the_mean_explains_nothing() -> None:
    """Also where most channels are so dull that they hardly count in the loss."""
    lively, dull = torch.randn(2, 8, 4, 4), 0.01 * torch.randn(2, 24, 4, 4)
    made = torch.cat([lively, dull], dim=1)
    errors = compare_maps(made.mean(dim=(0, 2, 3), keepdim=True).expand_as(made), made)
    assert errors.unexplained.item() == pytest.approx(1, abs=0.05)
    assert errors.loss > 0


def test_some_steps_explain_more(batch: DetectionBatch) -> None:
    method = Blockwise(tiny.build_detector(), tiny.build_detector(seed=1)).train()
    optimiser = torch.optim.AdamW([p for p in method.parameters() if p.requires_grad], lr=4e-3)
    shares = []
    for _ in range(12):
        losses, explained = method(batch, FIRST)
        optimiser.zero_grad()
        backward([torch.stack([*losses.values()]).sum()])
        optimiser.step()
        shares.append(torch.stack([*explained.values()]).mean().item())
    assert shares[-1] > shares[0] + 0.2


def test_nobody_watches_afterwards(batch: DetectionBatch) -> None:
    teacher = tiny.build_detector()
    with watched(teacher) as seen:
        teacher(batch.image_B3HW)
    count = len(seen)
    seen.clear()
    teacher(batch.image_B3HW)
    assert count == len(find_blocks(teacher))
    assert not seen


def test_a_teacher_of_another_shape_is_refused() -> None:
    with pytest.raises(InvalidInput, match="teacher: a detector is needed"):
        Blockwise(tiny.build_detector(), None)
    with pytest.raises(InvalidInput, match="teacher: a detector is needed"):
        METHODS["blockwise"](tiny.build_detector(), tiny.build_student())
    with pytest.raises(
        InvalidInput, match=r"teacher: its block backbone\.backbone\.stem\.conv is not of the student's shape"
    ):
        Blockwise(tiny.build_detector(), build_yolox("tiny", input_size=tiny.SCENE_SIZE))
