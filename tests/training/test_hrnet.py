"""HRNet: the reference's names, and what its branches do."""

from pathlib import Path

import pytest
import torch

from pose_core.errors import InvalidInput
from training.models.hrnet import FusedBranches, HrNet


def named_shapes(text: str) -> list[tuple[str, list[int]]]:
    """Lines of a name and a shape, as the recordings list them."""
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return [(name, [int(length) for length in shape.strip("[]").split(",") if length]) for name, shape in pairs]


@pytest.mark.shared
@pytest.mark.parametrize("stages", [3, 4])
def test_state_dict_has_the_reference_s_names_shapes_and_order(stages: int, shared: Path) -> None:
    text = (shared / "oracles" / "fpd_distilpose" / f"keys_hrnet{stages}_w8.txt").read_text()
    network = HrNet(stages, width=8)
    assert [(name, list(tensor.shape)) for name, tensor in network.state_dict().items()] == named_shapes(text)


@pytest.mark.shared
def test_output_is_the_reference_s(shared: Path) -> None:
    recorded = torch.load(shared / "oracles" / "fpd_distilpose" / "hrnet3_w8.pt", weights_only=True)
    network = HrNet(3, width=8).eval()
    network.load_state_dict(recorded["state_dict_f16"])
    with torch.no_grad():
        found = network(recorded["input"])
    assert (found - recorded["output"]).abs().max() < 1e-4 * recorded["output"].std()


@pytest.mark.parametrize(("stages", "channels"), [(1, 32), (2, 4), (3, 4), (4, 4)])
def test_a_quarter_of_the_crop_leaves(stages: int, channels: int) -> None:
    network = HrNet(stages, width=4, stem=8).eval()
    assert network.channels == channels
    assert network(torch.zeros(2, 3, 64, 32)).shape == (2, channels, 16, 8)
    assert network(torch.zeros(0, 3, 64, 32)).shape == (0, channels, 16, 8)


@pytest.mark.parametrize("stages", [0, 5])
def test_other_numbers_of_stages_are_refused(stages: int) -> None:
    with pytest.raises(InvalidInput, match=f"stages: {stages} is not between 1 and 4"):
        HrNet(stages)


def test_a_smaller_network_is_the_beginning_of_a_larger_one() -> None:
    three, four = (HrNet(stages, width=4, stem=8).state_dict() for stages in (3, 4))
    assert three.keys() < four.keys()
    assert all(four[name].shape == tensor.shape for name, tensor in three.items())


def test_branches_see_each_other() -> None:
    torch.manual_seed(0)
    fused = FusedBranches([4, 8, 16], outputs=2).eval()
    maps = [torch.rand(1, 4 * 2**branch, 16 // 2**branch, 16 // 2**branch, requires_grad=True) for branch in range(3)]
    found = fused(maps)
    assert [map_BCHW.shape for map_BCHW in found] == [(1, 4, 16, 16), (1, 8, 8, 8)]
    for map_BCHW in found:
        for gradient in torch.autograd.grad(map_BCHW.sum(), maps, retain_graph=True):
            assert gradient.abs().sum() > 0


def test_starting_values_are_the_reference_s() -> None:
    torch.manual_seed(0)
    network = HrNet(3, width=16)
    for name, tensor in network.state_dict().items():
        if tensor.ndim == 4:
            assert tensor.std().item() == pytest.approx(0.001, rel=0.2), name
        elif name.endswith(("weight", "running_var")):
            assert torch.equal(tensor, torch.ones_like(tensor)), name
