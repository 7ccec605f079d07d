"""FLUX.1 with a ControlNet that has no modes, such as Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro-2.0."""

import numpy as np
from jaxtyping import Float32

from app.generation.families.family import Family, Latents
from app.generation.schedulers import FLOW
from pose_core.types import Size


def unpack(tokens: Float32[np.ndarray, "tokens values"], size: Size, pixels: int) -> Latents:
    """Tokens of 2 x 2 latents, row by row; a token holds each channel's upper two, then its lower two."""
    rows, columns = size.height // pixels // 2, size.width // pixels // 2
    grid = tokens.reshape(rows, columns, -1, 2, 2)
    return grid.transpose(2, 0, 3, 1, 4).reshape(-1, 2 * rows, 2 * columns)


FAMILY = Family(
    base="FluxPipeline",
    whole="FluxControlNetPipeline",
    controlnet="FluxControlNetModel",
    map_argument="control_image",
    init_map_argument="control_image",
    style="controlnet",
    size_multiple=16,
    pixels=1024 * 1024,
    steps=28,
    guidance=3.5,
    precision="bfloat16",
    negative_prompt=False,
    tokens={"tokenizer": 77, "tokenizer_2": 512},
    schedulers=FLOW,
    unpack=unpack,
)
