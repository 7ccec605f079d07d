"""Feature maps of a detector as the first lesson of a backbone."""

import pytest
import torch
from torch.autograd import backward
from torch.nn import functional

from pose_core.codecs import SimCC
from pose_core.errors import InvalidInput
from pose_core.estimators.estimator import IMAGENET_MEAN, IMAGENET_STD
from pose_core.types import Size
from training.contracts import PoseBatch, Progress
from training.methods.mimic import Mimic
from training.models.rtmpose import RtmPose, build_rtmpose
from training.models.yolox import YoloX, build_yolox
from training.optim import trainable

SIZE = Size(width=64, height=96)
FIRST = Progress(0, 2, 0)


@pytest.fixture
def method() -> Mimic:
    torch.manual_seed(3)
    return Mimic(build_rtmpose("t", input_size=SIZE), build_yolox("nano", input_size=SIZE))


def batch_of(image_B3HW: torch.Tensor) -> PoseBatch:
    count = len(image_B3HW)
    none = torch.zeros(count, 133)
    return PoseBatch(image_B3HW, none, none, torch.zeros(count, 133, 2), torch.arange(count), SimCC())


def noise(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, SIZE.height, SIZE.width, generator=torch.Generator().manual_seed(1))


def test_only_the_backbone_and_the_adapters_learn(method: Mimic) -> None:
    owners = {name.split(".")[0] + "." + name.split(".")[1] for name in trainable(method)}
    assert owners == {"student.backbone", "align.0", "align.1", "align.2"}
    assert method.deployable() is method.student


def test_the_teacher_sees_what_its_files_are_fed(method: Mimic) -> None:
    """Blue, green, red from 0 to 255."""
    pixels = torch.randint(0, 256, (2, 3, SIZE.height, SIZE.width), generator=torch.Generator().manual_seed(2)).float()
    shown = batch_of(pixels).normalised(IMAGENET_MEAN, IMAGENET_STD).image_B3HW
    method.eval()
    with torch.no_grad():
        expected = method.teacher.backbone.backbone(pixels.flip(1))
        for found, wanted in zip(method.look(shown), expected, strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-3, rtol=1e-3)


def test_losses_are_those_of_the_three_strides(method: Mimic) -> None:
    method.train()
    image = noise()
    with torch.no_grad():
        losses, explained = method(batch_of(image), FIRST)
        wanted = functional.batch_norm(method.look(image)[1], None, None, training=True)
        found = method.align[1](method.student.backbone.maps(image)[1])
    assert list(losses) == list(explained) == ["stride8", "stride16", "stride32"]
    torch.testing.assert_close(losses["stride16"], functional.smooth_l1_loss(found, wanted), rtol=0.02, atol=1e-3)
    assert float(explained["stride16"]) < 0.3, "a fresh network explains next to nothing"


def test_a_backbone_learns_to_see_the_same(method: Mimic) -> None:
    method.train()
    optimiser = torch.optim.AdamW([*trainable(method).values()], lr=2e-3)
    image, history = noise(2), []
    for _ in range(25):
        losses, _ = method(batch_of(image), FIRST)
        total = torch.stack([*losses.values()]).sum()
        optimiser.zero_grad()
        backward(total)
        optimiser.step()
        history.append(float(total.detach()))
    assert history[-1] < 0.6 * history[0]


def test_the_head_and_the_teacher_stay_as_they_are(method: Mimic) -> None:
    method.train()
    assert not method.teacher.training
    assert not method.student.head.training
    assert method.student.backbone.training


@pytest.mark.parametrize("teacher", [None, build_rtmpose("t", input_size=SIZE)], ids=["none", "pose"])
def test_a_detector_is_needed(teacher: YoloX | RtmPose | None) -> None:
    with pytest.raises(InvalidInput, match="teacher: a detector is needed"):
        Mimic(build_rtmpose("t", input_size=SIZE), teacher)  # type: ignore[arg-type]
