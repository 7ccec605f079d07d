"""Stable Diffusion 3, with InstantX/SD3-Controlnet-Pose."""

from app.generation.families.family import Family
from app.generation.schedulers import FLOW

FAMILY = Family(
    base="StableDiffusion3Pipeline",
    whole="StableDiffusion3ControlNetPipeline",
    controlnet="SD3ControlNetModel",
    map_argument="control_image",
    init_map_argument=None,
    style="controlnet",
    size_multiple=16,
    pixels=1024 * 1024,
    steps=28,
    guidance=7.0,
    precision="float16",
    negative_prompt=True,
    tokens={"tokenizer": 77, "tokenizer_2": 77, "tokenizer_3": 256},
    schedulers=FLOW,
)
