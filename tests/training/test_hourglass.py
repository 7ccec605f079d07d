"""The stacked hourglass: numbers of parameters, the released network's outputs and names, and what it refuses."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.session import open_session
from pose_core.types import Size
from tests.training import tiny
from training.export import export_onnx
from training.models.hourglass import Residual, Stem, build_hourglass
from training.upstream import load_upstream

COUNTS: dict[tuple[int, int, Stem], int] = {
    (8, 256, "scaled"): 25_594_624,
    (8, 256, "original"): 25_434_112,
    (4, 256, "scaled"): 13_018_816,
    (4, 256, "original"): 12_858_304,
    (8, 128, "scaled"): 6_462_912,
    (8, 128, "original"): 6_507_008,
    (4, 128, "scaled"): 3_287_936,
    (4, 128, "original"): 3_332_032,
    (2, 128, "scaled"): 1_700_448,
    (2, 128, "original"): 1_744_544,
    (4, 64, "scaled"): 838_624,
    (4, 64, "original"): 949_888,
}
"""Stacks, width and stem -> parameters with 16 points."""


@pytest.mark.parametrize("shape", COUNTS)
def test_parameters_are_as_many_as_published(shape: tuple[int, int, Stem]) -> None:
    stacks, channels, stem = shape
    with torch.device("meta"):
        network = build_hourglass(stacks, channels, stem=stem)
    assert sum(parameter.numel() for parameter in network.parameters()) == COUNTS[shape]


@pytest.mark.shared
def test_names_and_shapes_are_the_released_ones(shared: Path) -> None:
    listed = (shared / "oracles" / "fpd_distilpose" / "keys_fpd_student_s4_c128.txt").read_text().splitlines()
    with torch.device("meta"):
        state = build_hourglass(4, 128).state_dict()
    assert [f"{name} {list(tensor.shape)}" for name, tensor in state.items()] == listed


@pytest.mark.shared
def test_outputs_are_those_of_the_released_network(shared: Path) -> None:
    recorded = torch.load(shared / "oracles" / "fpd_distilpose" / "fpd_student_s2_c128.pt", weights_only=True)
    network = build_hourglass(2, 128).eval()
    network.load_state_dict(recorded["state_dict_f16"])
    with torch.no_grad():
        stacks = network.forward_stacks(recorded["input"])
        (last,) = network(recorded["input"])
    for maps, wanted in zip(stacks, recorded["outputs"], strict=True):
        torch.testing.assert_close(maps, wanted, rtol=0, atol=1e-4 * wanted.std().item())
    assert torch.equal(last, stacks[-1])


def test_a_checkpoint_with_the_released_names_is_loaded(tmp_path: Path) -> None:
    released, network = (tiny.build_hourglass(seed) for seed in (1, 2))
    torch.save(released.state_dict(), tmp_path / "final_state.pth")
    load_upstream(network, tmp_path / "final_state.pth", kind=None)
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in released.state_dict().items())


def test_a_unit_is_the_identity_where_its_last_convolution_is_zero() -> None:
    unit = Residual(8, 8).eval()
    assert unit.conv3.bias is not None
    nn.init.zeros_(unit.conv3.weight)
    nn.init.zeros_(unit.conv3.bias)
    x = torch.randn(1, 8, 4, 4)
    assert torch.equal(unit(x), x), "also where the input is negative"
    assert Residual(8, 4)(x).shape == (1, 4, 4, 4)


def test_maps_have_a_quarter_of_the_resolution_and_one_per_point_and_stack() -> None:
    network = build_hourglass(3, 16, input_size=Size(64, 128), keypoints=5)
    stacks = network.forward_stacks(torch.randn(2, 3, 128, 64))
    assert [tuple(maps.shape) for maps in stacks] == [(2, 5, 32, 16)] * 3


def test_a_later_stack_sees_what_the_one_before_said() -> None:
    torch.manual_seed(0)
    network = build_hourglass(2, 16, input_size=Size(64, 64), keypoints=2).eval()
    image = torch.randn(1, 3, 64, 64)
    first, second = network.forward_stacks(image)
    nn.init.constant_(network.get_parameter("score.0.bias"), 1.0)
    changed_first, changed_second = network.forward_stacks(image)
    assert not torch.equal(first, changed_first)
    assert not torch.equal(second, changed_second)


def test_shapes_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"input_size: .*96.* is not a multiple of 64 pixels"):
        build_hourglass(1, 16, input_size=Size(64, 96))
    with pytest.raises(UnknownChoice, match="stem: unknown value 'wide'; valid: scaled, original"):
        build_hourglass(1, 16, stem="wide")  # type: ignore[arg-type]


def test_an_exported_file_says_the_last_maps(tmp_path: Path) -> None:
    network = tiny.build_hourglass()
    report = export_onnx(network, tmp_path / "tiny.onnx")
    assert report.errors["heatmaps"] < 1e-4
    image = torch.randn(3, 3, tiny.SQUARE.height, tiny.SQUARE.width)
    with torch.no_grad():
        (wanted,) = network.eval()(image)
    found = open_session(report.path, "cpu").run(image.numpy())
    np.testing.assert_allclose(found["heatmaps"], wanted, atol=1e-4)
