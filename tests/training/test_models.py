"""The table of networks."""

import pytest
import torch
from torch import Tensor

from pose_core.types import Size
from training.models import MODELS
from training.models.cspnext import ChannelAttention
from training.models.rtmcc_head import ScaleNorm


@pytest.mark.parametrize("name", MODELS)
def test_every_network_builds_and_reads_its_input(name: str) -> None:
    with torch.device("meta"):
        model = MODELS[name]().eval()
        outputs = model(torch.empty(1, 3, model.input_size.height, model.input_size.width))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    axes = {"heatmaps": 4}
    assert [output.ndim for output in outputs] == [axes.get(name, 3) for name in model.onnx_outputs]
    assert all(output.shape[0] == 1 for output in outputs)


def test_options_reach_the_network() -> None:
    model = MODELS["rtmpose-t"](input_size=Size(width=64, height=64), keypoints=17)
    assert model.input_size == Size(width=64, height=64)
    assert model.state_dict()["head.final_layer.bias"].shape == (17,)


def test_sums_over_many_numbers_are_exact_under_autocast() -> None:
    torch.manual_seed(0)
    attention, norm = ChannelAttention(4), ScaleNorm(768)
    seen: list[Tensor] = []
    attention.fc.register_forward_pre_hook(lambda _layer, inputs: seen.append(inputs[0]))
    map_BCHW, token_BD = (torch.rand(shape).bfloat16() + 100 for shape in ((2, 4, 64, 64), (3, 768)))
    with torch.autocast("cpu", torch.bfloat16):
        attention(map_BCHW)
        normed_BD = norm(token_BD)
    assert torch.equal(seen[0], map_BCHW.float().mean(dim=(2, 3), keepdim=True))
    rms_B1 = token_BD.float().square().mean(dim=-1, keepdim=True).sqrt()
    torch.testing.assert_close(normed_BD, token_BD.float() / rms_B1, rtol=1e-5, atol=0)
