"""A request with nothing left open, and what a pipeline needs of it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.generation.families import Family
from app.generation.request import GenerationRequest
from pose_core.types import Image, Size

DEFAULT_STRENGTH = 0.8
"""How much of an init image is changed unless asked otherwise."""

MAX_DRAWN_SEED = 2**32


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides one picture but its seed.

    Attributes:
        prompt: what it shows.
        negative_prompt: what it does not show.
        map: RGB at the size of the picture.
        init: RGB at the size of the picture, None to start from noise.
        strength: how much of `init` is changed, 0..1.
        steps: denoising steps.
        guidance: how closely to follow the prompt.
        control_scale: how strongly the map works.
        control_start: part of the steps after which it starts to work.
        control_end: part of the steps after which it stops to work.
        scheduler: name in the family's table, None for the model's own.
        loras: file and weight of each.
    """

    prompt: str
    negative_prompt: str
    map: Image
    init: Image | None
    strength: float
    steps: int
    guidance: float
    control_scale: float
    control_start: float
    control_end: float
    scheduler: str | None
    loras: Sequence[tuple[Path, float]]


def fill_in(
    request: GenerationRequest, model: str, family: Family, size: Size, *, with_init: bool
) -> GenerationRequest:
    """The request with everything that was left open, and without what only mattered for reading its source.

    What it says then, with the pose document in place of a photo, is what the same picture is made from again.
    """
    chosen = request.model_dump(include=_KEPT)
    chosen["seed"] = secrets.randbelow(MAX_DRAWN_SEED) if request.seed is None else request.seed
    chosen["steps"] = request.steps or family.steps
    chosen["guidance"] = family.guidance if request.guidance is None else request.guidance
    chosen["strength"] = (DEFAULT_STRENGTH if request.strength is None else request.strength) if with_init else None
    chosen["style"] = request.style or family.style
    return GenerationRequest(**chosen, model=model, width=size.width, height=size.height, on_empty="blank")


_KEPT = {
    *("prompt", "negative_prompt", "control_scale", "control_start", "control_end"),
    *("images", "scheduler", "loras", "fit", "parts"),
}
"""Parameters that mean the same when the picture is made again from its pose document."""


def make_plan(request: GenerationRequest, skeleton: Image, init: Image | None, loras: Sequence[Path]) -> Plan:
    """The plan of a request that is filled in, with the files of its LoRAs."""
    assert request.steps is not None
    assert request.guidance is not None
    return Plan(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        map=skeleton,
        init=init,
        strength=request.strength or 0.0,
        steps=request.steps,
        guidance=request.guidance,
        control_scale=request.control_scale,
        control_start=request.control_start,
        control_end=request.control_end,
        scheduler=request.scheduler,
        loras=[(path, lora.weight) for path, lora in zip(loras, request.loras, strict=True)],
    )


def step_count(request: GenerationRequest) -> int:
    """How many steps one picture takes: with an init image only the last ones."""
    assert request.steps is not None
    return request.steps if request.strength is None else max(1, int(request.steps * request.strength))
