"""YOLOX: published sizes and names, row layout, and the numbers of a published file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.session import open_session
from pose_core.types import Size
from training.models.csp_darknet import VARIANTS, Focus
from training.models.yolox import PRIOR, build_yolox
from training.yolox_onnx import load_yolox_onnx


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# millions of parameters and GFLOPs (two per multiply-accumulate) from the tables in YOLOX's README, 80 classes
@pytest.mark.parametrize(
    ("size", "millions", "giga_flops"),
    [
        ("nano", 0.91, 1.08),
        ("tiny", 5.06, 6.45),
        ("s", 9.0, 26.8),
        ("m", 25.3, 73.8),
        ("l", 54.2, 155.6),
        ("x", 99.1, 281.9),
    ],
)
def test_parameters_and_work_are_the_published_ones(size: str, millions: float, giga_flops: float) -> None:
    side = VARIANTS[size].input_px
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = build_yolox(size)
        model(torch.empty(1, 3, side, side))
    assert count_parameters(model) / 1e6 == pytest.approx(millions, abs=0.06 if millions > 1 else 0.005)
    assert counter.get_total_flops() / 1e9 == pytest.approx(giga_flops, rel=0.04)  # theirs count norms, too


@pytest.mark.parametrize(("side", "rows"), [(416, 3549), (640, 8400)])
def test_rows_are_the_cells_of_three_strides(side: int, rows: int) -> None:
    with torch.device("meta"):
        model = build_yolox("nano").eval()
        assert model(torch.empty(2, 3, side, side)).shape == (2, rows, 85)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("size", ["nano", "tiny"])
def test_any_number_of_classes(size: str, classes: int) -> None:
    model = build_yolox(size, classes=classes).eval()
    with torch.inference_mode():
        output = model(torch.zeros(1, 3, 64, 96))
    assert output.shape == (1, 8 * 12 + 4 * 6 + 2 * 3, 5 + classes)
    scores = output[..., 4:]
    assert ((scores > 0) & (scores < 1)).all()


def test_rows_go_finest_first_and_along_picture_rows() -> None:
    model = build_yolox("nano", classes=1).eval()
    for level, layer in enumerate(model.head.reg_preds):
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        nn.init.zeros_(layer.weight)
        nn.init.constant_(layer.bias, level)
    with torch.inference_mode():
        levels = model(torch.zeros(1, 3, 64, 96))[0, :, 0]
    assert levels.tolist() == [0.0] * 96 + [1.0] * 24 + [2.0] * 6


def test_logits_become_the_output_by_a_sigmoid() -> None:
    model = build_yolox("nano", classes=2).eval()
    image = 255 * torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        logits, output = model.forward_logits(image), model(image)
    torch.testing.assert_close(output[..., :4], logits[..., :4])
    torch.testing.assert_close(output[..., 4:], logits[..., 4:].sigmoid())


def test_fresh_scores_are_the_prior_and_norms_the_reference_s() -> None:
    model = build_yolox("nano", classes=1)
    for layers in (model.head.cls_preds, model.head.obj_preds):
        for layer in layers:
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            torch.testing.assert_close(layer.bias.sigmoid(), torch.full_like(layer.bias, PRIOR))
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.03)}


def test_evaluation_repeats_itself() -> None:
    model, image = build_yolox("nano", classes=1).eval(), torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(image), model(image))


def test_every_parameter_learns() -> None:
    model = build_yolox("nano", classes=1)
    loss: torch.Tensor = model.forward_logits(torch.randn(2, 3, 64, 64)).square().sum()
    torch.autograd.backward(loss)
    still = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert still == []


def test_focus_takes_the_left_column_of_each_square_first() -> None:
    focus = Focus(1).eval()
    folded: list[torch.Tensor] = []
    focus.conv.register_forward_pre_hook(lambda _, arguments: folded.append(arguments[0]))
    focus(torch.arange(4.0).reshape(1, 1, 2, 2).expand(1, 3, 2, 2))
    assert folded[0][0, ::3, 0, 0].tolist() == [0, 2, 1, 3]


def test_unknown_size_lists_the_known_ones() -> None:
    with pytest.raises(UnknownChoice, match="size: unknown value 'xxl'; valid: nano, tiny, s, m, l, x"):
        build_yolox("xxl")


def test_sides_are_multiples_of_the_coarsest_stride() -> None:
    with pytest.raises(InvalidInput, match="has a side that is no multiple of 32"):
        build_yolox("nano", input_size=Size(208, 224))


# names as in the checkpoints of Megvii-BaseDetection/YOLOX
@pytest.mark.parametrize(
    "name",
    [
        "backbone.backbone.stem.conv.conv.weight",
        "backbone.backbone.dark2.0.dconv.bn.running_mean",
        "backbone.backbone.dark3.1.m.2.conv2.pconv.conv.weight",
        "backbone.backbone.dark5.1.conv2.bn.num_batches_tracked",
        "backbone.backbone.dark5.2.conv3.conv.weight",
        "backbone.lateral_conv0.conv.weight",
        "backbone.C3_p4.m.0.conv1.conv.weight",
        "backbone.bu_conv2.dconv.conv.weight",
        "head.cls_convs.2.1.pconv.bn.bias",
        "head.stems.0.conv.weight",
        "head.obj_preds.1.bias",
    ],
)
def test_state_dict_has_the_published_names(name: str) -> None:
    with torch.device("meta"):
        assert name in build_yolox("nano").state_dict()


@pytest.mark.shared
def test_rows_are_those_of_a_published_file(shared: Path) -> None:
    path = shared / "data" / "models" / "yolox_nano.onnx"
    model = build_yolox("nano").eval()
    load_yolox_onnx(model, path)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 416, 416)).astype(np.float32)
    recorded = open_session(path, "cpu").run(image)["output"]
    with torch.inference_mode():
        actual = model(torch.from_numpy(image)).numpy()
    assert np.abs(actual - recorded).max() < 1e-5 * np.abs(recorded).max()
    assert model.input_size == Size(width=416, height=416)
