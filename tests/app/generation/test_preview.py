"""Previews: colours from latents by a map fitted to the model's own autoencoder."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("diffusers", reason="needs the extra controlnet")

import torch

from app.generation.families import FAMILIES, flux
from app.generation.folders import recognise
from app.generation.loading import load_model
from app.generation.preview import Preview, colour_chart
from app.generation.settings import GenerationSettings
from pose_core.types import Size
from tests.app.scenery import read_png


def test_the_chart_shows_64_colours() -> None:
    chart = colour_chart(8)
    assert chart.shape == (256, 256, 3)
    assert len(np.unique(chart.reshape(-1, 3), axis=0)) == 64


@torch.inference_mode()
def test_what_the_autoencoder_keeps_of_a_picture_comes_back(tiny_models: Path) -> None:
    loaded = load_model("own", recognise(tiny_models / "sd15"), GenerationSettings(device="cpu"))
    halves = np.zeros((64, 64, 3), np.float32)
    halves[:, 32:] = 1
    encoded = loaded.pipeline.vae.encode(torch.from_numpy(2 * halves - 1).permute(2, 0, 1)[None])
    latents = encoded.latent_dist.mode() * loaded.pipeline.vae.config.scaling_factor
    drawn = read_png(loaded.preview.draw(latents, Size(64, 64), loaded.family)).astype(int)
    assert drawn[:, 200:].mean() > drawn[:, :56].mean() + 30


def test_the_tokens_of_flux_are_put_in_their_places() -> None:
    picture = np.arange(2 * 4 * 6, dtype=np.float32).reshape(2, 4, 6)
    tokens = picture.reshape(2, 2, 2, 3, 2).transpose(1, 3, 0, 2, 4).reshape(6, 8)
    assert np.array_equal(flux.unpack(tokens, Size(48, 32), 8), picture)


def test_numbers_that_are_no_numbers_are_drawn_black() -> None:
    preview = Preview(np.ones((5, 3)), 8)
    drawn = read_png(preview.draw(torch.full((1, 4, 2, 2), torch.nan), Size(16, 16), FAMILIES["sd15"]))
    assert drawn.shape == (256, 256, 3)
    assert not drawn.any()
