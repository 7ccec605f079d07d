"""What a family of models is: everything in which one differs from another, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float32

from app.generation.schedulers import Scheduler
from pose_core.types import Size

Latents = Float32[np.ndarray, "channels height width"]
"""The numbers that a picture is decoded from, a fraction of its size."""

Unpack = Callable[[Float32[np.ndarray, "..."], Size, int], Latents]
"""One picture's latents as the denoising loop holds them, its size and the pixels of a side per latent, to Latents."""


def as_they_are(latents: Float32[np.ndarray, "..."], _size: Size, _pixels: int) -> Latents:
    """Latents that already are a picture of channels."""
    return latents


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture with the ControlNets made for it.

    Attributes:
        base: `_class_name` in the model_index.json of a base model.
        whole: the same where base model and ControlNet are saved as one pipeline.
        controlnet: diffusers' class of the ControlNet.
        map_argument: what the text-to-image pipeline calls the map.
        init_map_argument: what the image-to-image pipeline calls it; None where diffusers has no such pipeline.
        control: further arguments; a ControlNet of several modes is told here that the map is a pose.
        style: of the map, as the family's best-known pose ControlNet was trained.
        size_multiple: both sides of a picture are divisible by this many pixels.
        pixels: width times height that it was trained at.
        steps: denoising steps unless asked otherwise.
        guidance: the same for guidance.
        precision: of the weights on a GPU.
        negative_prompt: whether it reads one.
        tokens: attribute of each tokenizer to the tokens its text encoder reads, start and end among them.
        schedulers: those that fit how it was trained.
        unpack: see `Unpack`.
    """

    base: str
    whole: str
    controlnet: str
    map_argument: str
    init_map_argument: str | None
    style: str
    size_multiple: int
    pixels: int
    steps: int
    guidance: float
    precision: str
    negative_prompt: bool
    tokens: Mapping[str, int]
    schedulers: Mapping[str, Scheduler]
    control: Mapping[str, Any] = field(default_factory=dict)
    unpack: Unpack = as_they_are
