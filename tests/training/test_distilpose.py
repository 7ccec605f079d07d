"""DistilPose as a method: which losses there are, whom they reach, and which teachers can teach."""

from typing import Any

import pytest
import torch
from torch.autograd import backward

from pose_core.codecs import Heatmap
from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from tests.training import tiny
from training.contracts import PoseBatch, Progress
from training.losses_distilpose import coordinate_loss
from training.methods.distilpose import Distilpose
from training.methods.regression import Regression
from training.methods.supervised_heatmaps import SupervisedHeatmaps
from training.models.distilpose import SCORE, DistilPose
from training.models.tokenpose import TokenPose

START = Progress(epoch=0, epochs=300, step=0)
WEIGHTS = {
    "keypoint_token": "keypoint_token_weight",
    "visual_token": "visual_token_weight",
    "simulated_heatmap": "simulated_heatmap_weight",
    "confidence": "confidence_weight",
}
"""Loss -> option."""


def make_batch() -> PoseBatch:
    return tiny.make_points().prepared(torch.contiguous_format)


def build(**options: Any) -> Distilpose:
    return Distilpose(tiny.build_distilpose(), tiny.build_tokenpose(), **options)


def without(*losses: str) -> dict[str, Any]:
    return {WEIGHTS[loss]: 0.0 for loss in losses}


def test_losses_are_those_of_the_paper() -> None:
    result = build()(make_batch(), START)
    assert list(result.losses) == ["coordinate", *WEIGHTS]
    assert list(result.metrics) == ["accuracy"]


def test_weights_are_factors() -> None:
    published = {"keypoint_token": 5e-4, "visual_token": 5e-4, "simulated_heatmap": 1.0, "confidence": 1e-2}
    plain = build().eval()(make_batch(), START).losses
    heavy = build(**{WEIGHTS[loss]: 10 * weight for loss, weight in published.items()}).eval()
    for loss, value in heavy(make_batch(), START).losses.items():
        torch.testing.assert_close(value, (10 if loss in WEIGHTS else 1) * plain[loss])


@pytest.mark.parametrize("loss", WEIGHTS)
def test_a_loss_without_weight_is_left_out(loss: str) -> None:
    assert list(build(**without(loss))(make_batch(), START).losses) == [
        "coordinate",
        *(name for name in WEIGHTS if name != loss),
    ]


def test_both_maskings_are_choices() -> None:
    """The tiny batch has a point that nobody labelled. Of fresh weights the norms make answers that differ."""
    found = []
    for masking in ("reference", "intended"):
        method = build(masking=masking).train()
        torch.manual_seed(0)
        torch.nn.init.normal_(method.student.head.mlp.get_parameter("1.weight"))
        found.append(method(make_batch(), START).losses["simulated_heatmap"].item())
    assert found[0] != pytest.approx(found[1], rel=1e-3)
    with pytest.raises(UnknownChoice, match="masking: unknown value 'none'; valid: reference, intended"):
        build(masking="none")


def test_the_teacher_stays_as_it_is() -> None:
    method = build().train()
    before = {name: tensor.clone() for name, tensor in method.teacher.state_dict().items()}
    losses = method(make_batch(), START).losses
    backward(torch.stack(list(losses.values())).sum())
    assert method.student.training
    assert not any(part.training for part in method.teacher.modules())
    assert all(parameter.grad is None for parameter in method.teacher.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.teacher.state_dict().items())


def test_a_student_whose_weights_are_no_numbers_answers_losses_that_the_loop_refuses() -> None:
    method = build().train()
    torch.nn.init.constant_(method.student.head.mlp.get_parameter("1.weight"), float("nan"))
    losses = method(make_batch(), START).losses
    assert [name for name, loss in losses.items() if loss.isnan()] == ["coordinate", "simulated_heatmap", "confidence"]


def test_a_teacher_learns_maps_from_labels() -> None:
    """The loss of DistilPose's code is the mean square, twice that of FPD's."""
    network = tiny.build_tokenpose()
    codec = Heatmap(map_size=Size(tiny.TOKEN_CELLS[1], tiny.TOKEN_CELLS[0]), refine="dark")
    batch = tiny.make_batch(size=tiny.TOKEN_SIZE, codec=codec).prepared(torch.contiguous_format)
    result = SupervisedHeatmaps(network, weight=2.0).eval()(batch, START)
    (maps,) = network(batch.image_B3HW)
    weight = batch.weight_BK[..., None, None]
    torch.testing.assert_close(result.losses["ground_truth"], (weight * (maps - batch.targets[0])).square().mean())
    with pytest.raises(InvalidInput, match="student: a network that answers heatmaps is needed"):
        SupervisedHeatmaps(tiny.build_distilpose())  # type: ignore[arg-type]


def test_labels_alone_are_one_loss() -> None:
    method = Regression(tiny.build_distilpose()).eval()
    batch = make_batch()
    result = method(batch, START)
    fractions, _ = method.student(batch.image_B3HW)
    assert list(result.losses) == ["coordinate"]
    torch.testing.assert_close(
        result.losses["coordinate"], coordinate_loss(fractions, batch.targets[0], batch.weight_BK)
    )
    with pytest.raises(InvalidInput, match="teacher: learning from labels alone has no teacher"):
        Regression(tiny.build_distilpose(), tiny.build_tokenpose())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("method", "taught"),
    [
        (Regression(tiny.build_distilpose()), False),
        (build(**without("confidence")), False),
        (build(**without("simulated_heatmap")), True),
    ],
)
def test_scores_that_nothing_teaches_are_one(method: Distilpose | Regression, taught: bool) -> None:  # noqa: FBT001
    losses = method.train()(make_batch(), START).losses
    backward(torch.stack(list(losses.values())).sum())
    gradient = method.student.head.mlp.get_parameter("1.weight").grad
    assert gradient is not None
    assert bool(gradient[SCORE].any()) == taught
    _, scores = method.student.eval()(make_batch().image_B3HW)
    assert torch.equal(scores, torch.ones_like(scores)) != taught


def test_a_teacher_must_fit() -> None:
    student = tiny.build_distilpose()
    wide = tiny.TOKEN_SCALE.encoding._replace(width=32)
    few = tiny.TOKEN_SCALE.encoding._replace(keypoints=2)
    with pytest.raises(InvalidInput, match="teacher: distillation needs a TokenPose"):
        Distilpose(student, None)
    with pytest.raises(InvalidInput, match=r"teacher: sees .*width=96.*, the student .*width=48"):
        Distilpose(student, TokenPose(tiny.TOKEN_SCALE, Size(width=96, height=64)))
    with pytest.raises(InvalidInput, match="teacher: finds 2 keypoints, the student 3"):
        Distilpose(student, TokenPose(tiny.TOKEN_SCALE._replace(encoding=few), tiny.TOKEN_SIZE))
    wider = TokenPose(tiny.TOKEN_SCALE._replace(encoding=wide), tiny.TOKEN_SIZE)
    with pytest.raises(InvalidInput, match="teacher: has tokens of 32 numbers, the student of 16"):
        Distilpose(student, wider)
    assert Distilpose(student, wider, **without("keypoint_token", "visual_token"))


@pytest.mark.parametrize("method", [Regression, Distilpose])
def test_a_student_must_answer_points(method: Any) -> None:
    with pytest.raises(InvalidInput, match="student: this method trains a DistilPose"):
        method(tiny.build_tokenpose(), None)


def test_the_student_is_deployed() -> None:
    method = build()
    assert isinstance(method.deployable(), DistilPose)
    assert method.deployable() is method.student
