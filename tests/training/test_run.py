"""How a run is carried out."""

import torch

from training.run import Settings

CPU, GPU = torch.device("cpu"), torch.device("cuda")


def test_half_precision_is_for_who_asks_and_for_accelerators() -> None:
    assert [Settings(precision="bfloat16").half_on(device) for device in (CPU, GPU)] == [True, True]
    assert [Settings(precision="float32").half_on(device) for device in (CPU, GPU)] == [False, False]
    assert [Settings(precision="auto").half_on(device) for device in (CPU, GPU)] == [False, True]
