"""A rough picture from latents at next to no cost: one linear map from their channels to RGB.

The map is fitted to the model's own autoencoder when it is loaded, so that no table of factors has to know the model.
Imports torch.
"""

import copy
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL
from jaxtyping import Float64

from app.generation.families import Family
from app.png import encode_png
from pose_core.types import Image, Size

PREVIEW_SIDE_PX = 256
_LEVELS = (0.0, 0.33, 0.67, 1.0)
_PATCH_LATENTS = 4


@dataclass(frozen=True, slots=True)
class Preview:
    """How latents of a model become colours.

    Attributes:
        weights: of every channel, and of a constant 1 in the last row, for red, green and blue in 0..1.
        pixels: of a picture's side for one latent.
    """

    weights: Float64[np.ndarray, "channels+1 3"]
    pixels: int

    def draw(self, latents: torch.Tensor, size: Size, family: Family) -> bytes:
        """A PNG of the first picture of a batch of latents, one pixel for one latent, enlarged to be looked at.

        Args:
            latents: as the denoising loop of the family holds them.
            size: of the picture.
            family: knows how the latents are packed.
        """
        channels = family.unpack(latents[0].float().cpu().numpy(), size, self.pixels)
        flat = np.moveaxis(channels, 0, -1)
        colours = flat @ self.weights[:-1] + self.weights[-1]
        small: Image = (np.nan_to_num(colours).clip(0, 1) * 255).round().astype(np.uint8)
        factor = max(1, round(PREVIEW_SIDE_PX / max(small.shape[:2])))
        return encode_png(cv2.resize(small, None, fx=factor, fy=factor, interpolation=cv2.INTER_LINEAR))


def colour_chart(pixels: int) -> Float64[np.ndarray, "height width 3"]:
    """64 patches of colours spread over the RGB cube, 0..1, each some latents wide."""
    cube = np.array([(red, green, blue) for red in _LEVELS for green in _LEVELS for blue in _LEVELS])
    patch = np.ones((_PATCH_LATENTS * pixels, _PATCH_LATENTS * pixels, 1))
    return np.kron(cube.reshape(8, 8, 3), patch)


@torch.inference_mode()
def fit_preview(vae: AutoencoderKL, device: torch.device) -> Preview:
    """Least squares between the latents of a colour chart and its colours.

    In a float32 copy: some autoencoders overflow in half precision, and hooks that offload would be in the way.
    """
    encoder, config = copy.deepcopy(vae).to(device, torch.float32), vae.config
    pixels = 2 ** (len(config.block_out_channels) - 1)
    chart = colour_chart(pixels)
    picture = torch.from_numpy(2 * chart - 1).permute(2, 0, 1)[None]
    latents = encoder.encode(picture.to(device, torch.float32)).latent_dist.mode().cpu()
    scaled = (latents - (getattr(config, "shift_factor", None) or 0.0)) * config.scaling_factor
    channels = np.moveaxis(scaled[0].numpy(), 0, -1).reshape(-1, scaled.shape[1]).astype(np.float64)
    colours = chart[pixels // 2 :: pixels, pixels // 2 :: pixels].reshape(-1, 3)
    known = np.column_stack([channels, np.ones(len(channels))])
    weights, *_ = np.linalg.lstsq(known, colours, rcond=None)
    return Preview(weights, pixels)
