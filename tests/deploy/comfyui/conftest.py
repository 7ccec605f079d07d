"""ComfyUI, old and new, with the pack in it, and the server of `tests/app/scenery.py` that the pack talks to."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import Networks, write_networks
from tests.deploy.comfyui.host import Host, running
from tests.deploy.comfyui.live import Front, listening


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """The tiny networks."""
    return write_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture(scope="session", autouse=True)
def _own_environment(networks: Networks) -> Iterator[None]:
    """Neither the settings nor the weights of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("SKELMAP_", "POSE_", "HF_")):
                patch.delenv(name)
        patch.setenv("SKELMAP_HOME", str(networks.home))
        patch.setenv("HF_HOME", str(networks.home))
        yield


@pytest.fixture(scope="session")
def listening_front(networks: Networks) -> Iterator[Front]:
    """The one server of all tests."""
    with listening(Settings(estimator=str(networks.estimator), detector=str(networks.detector))) as front:
        yield front


@pytest.fixture
def front(listening_front: Front, monkeypatch: pytest.MonkeyPatch) -> Front:
    """The server with nothing in the way, and its URL in the environment."""
    listening_front.reset()
    monkeypatch.setenv("POSE_SERVER_URL", listening_front.url)
    return listening_front


@pytest.fixture(params=["V1", "V3"])
def schema(request: pytest.FixtureRequest) -> str:
    """How old ComfyUI is."""
    name: str = request.param
    return name


@pytest.fixture
def host(schema: str, tmp_path: Path) -> Iterator[Host]:
    """ComfyUI with the pack."""
    with running(schema, tmp_path) as host:
        yield host


@pytest.fixture(scope="session")
def image(photo: Image) -> torch.Tensor:
    """The drawn photo as ComfyUI's IMAGE, a batch of one."""
    return torch.from_numpy(photo.astype(np.float32) / 255)[None]
