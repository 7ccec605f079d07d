"""A model's files to a pipeline that is ready to run. Imports torch and diffusers."""

import gc
from collections.abc import Mapping
from dataclasses import dataclass

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline, SchedulerMixin

from app.generation.families import FAMILIES, Family
from app.generation.folders import ModelFolders, check_installed, find_model
from app.generation.preview import Preview, fit_preview
from app.generation.settings import GenerationSettings
from app.generation.table import ModelRow
from app.generation.weights import check_folder
from pose_core.errors import DeviceUnavailable, ModelError

PRECISIONS: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pipeline in memory.

    Attributes:
        name: of the model.
        family: what it is.
        pipeline: text to image; of diffusers' class for the family.
        scheduler: the one that the model comes with.
        device: where it computes.
        preview: latents to colours.
    """

    name: str
    family: Family
    pipeline: DiffusionPipeline
    scheduler: SchedulerMixin
    device: torch.device
    preview: Preview


def load_model(name: str, row: ModelRow, settings: GenerationSettings) -> Loaded:
    """Read, check and place a model.

    Raises:
        WeightsMissing: a part of it is not on this machine.
        WeightsCorrupt: a file is damaged.
        DeviceUnavailable: the settings' device is not there.
        ModelError: anything else that makes the files unusable.
    """
    check_installed()
    folders, family = find_model(name, row), FAMILIES[row.family]
    device = choose_device(settings)
    for folder in {folders.base, folders.controlnet}:
        check_folder(folder, sums=settings.verify)
    pipeline = _read(name, row, folders, choose_precision(settings, family, device))
    pipeline.set_progress_bar_config(disable=True)
    preview = fit_preview(pipeline.vae, device)
    _place(pipeline, settings, device)
    return Loaded(name, family, pipeline, pipeline.scheduler, device, preview)


def choose_device(settings: GenerationSettings) -> torch.device:
    """The GPU where there is one, unless told otherwise.

    Raises:
        DeviceUnavailable: cuda is asked for, or offloading to it, and torch sees none.
    """
    has_gpu = torch.cuda.is_available()
    if settings.device == "cuda" and not has_gpu:
        raise DeviceUnavailable("SKELMAP_GENERATION_DEVICE is cuda, and torch sees no CUDA device")
    device = torch.device("cuda" if has_gpu and settings.device != "cpu" else "cpu")
    if settings.offload != "none" and device.type == "cpu":
        raise DeviceUnavailable(f"SKELMAP_GENERATION_OFFLOAD is {settings.offload}, which needs a CUDA device")
    return device


def choose_precision(settings: GenerationSettings, family: Family, device: torch.device) -> torch.dtype:
    """The setting's precision; for auto the family's on a GPU, and float32 on the CPU."""
    automatic = family.precision if device.type == "cuda" else "float32"
    return PRECISIONS[automatic if settings.precision == "auto" else settings.precision]


def _read(name: str, row: ModelRow, folders: ModelFolders, dtype: torch.dtype) -> DiffusionPipeline:
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()
    common = {"dtype": dtype, "use_safetensors": True, "local_files_only": True}
    parts = {}
    try:
        if not folders.is_whole:
            kind = getattr(diffusers, FAMILIES[row.family].controlnet)
            parts["controlnet"] = kind.from_pretrained(folders.controlnet, variant=row.controlnet_variant, **common)
        return diffusers.AutoPipelineForText2Image.from_pretrained(folders.base, variant=row.variant, **common, **parts)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(f"{name} cannot be loaded from {folders.base}: {error}") from error


def _place(pipeline: DiffusionPipeline, settings: GenerationSettings, device: torch.device) -> None:
    """Move a pipeline to where it computes and trade speed for memory as the settings say."""
    placing = {
        "none": lambda: pipeline.to(device),
        "model": lambda: pipeline.enable_model_cpu_offload(device=device),
        "sequential": lambda: pipeline.enable_sequential_cpu_offload(device=device),
    }
    placing[settings.offload]()
    if settings.attention_slicing:
        pipeline.enable_attention_slicing()
    if settings.vae_tiling:
        pipeline.vae.enable_tiling()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on the GPU or beside it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)


def free_memory() -> None:
    """Give back what nobody holds any more, to the GPU as well."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
