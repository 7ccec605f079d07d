"""Stable Diffusion XL with a ControlNet of several modes, such as xinsir/controlnet-union-sdxl-1.0."""

from dataclasses import replace

from app.generation.families import sdxl

OPENPOSE_MODE = 0
"""Of openpose, depth, soft edges, hard edges, normals, segments, tile and repaint, in this order."""

FAMILY = replace(
    sdxl.FAMILY,
    whole="StableDiffusionXLControlNetUnionPipeline",
    controlnet="ControlNetUnionModel",
    map_argument="control_image",
    control={"control_mode": OPENPOSE_MODE},
)
