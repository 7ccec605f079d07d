"""One picture from a loaded pipeline. Imports torch and diffusers."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from jaxtyping import Float
from PIL import Image as Pillow

from app.generation.failures import BrokenPicture
from app.generation.loading import Loaded
from app.generation.plan import Plan
from app.generation.weights import check_safetensors
from pose_core.errors import ModelError
from pose_core.types import Image, Size

OnStep = Callable[[int, int, Callable[[], bytes]], None]
"""Called after each step with the steps done, the steps of the picture and what draws a preview; raises to stop."""


def run(loaded: Loaded, plan: Plan, seed: int, on_step: OnStep) -> Image:
    """The picture of a seed.

    Raises:
        BrokenPicture: what came out is not finite, or black.
    """
    pipeline = loaded.pipeline
    if plan.init is not None:
        pipeline = diffusers.AutoPipelineForImage2Image.from_pipe(pipeline)
        pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = make_scheduler(loaded, plan.scheduler)
    try:
        with _seeded(loaded.device, seed), _with_loras(pipeline, plan.loras):
            output = pipeline(
                **arguments(loaded, plan),
                generator=torch.Generator("cpu").manual_seed(seed),
                output_type="np",
                callback_on_step_end=_watching(loaded, Size.of(plan.map), on_step),
            )
    finally:
        loaded.pipeline.maybe_free_model_hooks()  # a run that was stopped has not done it
    if any(getattr(output, "nsfw_content_detected", None) or ()):
        raise BrokenPicture("the model's safety checker blackened the picture; another prompt or seed may do")
    return to_pixels(output.images[0])


def arguments(loaded: Loaded, plan: Plan) -> dict[str, Any]:
    """The plan in the words of the family's pipeline."""
    family, size = loaded.family, Size.of(plan.map)
    given: dict[str, Any] = {
        "prompt": plan.prompt,
        "width": size.width,
        "height": size.height,
        "num_inference_steps": plan.steps,
        "guidance_scale": plan.guidance,
        "controlnet_conditioning_scale": plan.control_scale,
        "control_guidance_start": plan.control_start,
        "control_guidance_end": plan.control_end,
        **family.control,
    }
    if family.negative_prompt:
        given["negative_prompt"] = plan.negative_prompt
    skeleton = Pillow.fromarray(plan.map)
    if plan.init is None:
        return {**given, family.map_argument: skeleton}
    assert family.init_map_argument is not None
    init = {"image": Pillow.fromarray(plan.init), "strength": plan.strength}
    return {**given, **init, family.init_map_argument: skeleton}


def make_scheduler(loaded: Loaded, name: str | None) -> diffusers.SchedulerMixin:
    """A fresh scheduler, so that nothing of the last picture is left in it."""
    own = loaded.scheduler
    if name is None:
        return type(own).from_config(own.config)
    chosen = loaded.family.schedulers[name]
    return getattr(diffusers, chosen.kind).from_config(own.config, **chosen.changes)


def _watching(loaded: Loaded, size: Size, on_step: OnStep) -> Callable[..., dict[str, torch.Tensor]]:
    """What a pipeline calls after each step."""

    def after_step(
        pipeline: diffusers.DiffusionPipeline, step: int, _timestep: object, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        latents = tensors["latents"]
        if not torch.isfinite(latents).all():
            raise BrokenPicture(f"the numbers are no longer finite after step {step + 1}; another precision may do")
        on_step(step + 1, pipeline.num_timesteps, lambda: loaded.preview.draw(latents, size, loaded.family))
        return tensors

    return after_step


@contextlib.contextmanager
def _seeded(device: torch.device, seed: int) -> Iterator[None]:
    """The global random numbers of torch from this seed, as they were afterwards.

    The pipeline of Stable Diffusion 3 samples the encoded map from them and not from its generator.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


@contextlib.contextmanager
def _with_loras(pipeline: diffusers.DiffusionPipeline, loras: Sequence[tuple[Path, float]]) -> Iterator[None]:
    """The pipeline with these LoRAs, and without them afterwards."""
    if not loras:
        yield
        return
    names = [f"lora{number}" for number in range(len(loras))]  # torch allows no dots in the names of modules
    try:
        for name, (path, _) in zip(names, loras, strict=True):
            _load_lora(pipeline, name, path)
        pipeline.set_adapters(names, [weight for _, weight in loras])
        yield
    finally:
        pipeline.unload_lora_weights()


def _load_lora(pipeline: diffusers.DiffusionPipeline, name: str, path: Path) -> None:
    """Put a LoRA's layers beside those of the pipeline.

    Raises:
        WeightsCorrupt: the file is damaged.
        ModelError: its layers are not those of this model.
    """
    check_safetensors(path)
    where = {"weight_name": path.name, "adapter_name": name, "use_safetensors": True, "local_files_only": True}
    try:
        pipeline.load_lora_weights(path.parent, **where)
    except (RuntimeError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"LoRA {path.stem} does not fit this model: {error}") from error
    if not any(name in adapters for adapters in pipeline.get_list_adapters().values()):
        raise ModelError(f"LoRA {path.stem} does not fit this model: none of its layers is there")


def to_pixels(picture: Float[np.ndarray, "height width 3"]) -> Image:
    """Floats in 0..1 as bytes.

    Raises:
        BrokenPicture: they are not finite, or all of them are black.
    """
    if not np.isfinite(picture).all():
        raise BrokenPicture("the decoded picture is not finite; another precision may do")
    pixels: Image = (picture * 255).round().astype(np.uint8)
    if not pixels.any():
        raise BrokenPicture("the picture is black all over; another precision, seed or fewer guidance may do")
    return pixels
