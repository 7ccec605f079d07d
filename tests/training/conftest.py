"""Fixtures of the training tests: parity data beside the checkout, and weights that give outputs of ordinary size."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

SHARED = Path(__file__).parents[2].parent / "shared"

StateDict = dict[str, torch.Tensor]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Tiny networks gain nothing from more, and lose much where several tests share the cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of parity data; a test that asks for it is skipped where there is none."""
    if not SHARED.is_dir():
        pytest.skip(f"no parity data at {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def dwpose_oracle(shared: Path) -> Path:
    """Numbers recorded from the reference implementation; its README explains each file."""
    return shared / "oracles" / "dwpose"


@pytest.fixture(scope="session")
def detw(dwpose_oracle: Path) -> Any:
    """The module that makes the recordings' weights and inputs from names."""
    spec = importlib.util.spec_from_file_location("detw", dwpose_oracle / "detw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def load_recorded(detw: Any) -> Callable[[nn.Module], nn.Module]:
    """Give a network the recordings' weights of seed 0."""

    def load(network: nn.Module) -> nn.Module:
        shapes: Mapping[str, tuple[int, ...]] = {key: tuple(t.shape) for key, t in network.state_dict().items()}
        state: StateDict = {key: torch.from_numpy(array) for key, array in detw.det_state_dict(shapes, 0).items()}
        network.load_state_dict(state)
        return network

    return load


@pytest.fixture
def randomise() -> Callable[[nn.Module], None]:
    """Give a network weights that keep the size of what passes through, instead of a fresh head's near-zeros."""

    def fill(network: nn.Module) -> None:
        generator = torch.Generator().manual_seed(1)
        for name, tensor in network.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 1.5, generator=generator)
            elif tensor.ndim > 1:
                tensor.normal_(std=(2 / tensor[0].numel()) ** 0.5, generator=generator)
            elif name.endswith(("bias", "running_mean")):
                tensor.normal_(std=0.1, generator=generator)

    return fill
