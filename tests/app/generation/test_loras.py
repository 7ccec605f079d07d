"""LoRAs of the server's folder: by name, with a weight, and gone afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("peft", reason="needs the extra controlnet")

import torch
from safetensors.torch import save_file

from app.generation.folders import recognise
from app.generation.generator import Generator
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.service import PoseService
from pose_core.errors import ModelError, UnknownChoice
from tests.app.generation.conftest import Recorder, ask

QUERY = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
"""A layer of the tiny UNet, 16 x 16."""


@pytest.fixture
def lora_generator(tiny_models: Path, service: PoseService, tmp_path: Path) -> Iterator[Generator]:
    """Stable Diffusion 1.5 with the LoRAs `ink.v1` and `chalk`."""
    torch.manual_seed(0)
    for name in ("ink.v1", "chalk"):
        layers = {f"{QUERY}.lora_A.weight": torch.randn(4, 16), f"{QUERY}.lora_B.weight": torch.randn(16, 4)}
        save_file(layers, tmp_path / f"{name}.safetensors")
    settings = GenerationSettings(device="cpu", loras=tmp_path)
    generator = Generator(settings, service, {"own": recognise(tiny_models / "sd15")})
    yield generator
    generator.close()


def test_loras_work_by_their_weights_and_leave_no_trace(lora_generator: Generator, photo_source: Source) -> None:
    def picture(loras: str) -> bytes:
        return lora_generator.generate(ask(loras=loras), photo_source, Recorder()).images[0]

    plain = picture("")
    drawn = {loras: picture(loras) for loras in ("ink.v1", "ink.v1:0.5", "chalk", "ink.v1,chalk:0.5")}
    pixels = {png[png.index(b"IDAT") :] for png in (plain, *drawn.values())}  # behind the texts, which differ anyway
    assert len(pixels) == 5
    assert picture("") == plain


def test_only_names_of_the_folder_can_be_asked_for(lora_generator: Generator, photo_source: Source) -> None:
    with pytest.raises(UnknownChoice, match=r"loras: unknown value 'oil'; valid: chalk, ink.v1"):
        lora_generator.check(ask(loras="oil"), photo_source)


def test_a_lora_that_does_not_fit_is_a_clear_error(
    lora_generator: Generator, photo_source: Source, tmp_path: Path
) -> None:
    (tmp_path / "broken.safetensors").write_bytes(b"no weights")
    save_file(
        {f"{QUERY}.lora_A.weight": torch.ones(4, 8), f"{QUERY}.lora_B.weight": torch.ones(16, 4)},
        tmp_path / "wide.safetensors",
    )
    save_file(
        {"unet.nowhere.lora_A.weight": torch.ones(4, 8), "unet.nowhere.lora_B.weight": torch.ones(8, 4)},
        tmp_path / "alien.safetensors",
    )
    before = lora_generator.generate(ask(), photo_source, Recorder()).images
    for name, says in (
        ("broken", "broken.safetensors is cut off"),
        ("wide", "LoRA wide does not fit"),
        ("alien", "LoRA alien does not fit"),
    ):
        with pytest.raises(ModelError, match=says):
            lora_generator.generate(ask(loras=f"chalk,{name}"), photo_source, Recorder())
    assert lora_generator.generate(ask(), photo_source, Recorder()).images == before
