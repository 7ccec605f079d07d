"""TokenPose and DistilPose: the reference's sizes and outputs, and where tokens come from and go to."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size
from tests.training import tiny
from training.models.distilpose import DistilPose, build_distilpose
from training.models.token_encoder import Encoding, TokenEncoder, cut_patches, sine_table
from training.models.tokenpose import TokenPose, build_tokenpose
from training.upstream import require_match, select_weights

BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "distilpose_S": lambda: build_distilpose("s"),
    "distilpose_L": lambda: build_distilpose("l"),
    "tokenpose_S_teacher (DistilPose repo)": lambda: build_tokenpose("s"),
    "tokenpose_hrw48_teacher (DistilPose repo)": lambda: build_tokenpose("w48"),
}
"""Name in the recorded counts -> our network."""


@pytest.fixture
def recordings(shared: Path) -> Path:
    return shared / "oracles" / "fpd_distilpose"


def relative_error(found: torch.Tensor, recorded: torch.Tensor) -> float:
    return float((found - recorded).abs().max() / recorded.std())


# as published: 5.36, 21.27, 6.6 and 69.41 million; multiply-adds of convolutions, layers and attention
@pytest.mark.parametrize(
    ("name", "parameters", "giga_macs"),
    [
        ("distilpose_S", 5_364_101, 2.7048),
        ("distilpose_L", 21_265_637, 10.612),
        ("tokenpose_S_teacher (DistilPose repo)", 6_620_736, 2.7261),
        ("tokenpose_hrw48_teacher (DistilPose repo)", 69_411_360, 17.29),
    ],
)
def test_size_and_work_are_the_published_ones(name: str, parameters: int, giga_macs: float) -> None:
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        network = BUILDERS[name]()
        network(torch.empty(1, 3, 256, 192))
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga_macs, abs=5e-5)


@pytest.mark.shared
@pytest.mark.parametrize("name", BUILDERS)
def test_size_is_the_recorded_one(name: str, recordings: Path) -> None:
    recorded = json.loads((recordings / "counts.json").read_text())[name]
    with torch.device("meta"):
        network = BUILDERS[name]()
    assert sum(parameter.numel() for parameter in network.parameters()) == recorded["trainable_params"]


def load_recorded(network: nn.Module, file: dict[str, Any]) -> None:
    state = select_weights(file["state_dict_f16"], "tokens")
    require_match(state, network.state_dict(), "the recording")
    network.load_state_dict(state)


@pytest.mark.shared
def test_outputs_of_the_student_are_the_reference_s(recordings: Path) -> None:
    file = torch.load(recordings / "distilpose_s.pt", weights_only=True)
    network = build_distilpose("s").eval()
    load_recorded(network, file)
    with torch.no_grad():
        points, tokens = network.forward_with_tokens(file["input"])
        mirrored, _ = network.forward_with_tokens(file["input"].flip(3))
    found = {
        "pred": points.mu_BK2,
        "score": points.score_BK1,
        "sigma": points.sigma_BK2,
        "kpt_token": tokens.keypoint_BKD,
        "vis_token": tokens.visual_BLD,
    }
    for name, tensor in found.items():
        assert relative_error(tensor, file["outputs"][name]) < 1e-4, name
    for name, tensor in (("pred", mirrored.mu_BK2), ("score", mirrored.score_BK1), ("sigma", mirrored.sigma_BK2)):
        assert relative_error(tensor, file["outputs_flipped_input"][name]) < 1e-4, name


@pytest.mark.shared
def test_maps_of_the_teacher_are_the_reference_s(recordings: Path) -> None:
    file = torch.load(recordings / "tokenpose_s_head.pt", weights_only=True)
    mlp = build_tokenpose("s").head.mlp
    state = select_weights(file["state_dict_f16"], "tokens")
    mlp.load_state_dict({name.removeprefix("head.mlp."): tensor for name, tensor in state.items()})
    with torch.no_grad():
        found = mlp(file["kpt_token"]).unflatten(2, (64, 48))
    assert relative_error(found, file["pred"]) < 1e-4


@pytest.mark.shared
@pytest.mark.parametrize(
    ("file", "build"), [("distilpose_s", build_distilpose), ("tokenpose_s_teacher", build_tokenpose)]
)
def test_every_published_name_is_known(file: str, build: Callable[[str], nn.Module], recordings: Path) -> None:
    lines = [line.split(" ", 1) for line in (recordings / f"keys_{file}.txt").read_text().splitlines()]
    published = {name: torch.empty(json.loads(shape), device="meta") for name, shape in lines}
    with torch.device("meta"):
        wanted = build("s").state_dict()
    require_match(select_weights(published, "tokens"), wanted, file)


def test_positions_are_sines_and_cosines_of_rows_and_columns() -> None:
    table = sine_table(2, 3, 8)
    assert table.shape == (6, 8)
    row, column = 2 * math.pi * 1 / 2, 2 * math.pi * 3 / 3  # the third token: first row, last column
    slower = 10000 ** (2 / 4)
    expected = [f(angle / factor) for angle in (row, column) for factor in (1, slower) for f in (math.sin, math.cos)]
    torch.testing.assert_close(table[2], torch.tensor(expected), rtol=0, atol=1e-5)


def test_a_patch_is_ordered_by_row_column_and_channel() -> None:
    feature = torch.arange(2 * 8 * 6).float().view(1, 2, 8, 6)  # two channels of 2 x 2 patches
    patches = cut_patches(feature)
    assert patches.shape == (1, 4, 4 * 3 * 2)
    assert patches[0, 0, :8].tolist() == [0, 48, 1, 49, 2, 50, 6, 54]
    assert patches[0, 1, :2].tolist() == [3, 51], "the second patch is to the right of the first"
    assert patches[0, 2, :2].tolist() == [24, 72]


def test_one_pixel_moves_one_token_at_first() -> None:
    """Before the first layer; what attention makes of it reaches all tokens."""
    encoder = tiny.build_tokenpose().head.encoder
    feature = torch.zeros(1, tiny.TOKEN_SCALE.stem * 4, *tiny.TOKEN_CELLS)
    changed = feature.clone()
    changed[0, 1, 5, 4] = 1  # second row and second column of patches
    difference = (encoder.patch_to_token(cut_patches(changed)) - encoder.patch_to_token(cut_patches(feature))).abs()
    assert difference.sum(dim=2).nonzero().tolist() == [[0, 1 * (tiny.TOKEN_CELLS[1] // 3) + 1]]
    before, after = encoder(feature), encoder(changed)
    assert ((before.visual_BLD - after.visual_BLD).abs().sum(dim=2) > 0).all()
    assert ((before.keypoint_BKD - after.keypoint_BKD).abs().sum(dim=2) > 0).all()


def test_positions_are_added_before_every_layer_and_to_visual_tokens_only() -> None:
    encoder = TokenEncoder(2, (4, 6), Encoding(width=8, layers=3, heads=2, keypoints=5))
    for name, parameter in encoder.named_parameters():
        if name.startswith("patch_to_token.") or ".out." in name or ".mlp.2." in name:
            nn.init.zeros_(parameter)  # no token says anything, and no layer changes one
    tokens = encoder(torch.zeros(1, 2, 4, 6))
    torch.testing.assert_close(tokens.visual_BLD[0], 3 * encoder.position_LD)
    torch.testing.assert_close(tokens.keypoint_BKD, encoder.keypoint_token)


def test_points_are_inside_and_widths_positive() -> None:
    network = tiny.build_distilpose().eval()
    nn.init.normal_(network.head.mlp.get_parameter("1.weight"), std=50.0)
    points, _ = network.forward_with_tokens(torch.randn(2, 3, tiny.TOKEN_SIZE.height, tiny.TOKEN_SIZE.width))
    assert (points.mu_BK2 >= 0).all()
    assert (points.mu_BK2 <= 1).all()
    assert (points.sigma_BK2 >= 0).all()
    assert points.score_BK1.abs().max() > 1, "scores are raw"


def test_points_are_exact_under_autocast() -> None:
    """Numbers of bfloat16 between 0.5 and 1 are 1 / 256 apart, which is a pixel of a crop of 256."""
    network = tiny.build_distilpose().eval()
    bias = network.head.mlp.get_parameter("1.bias")
    nn.init.constant_(bias, 1.0)
    crops = torch.randn(2, 3, tiny.TOKEN_SIZE.height, tiny.TOKEN_SIZE.width)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        before, _ = network.forward_with_tokens(crops)
        bias.add_(1e-3)
        after, _ = network.forward_with_tokens(crops)
    assert {numbers.dtype for numbers in after} == {torch.float32}
    assert (before.mu_BK2 > 0.5).all()
    moved = after.mu_BK2 - before.mu_BK2
    torch.testing.assert_close(moved, 1e-3 * before.mu_BK2 * (1 - before.mu_BK2), rtol=1e-2, atol=0)


def test_a_fixed_score_is_the_score_of_everything() -> None:
    network = tiny.build_distilpose().eval()
    network.head.fix_score(0.5)
    fractions, scores = network(torch.randn(2, 3, tiny.TOKEN_SIZE.height, tiny.TOKEN_SIZE.width))
    assert torch.equal(scores, torch.full((2, tiny.POINTS, 1), 0.5))
    assert len(fractions.unique()) > 2


@pytest.mark.parametrize("network", [tiny.build_tokenpose(), tiny.build_distilpose()])
def test_nobody(network: TokenPose | DistilPose) -> None:
    outputs = network.eval()(torch.zeros(0, 3, tiny.TOKEN_SIZE.height, tiny.TOKEN_SIZE.width))
    assert all(output.shape[:2] == (0, tiny.POINTS) for output in outputs)


def test_sizes_that_cannot_be_cut_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"input_size: .* is not a multiple of 4 pixels"):
        build_tokenpose("s", input_size=Size(width=190, height=256))
    with pytest.raises(InvalidInput, match=r"cells: \(64, 47\) cells .* cannot be cut into patches of \(4, 3\)"):
        build_distilpose("s", input_size=Size(width=188, height=256))
    with pytest.raises(InvalidInput, match="width: 20 is not a multiple of 4 and of 3 heads"):
        TokenEncoder(1, (4, 3), Encoding(width=20, heads=3))
    with pytest.raises(UnknownChoice, match="size: unknown value 'm'; valid: "):
        build_distilpose("m")
