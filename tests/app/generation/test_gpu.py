"""What only a CUDA device can show, on the tiny pipelines."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra controlnet")

import torch

from app.generation.failures import OutOfMemory
from app.generation.families import FAMILIES
from app.generation.folders import recognise
from app.generation.generator import Generator
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.service import PoseService
from tests.app.generation.conftest import Make, Recorder, ask
from tests.app.scenery import read_png

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def on_gpu(service: PoseService, folder: Path, **settings: Any) -> Generator:
    """A generator on the GPU with the pipeline in a folder."""
    return Generator(GenerationSettings(device="cuda", **settings), service, {"own": recognise(folder)})


@pytest.mark.parametrize("offload", ["none", "model", "sequential"])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_gpu_makes_the_picture_of_the_cpu(
    family: str, offload: str, service: PoseService, tiny_models: Path, make: Make
) -> None:
    source = Source("map", make(model=family).map)
    expected = read_png(make(source, model=family).images[0]).astype(int)
    generator = on_gpu(service, tiny_models / family, precision="float32", offload=offload)
    for _ in range(2):
        made = read_png(generator.generate(ask(), source, Recorder()).images[0])
        assert np.abs(made - expected).mean() < 2
    generator.close()


@pytest.mark.parametrize("offload", ["none", "model"])
def test_pictures_with_and_without_an_init_image_take_turns(
    offload: str, service: PoseService, tiny_models: Path, make: Make, png: bytes
) -> None:
    drawn = make().map
    generator = on_gpu(service, tiny_models / "sdxl", offload=offload)
    plain = [generator.generate(ask(), Source("map", drawn), Recorder()).images for _ in range(2)]
    changed = generator.generate(ask(), Source("map", drawn, init_image=png), Recorder()).images
    plain.append(generator.generate(ask(), Source("map", drawn), Recorder()).images)
    assert plain[0] == plain[1] == plain[2] != changed
    generator.close()


def test_the_gpus_memory_runs_out_and_is_given_back(service: PoseService, tiny_models: Path, make: Make) -> None:
    source = Source("map", make().map)
    generator = on_gpu(service, tiny_models / "sd15")
    generator.generate(ask(), source, Recorder())
    loaded = generator._loaded
    assert loaded is not None
    loaded.pipeline.unet.register_forward_hook(lambda *_: torch.empty(2**45, dtype=torch.uint8, device="cuda"))
    del loaded
    held = torch.cuda.memory_allocated()
    with pytest.raises(OutOfMemory, match="not enough memory for own at 64x64"):
        generator.generate(ask(), source, Recorder())
    assert torch.cuda.memory_allocated() < held
    assert generator.generate(ask(), source, Recorder()).images
    generator.close()
