"""RTMPose: the reference's names, sizes, starting values and outputs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from training.models.cspnext import CspNext
from training.models.rtmcc_head import GatedAttention, RtmccHead, ScaleNorm
from training.models.rtmpose import SCALES, RtmPose, Scale, SIZE_256x192, SIZE_384x288, build_rtmpose

TINY = Scale(deepen=0.1, widen=0.125)


def build_tiny(input_size: Size | None = None, keypoints: int = 5) -> RtmPose:
    torch.manual_seed(0)
    return RtmPose(TINY, input_size or Size(width=64, height=96), keypoints)


def count_parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def relative_difference(actual: torch.Tensor, expected: np.ndarray[Any, Any]) -> float:
    return float(np.abs(actual.detach().numpy() - expected).max() / np.abs(expected).max())


# total, backbone: dwpose.md of the parity data, counted there on the reference implementation
@pytest.mark.parametrize(
    ("size", "input_size", "total", "backbone"),
    [
        ("t", SIZE_256x192, 5_519_779, 2_348_700),
        ("s", SIZE_256x192, 8_383_575, 4_378_320),
        ("m", SIZE_256x192, 17_953_039, 12_279_432),
        ("l", SIZE_256x192, 33_480_871, 26_138_912),
        ("l", SIZE_384x288, 33_610_919, 26_138_912),
        ("x", SIZE_384x288, 56_709_919, 47_569_560),
    ],
)
def test_parameter_count_is_the_reference_s(size: str, input_size: Size, total: int, backbone: int) -> None:
    with torch.device("meta"):
        model = build_rtmpose(size, input_size=input_size)
    assert count_parameters(model) == total
    assert count_parameters(model.backbone) == backbone


# multiply-accumulates as published ("GFLOPs" in the tables of RTMPose and DWPose)
@pytest.mark.parametrize(
    ("size", "input_size", "giga_macs"),
    [
        ("t", SIZE_256x192, 0.552),
        ("s", SIZE_256x192, 0.910),
        ("m", SIZE_256x192, 2.227),
        ("l", SIZE_256x192, 4.528),
        ("l", SIZE_384x288, 10.078),
        ("x", SIZE_384x288, 18.108),
    ],
)
def test_work_is_the_published_one(size: str, input_size: Size, giga_macs: float) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build_rtmpose(size, input_size=input_size)(torch.empty(1, 3, input_size.height, input_size.width))
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga_macs, rel=0.02)


@pytest.mark.shared
@pytest.mark.parametrize("size", SCALES)
def test_state_dict_has_the_reference_s_names_shapes_and_order(size: str, dwpose_oracle: Path) -> None:
    recorded = json.loads((dwpose_oracle / f"keys_{size}.json").read_text())
    input_size = {"256x192": SIZE_256x192, "384x288": SIZE_384x288}[recorded["config"][1]]
    with torch.device("meta"):
        model = build_rtmpose(size, input_size=input_size)
    assert [(name, list(tensor.shape)) for name, tensor in model.state_dict().items()] == [*recorded["shapes"].items()]
    assert count_parameters(model) == recorded["params"]
    assert count_parameters(model.head) == recorded["params_head"]
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.eps for norm in norms} == set(recorded["bn_eps"])
    assert {norm.momentum for norm in norms} == set(recorded["bn_momentum"])


@pytest.mark.shared
@pytest.mark.parametrize(("size", "input_size"), [("t", SIZE_256x192), ("l", SIZE_384x288)])
def test_outputs_are_the_reference_s(
    size: str,
    input_size: Size,
    dwpose_oracle: Path,
    detw: Any,
    load_recorded: Callable[[nn.Module], nn.Module],
) -> None:
    model = build_rtmpose(size, input_size=input_size)
    load_recorded(model).eval()
    image = torch.from_numpy(detw.det_input("x", (2, 3, input_size.height, input_size.width)))
    with torch.inference_mode(), np.load(dwpose_oracle / f"model_{size}.npz") as recorded:
        for name, tensor in zip(("feat", "simcc_x", "simcc_y"), model.forward_with_feature(image), strict=True):
            assert relative_difference(tensor, recorded[name]) < 1e-5, name


@pytest.mark.shared
def test_training_mode_is_the_reference_s(
    dwpose_oracle: Path, detw: Any, load_recorded: Callable[[nn.Module], nn.Module]
) -> None:
    model = build_rtmpose("t")
    load_recorded(model).train()
    simcc_x, simcc_y = model(torch.from_numpy(detw.det_input("train", (4, 3, 256, 192))))
    norms = {name: module for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)}
    with np.load(dwpose_oracle / "train_t.npz") as recorded:
        assert relative_difference(simcc_x[:2], recorded["simcc_x"]) < 1e-5
        assert relative_difference(simcc_y[:2], recorded["simcc_y"]) < 1e-5
        first = norms["backbone.stem.0.bn"]
        assert first.running_mean is not None
        assert first.running_var is not None
        assert relative_difference(first.running_mean, recorded["stem_bn_running_mean"]) < 1e-5
        assert relative_difference(first.running_var, recorded["stem_bn_running_var"]) < 1e-5


@pytest.mark.shared
def test_fresh_head_has_the_reference_s_moments(dwpose_oracle: Path) -> None:
    torch.manual_seed(0)
    head = build_rtmpose("t").head
    recorded = json.loads((dwpose_oracle / "head_init_stats_t.json").read_text())
    assert [*recorded] == [name for name, _ in head.named_parameters()]
    for name, parameter in head.named_parameters():
        moments = recorded[name]
        spread = 5 / parameter.numel() ** 0.5  # five standard errors; exact where the reference is constant
        assert parameter.mean().item() == pytest.approx(moments["mean"], abs=spread * moments["std"] + 1e-8), name
        assert parameter.std(correction=0).item() == pytest.approx(moments["std"], rel=spread), name


def test_fresh_head_starts_small_and_gates_uniform() -> None:
    head = build_tiny().head
    assert head.final_layer.weight.std().item() == pytest.approx(0.001, rel=0.1)
    assert head.final_layer.bias is not None
    assert not head.final_layer.bias.any()
    assert head.cls_x.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert head.gau.uv.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert 0 <= head.gau.gamma.min() < 0.1
    assert 0.9 < head.gau.gamma.max() < 1


@pytest.mark.parametrize("batch", [0, 1, 3])
def test_logits_have_two_bins_per_pixel(batch: int) -> None:
    model = build_tiny().eval()
    feature, simcc_x, simcc_y = model.forward_with_feature(torch.randn(batch, 3, 96, 64))
    assert feature.shape == (batch, 128, 3, 2)
    assert simcc_x.shape == (batch, 5, 128)
    assert simcc_y.shape == (batch, 5, 192)


def test_evaluation_repeats_itself_and_sees_no_neighbours() -> None:
    model, image = build_tiny().eval(), torch.randn(2, 3, 96, 64)
    with torch.inference_mode():
        first, again, alone = model(image), model(image), model(image[1:])
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    for together, single in zip(first, alone, strict=True):
        torch.testing.assert_close(together[1:], single)


def test_backbone_and_head_make_the_whole() -> None:
    model, image = build_tiny().eval(), torch.randn(1, 3, 96, 64)
    with torch.inference_mode():
        whole, parts = model(image), model.head(model.backbone(image))
    assert all(torch.equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_every_parameter_learns() -> None:
    model = build_tiny()
    simcc_x, simcc_y = model(torch.randn(2, 3, 96, 64))
    (simcc_x.square().sum() + simcc_y.square().sum()).backward()
    still = [name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert still == []


def test_scale_norm_divides_by_the_root_mean_square() -> None:
    norm = ScaleNorm(2)
    torch.testing.assert_close(norm(torch.tensor([3.0, 4.0])), torch.tensor([3.0, 4.0]) / 12.5**0.5)
    assert not norm(torch.zeros(2)).any()


def test_gated_attention_without_its_output_is_a_scaled_shortcut() -> None:
    attention, tokens = GatedAttention(), torch.randn(2, 3, 256)
    nn.init.zeros_(attention.o.weight)
    nn.init.constant_(attention.res_scale.scale, 2.0)
    torch.testing.assert_close(attention(tokens), 2 * tokens)


def test_widths_are_truncated_and_depths_at_least_one() -> None:
    backbone = CspNext(deepen=0.1, widen=0.3)
    assert backbone.channels == 307
    depths = [
        sum(name.endswith("conv2.pointwise_conv") for name, _ in stage.named_modules())
        for stage in (backbone.stage1, backbone.stage2, backbone.stage3, backbone.stage4)
    ]
    assert depths == [1, 1, 1, 1]


def test_wrong_crop_is_refused_even_where_its_cells_would_fit() -> None:
    model = build_tiny(Size(width=64, height=64)).eval()
    with pytest.raises(InvalidInput, match=r"\(4, 4\) cells .* this head is for \(2, 2\)"):
        model(torch.randn(1, 3, 128, 128))


def test_odd_input_size_is_refused() -> None:
    with pytest.raises(InvalidInput, match="multiple of 32"):
        build_rtmpose("t", input_size=Size(width=100, height=128))


def test_unknown_size_lists_the_known_ones() -> None:
    with pytest.raises(UnknownChoice, match="size: unknown value 'xl'; valid: t, s, m, l, x"):
        build_rtmpose("xl")


def test_head_stands_alone() -> None:
    head = RtmccHead(channels=16, input_size=Size(width=64, height=32), keypoints=17)
    simcc_x, simcc_y = head(torch.randn(2, 16, 1, 2))
    assert (simcc_x.shape, simcc_y.shape) == ((2, 17, 128), (2, 17, 64))
