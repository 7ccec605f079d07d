"""A trained network for crops of another size."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pose_core.errors import ModelError
from pose_core.types import Size
from tests.training import tiny
from training.assemble import build_network
from training.models import MODELS
from training.models.resize import BINS_X, BINS_Y, CELLS, SIZED, resample, resize_weights
from training.models.rtmpose import RtmPose
from training.recipe import Network

DOUBLE = Size(tiny.SIZE.width * 2, tiny.SIZE.height * 2)


def test_the_same_size_is_the_same_network() -> None:
    state = tiny.build_student().state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in resize_weights(state, tiny.SIZE).items())


def test_a_network_of_that_size_takes_the_tensors() -> None:
    state = tiny.build_student().state_dict()
    network = RtmPose(tiny.SCALE, DOUBLE, tiny.POINTS)
    network.load_state_dict(resize_weights(state, DOUBLE), strict=True)
    changed = {name for name, tensor in network.state_dict().items() if tensor.shape != state[name].shape}
    assert changed == SIZED


def test_a_value_stays_at_its_place() -> None:
    """Crops begin at 0 whatever their size: what was at 3 of 8 is at 6 of 16, and between values are their means."""
    ramp = torch.arange(8.0)[None]
    assert resample(ramp, 16, dim=1).tolist()[0][:14] == [number / 2 for number in range(14)]
    assert resample(ramp, 16, dim=1).tolist()[0][14:] == [7.0, 7.0]
    assert resample(ramp, 4, dim=1).tolist() == [[0.0, 2.0, 4.0, 6.0]]
    assert torch.equal(resample(ramp, 8, dim=1), ramp)


def test_a_flat_map_gives_the_same_tokens() -> None:
    state = tiny.build_student().state_dict()
    even = {**state, CELLS: torch.ones_like(state[CELLS])}
    for size in (DOUBLE, Size(96, 160), Size(32, 32)):
        torch.testing.assert_close(resize_weights(even, size)[CELLS].sum(dim=1), even[CELLS].sum(dim=1))


def test_a_token_points_to_the_same_place() -> None:
    state = tiny.build_student().state_dict()
    resized = resize_weights(state, DOUBLE)
    token = torch.randn(256, generator=torch.Generator().manual_seed(1))
    for name in (BINS_X, BINS_Y):
        torch.testing.assert_close((resized[name] @ token)[::2], state[name] @ token)


def test_recipes_start_from_resized_weights(tmp_path: Path) -> None:
    small, large = Size(64, 64), Size(128, 128)
    trained = MODELS["rtmpose-t"](input_size=small)
    save_file(trained.state_dict(), tmp_path / "w.safetensors")
    wanted = Network(model="rtmpose-t", weights="w.safetensors", load="resized")
    built = build_network(wanted, large, tmp_path)
    assert built.input_size == large
    assert torch.equal(
        built.state_dict()["backbone.stem.0.conv.weight"], trained.state_dict()["backbone.stem.0.conv.weight"]
    )
    with pytest.raises(ModelError, match="does not fit the network"):
        build_network(Network(model="rtmpose-s", weights="w.safetensors", load="resized"), large, tmp_path)


def test_a_network_may_see_a_size_of_its_own(tmp_path: Path) -> None:
    own = Size(64, 64)
    assert build_network(Network(model="rtmpose-t", input_size=own), Size(128, 128), tmp_path).input_size == own
