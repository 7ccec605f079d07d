"""The table of networks."""

import pytest
import torch

from pose_core.types import Size
from training.models import MODELS


@pytest.mark.parametrize("name", MODELS)
def test_every_network_builds_and_reads_its_input(name: str) -> None:
    with torch.device("meta"):
        model = MODELS[name]().eval()
        outputs = model(torch.empty(1, 3, model.input_size.height, model.input_size.width))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    assert len(outputs) == len(model.onnx_outputs)
    assert all(output.shape[0] == 1 and output.ndim == 3 for output in outputs)


def test_options_reach_the_network() -> None:
    model = MODELS["rtmpose-t"](input_size=Size(width=64, height=64), keypoints=17)
    assert model.input_size == Size(width=64, height=64)
    assert model.state_dict()["head.final_layer.bias"].shape == (17,)
