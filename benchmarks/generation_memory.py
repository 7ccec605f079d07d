"""Parameters of the models that docs/generation.md names, counted from their published configurations.

Networks are built without memory for their numbers, so this needs neither the weights nor a GPU:

    python -m benchmarks.generation_memory

Half precision is two bytes per parameter. What a run needs beside its weights (activations, the CUDA context) is not
counted: it depends on the size of the picture and has to be measured where it runs.
"""

from typing import Any, Final

import diffusers
import torch
import transformers

BYTES = 2

_VAE: Final[dict[str, Any]] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
_VAE_16: Final[dict[str, Any]] = {**_VAE, "latent_channels": 16, "use_quant_conv": False, "use_post_quant_conv": False}
_CLIP_L: Final[dict[str, Any]] = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
_CLIP_G: Final[dict[str, Any]] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
}
_T5_XXL: Final[dict[str, Any]] = {
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
}
_SD15: Final[dict[str, Any]] = {"cross_attention_dim": 768}
_SDXL: Final[dict[str, Any]] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
_SDXL_UP: Final = {"up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D")}
_SD3: Final[dict[str, Any]] = {
    "num_layers": 24,
    "num_attention_heads": 24,
    "caption_projection_dim": 1536,
    "pos_embed_max_size": 192,
}
_FLUX: Final[dict[str, Any]] = {"guidance_embeds": True}


def _clip(kind: str, config: dict[str, Any]) -> torch.nn.Module:
    network: torch.nn.Module = getattr(transformers, kind)(transformers.CLIPTextConfig(**config))
    return network


def _t5() -> torch.nn.Module:
    network: torch.nn.Module = transformers.T5EncoderModel(transformers.T5Config(**_T5_XXL))
    return network


def networks() -> dict[str, dict[str, torch.nn.Module]]:
    """The networks of each family."""
    clip_l, clip_g = _clip("CLIPTextModel", _CLIP_L), _clip("CLIPTextModelWithProjection", _CLIP_G)
    sdxl = {
        "unet": diffusers.UNet2DConditionModel(**_SDXL, **_SDXL_UP),
        "clip_l": clip_l,
        "clip_g": clip_g,
        "vae": diffusers.AutoencoderKL(**_VAE),
    }
    flux = {
        "transformer": diffusers.FluxTransformer2DModel(**_FLUX),
        "clip_l": clip_l,
        "t5": _t5(),
        "vae": diffusers.AutoencoderKL(**_VAE_16),
    }
    return {
        "sd15": {
            "unet": diffusers.UNet2DConditionModel(**_SD15),
            "controlnet": diffusers.ControlNetModel(**_SD15),
            "clip_l": clip_l,
            "vae": diffusers.AutoencoderKL(**_VAE),
        },
        "sdxl": {**sdxl, "controlnet": diffusers.ControlNetModel(**_SDXL)},
        "sdxl-union": {**sdxl, "controlnet": diffusers.ControlNetUnionModel(**_SDXL)},
        "sd3": {
            "transformer": diffusers.SD3Transformer2DModel(**_SD3),
            "controlnet": diffusers.SD3ControlNetModel(**{**_SD3, "num_layers": 6}),
            "clip_l": _clip("CLIPTextModelWithProjection", _CLIP_L),
            "clip_g": clip_g,
            "t5": _t5(),
            "vae": diffusers.AutoencoderKL(**_VAE_16),
        },
        "flux": {**flux, "controlnet": diffusers.FluxControlNetModel(**_FLUX, num_layers=6, num_single_layers=0)},
        "flux-union": {
            **flux,
            "controlnet": diffusers.FluxControlNetModel(**_FLUX, num_layers=5, num_single_layers=10, num_mode=10),
        },
    }


def parameters(network: torch.nn.Module) -> int:
    """How many numbers a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def main() -> None:
    """Print the table."""
    print("| family | parameters (millions) | weights (GB) | largest (GB) |\n|---|---|---|---|")
    with torch.device("meta"):
        for family, parts in networks().items():
            counted = {name: parameters(network) for name, network in parts.items()}
            listed = ", ".join(f"{name} {count / 1e6:.0f}" for name, count in counted.items())
            total, largest = (f"{count * BYTES / 1e9:.1f}" for count in (sum(counted.values()), max(counted.values())))
            print(f"| {family} | {listed} | {total} | {largest} |")


if __name__ == "__main__":
    main()
