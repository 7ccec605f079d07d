"""Methods: what they train, what they leave alone, and the totals of the reference's distiller."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import backward

from pose_core.codecs import SimCC
from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from tests.training import tiny
from training.contracts import Method, PoseBatch, Progress
from training.methods import METHODS
from training.methods.dwpose import DwposeStage1, DwposeStage2
from training.methods.mimic import Mimic
from training.methods.supervised import Supervised
from training.models import MODELS
from training.models.rtmpose import RtmPose
from training.models.yolox import build_yolox

RECORDED_MODES = {"eval": "teacher_eval", "train": "reference_train"}
START = Progress(epoch=0, epochs=270, step=0)
BUILDERS: dict[str, Callable[..., Method]] = {
    "mimic": lambda: Mimic(tiny.build_student(), build_yolox("nano", input_size=tiny.SIZE)),
    "supervised": lambda **options: Supervised(tiny.build_student(), **options),
    "dwpose-stage1": lambda **options: DwposeStage1(tiny.build_student(), tiny.build_teacher(), **options),
    "dwpose-stage2": lambda **options: DwposeStage2(
        tiny.build_student(), tiny.build_teacher(scale=tiny.SCALE), **options
    ),
    "yolox": lambda **options: tiny.build_method("yolox", teacher_least=0.0, **options),
    **{
        name: partial(tiny.build_method, name)
        for name in ("supervised-heatmaps", "fpd", "regression", "distilpose", "blockwise")
    },
}


def normalised_batch(samples: int = 4) -> PoseBatch:
    return tiny.make_batch(samples).labelled().normalised((120.0,) * 3, (60.0,) * 3)


def norms(network: nn.Module) -> list[torch.Tensor]:
    return [buffer.clone() for name, buffer in network.named_buffers() if name.endswith("running_mean")]


def drifted(network: nn.Module, before: list[torch.Tensor]) -> bool:
    return not all(torch.equal(now, then) for now, then in zip(norms(network), before, strict=True))


@pytest.fixture
def recorded_network(detw: Any) -> Callable[[str, int], RtmPose]:
    def build(name: str, seed: int) -> RtmPose:
        model = MODELS[name]()
        assert isinstance(model, RtmPose)
        shapes = {key: tuple(tensor.shape) for key, tensor in model.state_dict().items()}
        model.load_state_dict(
            {key: torch.from_numpy(array) for key, array in detw.det_state_dict(shapes, seed).items()}
        )
        return model

    return build


@pytest.mark.shared
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("mode", RECORDED_MODES)
def test_totals_are_the_reference_s(
    stage: int,
    mode: str,
    dwpose_oracle: Path,
    detw: Any,
    recorded_network: Callable[[str, int], RtmPose],
) -> None:
    recorded = json.loads((dwpose_oracle / "distill.json").read_text())
    teacher = recorded_network("rtmpose-s" if stage == 1 else "rtmpose-t", 1)
    reference = {"ground_truth_weight": 1.0, "ground_truth_reduction": "sum"} if stage == 1 else {}
    method = METHODS[f"dwpose-stage{stage}"](recorded_network("rtmpose-t", 2), teacher, teacher_mode=mode, **reference)
    if isinstance(method, DwposeStage1):
        for key, parameter in method.align.named_parameters():
            name = f"align{'.conv' if key == 'weight' else ''}.{key}"
            parameter.data = torch.from_numpy(detw.det_tensor(name, parameter.shape))
    with np.load(dwpose_oracle / "distill_labels.npz") as labels:
        targets = SimCC().encode(labels["kp"], labels["vis"] > 0.5, Size(192, 256))
        keypoint = torch.from_numpy(labels["kp"])
    image = torch.from_numpy(detw.det_input("distill", (4, 3, 256, 192)))
    arrays = tuple(torch.from_numpy(array) for array in targets.arrays)
    weight = torch.from_numpy(targets.weights)
    batch = PoseBatch(image, weight, torch.zeros_like(weight), keypoint, torch.arange(4), SimCC(), arrays)
    result = method.train()(batch, Progress(epoch=10, epochs=270, step=0))
    backward(torch.stack(list(result.losses.values())).sum())
    names = {"ground_truth": "loss_kpt", "feature": "loss_fea", "logit": "loss_logit"}
    wanted = recorded[f"s{stage}_{RECORDED_MODES[mode]}_ep10"]
    assert {names[name] for name in result.losses} == {name for name in wanted if name.startswith("loss")}
    for name, loss in result.losses.items():
        assert loss.item() == pytest.approx(wanted[names[name]], rel=1e-6), name
    # sums of squares over a million float32 numbers: both sides round differently
    groups = recorded[f"s{stage}_{RECORDED_MODES[mode]}_ep10_gradnorm_groups"]
    student = method.deployable()
    assert isinstance(student, RtmPose)
    assert gradient_norm(student.head) == pytest.approx(groups["student.head"], rel=3e-4)
    assert gradient_norm(student.backbone) == pytest.approx(groups["student.backbone"], rel=1e-5)


def gradient_norm(network: nn.Module) -> float:
    grads = [parameter.grad.double() for parameter in network.parameters() if parameter.grad is not None]
    return torch.nn.utils.get_total_norm(grads).item() if grads else 0.0


@pytest.mark.parametrize("name", METHODS)
def test_losses_reach_exactly_what_requires_a_gradient(name: str) -> None:
    method = BUILDERS[name]().train()
    result = method(tiny.one_batch(name).prepared(torch.contiguous_format), START)
    assert all(loss.ndim == 0 and loss > 0 for loss in result.losses.values())
    assert all(not metric.requires_grad for metric in result.metrics.values())
    backward(torch.stack(list(result.losses.values())).sum())
    for key, parameter in method.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, key


@pytest.mark.parametrize("name", METHODS)
def test_deployable_shares_what_is_trained(name: str) -> None:
    method = BUILDERS[name]()
    deployed = {id(parameter) for parameter in method.deployable().parameters()}
    trained = {key for key, p in method.named_parameters() if p.requires_grad and id(p) not in deployed}
    assert all(key.startswith("align.") for key in trained)


@pytest.mark.parametrize("name", ["dwpose-stage1", "dwpose-stage2"])
@pytest.mark.parametrize("mode", ["eval", "train"])
def test_teacher_s_norms_drift_only_if_asked(name: str, mode: str) -> None:
    method = BUILDERS[name](teacher_mode=mode).train()
    frozen = method.teacher if isinstance(method, DwposeStage1) else method.deployable()
    assert isinstance(frozen, RtmPose)
    before = norms(frozen.backbone)
    method(normalised_batch(), START)
    assert drifted(frozen.backbone, before) == (mode == "train")
    method.eval()
    assert not any(part.training for part in method.modules())


def test_decay_fades_the_distillation_and_not_the_labels() -> None:
    method = BUILDERS["dwpose-stage1"]().eval()
    first, last = (method(normalised_batch(), Progress(epoch, 4, 0)) for epoch in (0, 3))
    for name, factor in (("ground_truth", 1.0), ("feature", 0.25), ("logit", 0.25)):
        torch.testing.assert_close(last.losses[name], factor * first.losses[name])
    assert last.metrics["decay"].item() == 0.25
    steady = BUILDERS["dwpose-stage1"](decay=False).eval()(normalised_batch(), Progress(3, 4, 0))
    torch.testing.assert_close(steady.losses["logit"], first.losses["logit"])


def test_weights_are_factors() -> None:
    plain, heavy = (
        BUILDERS["dwpose-stage1"](feature_weight=1.0 * k, logit_weight=2.0 * k, ground_truth_weight=3.0 * k).eval()(
            normalised_batch(), START
        )
        for k in (1, 10)
    )
    for name, loss in plain.losses.items():
        torch.testing.assert_close(heavy.losses[name], 10 * loss)


@pytest.mark.parametrize("name", ["supervised", "dwpose-stage1"])
def test_a_body_s_weight_is_a_factor_of_the_ground_truth(name: str) -> None:
    """All points of the tiny networks are of the body."""
    plain, heavy = (
        BUILDERS[name](body_weight=factor).eval()(normalised_batch(), START).losses for factor in (1.0, 4.0)
    )
    torch.testing.assert_close(heavy["ground_truth"], 4 * plain["ground_truth"])
    assert all(torch.equal(heavy[loss], plain[loss]) for loss in plain if loss != "ground_truth")


def test_equal_channels_need_no_align() -> None:
    method = DwposeStage1(tiny.build_student(), tiny.build_teacher(scale=tiny.SCALE))
    assert isinstance(method.align, nn.Identity)


def test_stage2_head_is_fresh_or_a_copy() -> None:
    fresh, copied = (BUILDERS["dwpose-stage2"](student_head=head).eval() for head in ("fresh", "copy"))
    assert fresh(normalised_batch(), START).losses["logit"] > 0.1
    result = copied(normalised_batch(), START)
    assert result.losses["logit"].item() == pytest.approx(0, abs=1e-6)
    assert torch.equal(result.metrics["accuracy"], result.metrics["teacher_accuracy"])


def test_stage2_deploys_the_teacher_s_backbone_under_the_new_head() -> None:
    teacher = tiny.build_teacher(scale=tiny.SCALE).eval()
    batch = normalised_batch()
    with torch.no_grad():
        wanted = teacher(batch.image_B3HW)
    method = DwposeStage2(tiny.build_student(), teacher, student_head="copy").eval()
    with torch.no_grad():
        found = method.deployable()(batch.image_B3HW)
    assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert len(list(method.parameters())) == len(list(teacher.parameters())) + len(
        list(method.student.head.parameters())
    )


def test_stage2_runs_the_backbone_once() -> None:
    method = BUILDERS["dwpose-stage2"]().train()
    assert isinstance(method, DwposeStage2)
    calls: list[int] = []
    method.student.backbone.register_forward_hook(lambda *_: calls.append(1))
    method(normalised_batch(), START)
    assert calls == [1]


def test_labels_do_not_enter_stage2() -> None:
    method, batch = BUILDERS["dwpose-stage2"]().eval(), normalised_batch()
    blind = replace(batch, weight_BK=batch.weight_BK * 0, targets=tuple(map(torch.zeros_like, batch.targets)))
    assert torch.equal(method(batch, START).losses["logit"], method(blind, START).losses["logit"])


def test_wrong_teachers_are_refused() -> None:
    with pytest.raises(InvalidInput, match="has no teacher"):
        Supervised(tiny.build_student(), tiny.build_teacher())
    with pytest.raises(InvalidInput, match="teacher: distillation needs a pose estimator"):
        DwposeStage1(tiny.build_student(), None)
    with pytest.raises(InvalidInput, match="sees Size"):
        DwposeStage1(tiny.build_student(), RtmPose(tiny.WIDE, Size(64, 64), tiny.POINTS))
    with pytest.raises(InvalidInput, match="sees Size"):
        DwposeStage2(tiny.build_student(), RtmPose(tiny.SCALE, Size(64, 64), tiny.POINTS))
    with pytest.raises(InvalidInput, match="of the teacher's architecture"):
        DwposeStage2(tiny.build_student(), tiny.build_teacher())


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("supervised", "ground_truth_reduction"),
        ("dwpose-stage1", "teacher_mode"),
        ("dwpose-stage2", "teacher_mode"),
        ("dwpose-stage2", "student_head"),
    ],
)
def test_unknown_options_list_the_known_ones(name: str, option: str) -> None:
    with pytest.raises(UnknownChoice, match=f"{option}: unknown value 'x'; valid: "):
        BUILDERS[name](**{option: "x"})
