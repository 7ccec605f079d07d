"""Models come from a hub by one command, safetensors only, and are loaded from its cache by their ids."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import orjson
import pytest

from app.generation.generator import Generator
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.service import PoseService
from pose_core.errors import WeightsMissing
from tests.app.generation.conftest import Make, Recorder, ask
from tests.app.generation.tiny_hub import serve_hub
from tests.app.scenery import read_png

TABLE = """
[portrait]
family = "sd15"
base = "nobody/base"
controlnet = "nobody/pose"
"""


@pytest.fixture
def repositories(own_model: Path, tmp_path: Path) -> Path:
    """A base and a ControlNet as two repositories, with pickles and other files that nobody needs."""
    root = tmp_path / "repositories"
    shutil.copytree(own_model, root / "nobody" / "base")
    (root / "nobody" / "base" / "controlnet").rename(root / "nobody" / "pose")
    index = root / "nobody" / "base" / "model_index.json"
    document = json.loads(index.read_text())
    del document["controlnet"]
    index.write_text(json.dumps({**document, "_class_name": "StableDiffusionPipeline"}))
    for surplus in (
        "base/unet/diffusion_pytorch_model.bin",
        "base/everything.ckpt",
        "pose/diffusion_pytorch_model.bin",
    ):
        (root / "nobody" / surplus).write_bytes(b"\x80\x04")
    return root


def pull(table: Path, endpoint: str, home: Path) -> subprocess.CompletedProcess[str]:
    """`skelmap models pull portrait` with an own cache."""
    code = "from app.commands import main; main()"
    variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "SKELMAP_GENERATION_MODELS": str(table)}
    arguments = [sys.executable, "-c", code, "models", "pull", "portrait"]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, env={**os.environ, **variables})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table with one model, `portrait`, of two repositories."""
    path = tmp_path / "models.toml"
    path.write_text(TABLE)
    return path


@pytest.mark.slow
def test_pulled_models_make_the_same_pictures_without_the_hub(
    repositories: Path, table: Path, service: PoseService, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, plain = table.parent / "hub", make(model="sd15")
    source = Source("pose", orjson.dumps(plain.pose))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "hub"))
    generator = Generator(GenerationSettings(models=table, device="cpu"), service)
    with pytest.raises(WeightsMissing, match="skelmap models pull portrait"):
        generator.check(ask(model="portrait"), source)
    with serve_hub(repositories) as endpoint:
        pulled = pull(table, endpoint, home)
    assert pulled.returncode == 0, pulled.stderr
    assert pulled.stdout.startswith("portrait: ")
    assert not [path for path in home.rglob("*") if path.suffix in {".bin", ".ckpt"}]
    picture = generator.generate(ask(model="portrait"), source, Recorder()).images[0]
    generator.close()
    assert np.array_equal(read_png(picture), read_png(plain.images[0]))
