"""Stable Diffusion 1.5 and its fine-tunes, with ControlNet 1.1 openpose."""

from app.generation.families.family import Family
from app.generation.schedulers import DIFFUSION

FAMILY = Family(
    base="StableDiffusionPipeline",
    whole="StableDiffusionControlNetPipeline",
    controlnet="ControlNetModel",
    map_argument="image",
    init_map_argument="control_image",
    style="controlnet",
    size_multiple=8,
    pixels=512 * 512,
    steps=30,
    guidance=7.5,
    precision="float16",
    negative_prompt=True,
    tokens={"tokenizer": 77},
    schedulers=DIFFUSION,
)
