"""ControlNet pipelines of every family with random weights, a few hundred kilobytes each, built without a network.

A new ControlNet changes nothing: its last layers are zeros. Here they are random, so that the map has an effect.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    ControlNetUnionModel,
    DDIMScheduler,
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxTransformer2DModel,
    SD3ControlNetModel,
    SD3Transformer2DModel,
    StableDiffusion3ControlNetPipeline,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLControlNetUnionPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

CHANNELS: Final = (8, 16)
TEXT_WIDTH: Final = 32
LATENT_CHANNELS: Final = 4
UNET: Final[dict[str, Any]] = {
    "block_out_channels": CHANNELS,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 4,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
}
SDXL_UNET: Final[dict[str, Any]] = {
    **UNET,
    "cross_attention_dim": 2 * TEXT_WIDTH,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + TEXT_WIDTH,
}
TRANSFORMER: Final[dict[str, Any]] = {
    "num_layers": 2,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": TEXT_WIDTH,
}


def clip_tokenizer() -> CLIPTokenizer:
    """One token per byte."""
    alphabet = sorted(_byte_letters())
    tokens = [*alphabet, *(f"{letter}</w>" for letter in alphabet), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77)


def _byte_letters() -> list[str]:
    """The printable letters that stand for the 256 bytes in byte-level vocabularies."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number in range(len(others))]


def t5_tokenizer() -> T5Tokenizer:
    """One token per lower-case letter."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.0)]
    letters = [(letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyz"]
    return T5Tokenizer(vocab=[*pieces, *letters], extra_ids=0, model_max_length=512)


def clip_encoder(kind: type, **changes: Any) -> Any:
    """A CLIP text encoder of two layers."""
    config = {
        "vocab_size": 514,
        "hidden_size": TEXT_WIDTH,
        "projection_dim": TEXT_WIDTH,
        "intermediate_size": 37,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "bos_token_id": 512,
        "eos_token_id": 513,
        "pad_token_id": 513,
    }
    return kind(CLIPTextConfig(**config, **changes))


def t5_encoder() -> T5EncoderModel:
    """A T5 encoder of one layer."""
    return T5EncoderModel(T5Config(vocab_size=30, d_model=TEXT_WIDTH, d_kv=8, d_ff=37, num_layers=1, num_heads=4))


def vae(**changes: Any) -> AutoencoderKL:
    """An autoencoder that makes a quarter of a side, or half of it, an eighth in the real ones."""
    return AutoencoderKL(
        block_out_channels=(4, 8),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=LATENT_CHANNELS,
        **changes,
    )


def steer(controlnet: Any) -> Any:
    """The same ControlNet with random numbers in the layers that a new one has zeros in."""
    for parameter in controlnet.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.5)
    return controlnet


def sd15() -> DiffusionPipeline:
    """Stable Diffusion 1.5."""
    up = ("CrossAttnUpBlock2D", "UpBlock2D")
    hint = (4, 8)
    return StableDiffusionControlNetPipeline(
        vae=vae(),
        text_encoder=clip_encoder(CLIPTextModel),
        tokenizer=clip_tokenizer(),
        unet=UNet2DConditionModel(**UNET, up_block_types=up, cross_attention_dim=TEXT_WIDTH),
        controlnet=steer(
            ControlNetModel(**UNET, cross_attention_dim=TEXT_WIDTH, conditioning_embedding_out_channels=hint)
        ),
        scheduler=DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl(kind: type, controlnet: Any) -> DiffusionPipeline:
    up = ("CrossAttnUpBlock2D", "UpBlock2D")
    pipeline: DiffusionPipeline = kind(
        vae=vae(force_upcast=False),
        text_encoder=clip_encoder(CLIPTextModel),
        text_encoder_2=clip_encoder(CLIPTextModelWithProjection),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        unet=UNet2DConditionModel(**SDXL_UNET, up_block_types=up),
        controlnet=steer(controlnet),
        scheduler=EulerDiscreteScheduler(),
        add_watermarker=False,
    )
    return pipeline


def sdxl() -> DiffusionPipeline:
    """Stable Diffusion XL."""
    controlnet = ControlNetModel(**SDXL_UNET, conditioning_embedding_out_channels=(4, 8))
    return _sdxl(StableDiffusionXLControlNetPipeline, controlnet)


def sdxl_union() -> DiffusionPipeline:
    """Stable Diffusion XL with a ControlNet of several modes."""
    controlnet = ControlNetUnionModel(
        **SDXL_UNET,
        conditioning_embedding_out_channels=(4, 8),
        num_trans_channel=CHANNELS[0],
        num_proj_channel=CHANNELS[0],
        num_trans_head=2,
    )
    return _sdxl(StableDiffusionXLControlNetUnionPipeline, controlnet)


def sd3() -> DiffusionPipeline:
    """Stable Diffusion 3."""
    size: dict[str, Any] = {
        **TRANSFORMER,
        "sample_size": 64,
        "in_channels": LATENT_CHANNELS,
        "out_channels": LATENT_CHANNELS,
        "caption_projection_dim": 32,
        "pooled_projection_dim": 2 * TEXT_WIDTH,
        "pos_embed_max_size": 64,
    }
    return StableDiffusion3ControlNetPipeline(
        transformer=SD3Transformer2DModel(**size),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=vae(shift_factor=0.06, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_encoder(CLIPTextModelWithProjection),
        text_encoder_2=clip_encoder(CLIPTextModelWithProjection),
        text_encoder_3=t5_encoder(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=clip_tokenizer(),
        tokenizer_3=t5_tokenizer(),
        controlnet=steer(SD3ControlNetModel(**size)),
    )


def _flux(**controlnet: Any) -> DiffusionPipeline:
    size: dict[str, Any] = {
        **TRANSFORMER,
        "num_layers": 1,
        "num_single_layers": 1,
        "in_channels": 4 * LATENT_CHANNELS,
        "pooled_projection_dim": TEXT_WIDTH,
        "guidance_embeds": True,
        "axes_dims_rope": [4, 4, 8],
    }
    return FluxControlNetPipeline(
        transformer=FluxTransformer2DModel(**size),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=vae(shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip_encoder(CLIPTextModel),
        text_encoder_2=t5_encoder(),
        tokenizer=clip_tokenizer(),
        tokenizer_2=t5_tokenizer(),
        controlnet=steer(FluxControlNetModel(**size, **controlnet)),
    )


def flux() -> DiffusionPipeline:
    """FLUX.1."""
    return _flux()


def flux_union() -> DiffusionPipeline:
    """FLUX.1 with a ControlNet of several modes."""
    return _flux(num_mode=10)


TINY: Final[dict[str, Callable[[], DiffusionPipeline]]] = {
    "sd15": sd15,
    "sdxl": sdxl,
    "sdxl-union": sdxl_union,
    "sd3": sd3,
    "flux": flux,
    "flux-union": flux_union,
}


def save(family: str, folder: Path) -> Path:
    """Write a tiny pipeline of a family, the same in every run, as diffusers writes all pipelines."""
    with torch.random.fork_rng():
        torch.manual_seed(20260101)
        TINY[family]().save_pretrained(folder)
    return folder
