"""Every knob of generation: one environment variable each, prefix `SKELMAP_GENERATION_`."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.generation.limits import GenerationLimits
from pose_core.session import Device

Precision = Literal["auto", "float32", "float16", "bfloat16"]
Offload = Literal["none", "model", "sequential"]

_LIMITS = GenerationLimits()


class GenerationSettings(BaseSettings):
    """Settings of the optional chain to diffusers; passed on, never imported."""

    model_config = SettingsConfigDict(env_prefix="SKELMAP_GENERATION_", frozen=True, extra="ignore")

    models: Path | None = Field(None, description="TOML table of the models; without one, generation is switched off")
    loras: Path | None = Field(None, description="folder of the LoRAs that requests may name; none without it")

    device: Device = Field("auto", description="cuda refuses to run on the CPU")
    precision: Precision = Field("auto", description="auto: the family's on a GPU, float32 on the CPU")
    offload: Offload = Field(
        "none", description="keep parts of a model in main memory: whole networks or single layers"
    )
    attention_slicing: bool = Field(default=False, description="less memory for attention, slower")
    vae_tiling: bool = Field(default=False, description="less memory for large pictures, with faint seams")
    verify: bool = Field(default=True, description="compare files with their SHA256SUMS whenever a model is loaded")

    max_steps: int = Field(_LIMITS.max_steps, ge=1, le=1000, description="denoising steps of one picture")
    max_images: int = Field(_LIMITS.max_images, ge=1, le=1000, description="pictures of one request")
    max_side_px: int = Field(_LIMITS.max_side_px, ge=64, le=16384, description="longest side of a picture")
    max_pixels: int = Field(_LIMITS.max_pixels, ge=4096, description="largest picture")
    max_prompt_chars: int = Field(_LIMITS.max_prompt_chars, ge=1, le=100_000, description="longest prompt")
    max_loras: int = Field(_LIMITS.max_loras, ge=0, le=100, description="LoRAs at the same time")

    @property
    def enabled(self) -> bool:
        """Whether there is anything to generate with."""
        return self.models is not None

    @property
    def limits(self) -> GenerationLimits:
        """What one request may ask for."""
        return GenerationLimits(
            self.max_steps,
            self.max_images,
            self.max_side_px,
            self.max_pixels,
            self.max_prompt_chars,
            self.max_loras,
        )
