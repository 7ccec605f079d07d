"""Stable Diffusion XL and its fine-tunes; the map in thick limbs, as xinsir/controlnet-openpose-sdxl-1.0 saw it."""

from app.generation.families.family import Family
from app.generation.schedulers import DIFFUSION

FAMILY = Family(
    base="StableDiffusionXLPipeline",
    whole="StableDiffusionXLControlNetPipeline",
    controlnet="ControlNetModel",
    map_argument="image",
    init_map_argument="control_image",
    style="xinsir",
    size_multiple=8,
    pixels=1024 * 1024,
    steps=30,
    guidance=5.0,
    precision="float16",
    negative_prompt=True,
    tokens={"tokenizer": 77, "tokenizer_2": 77},
    schedulers=DIFFUSION,
)
