"""ComfyUI's IMAGE and files: IMAGE is a float32 tensor (batch, height, width, channels), RGB or RGBA, 0 to 1."""

import io

import numpy as np
import torch
from PIL import Image

MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def write_png(image: torch.Tensor) -> bytes:
    """One picture (height, width, channels) as a PNG; values are rounded to 8 bits, those out of range are clipped.

    Raises:
        ValueError: another number of channels than 1, 3 or 4.
    """
    channels = image.shape[-1]
    if channels not in MODES:
        raise ValueError(f"image: expected 1, 3 or 4 channels, got shape {tuple(image.shape)}")
    levels = image.detach().cpu().float().nan_to_num().clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    pixels = levels[..., 0] if channels == 1 else levels
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def read_image(data: bytes) -> torch.Tensor:
    """The pixels of a file: float32 (height, width, 3), RGB, 0 to 1."""
    with Image.open(io.BytesIO(data)) as opened:
        pixels = np.array(opened.convert("RGB"))
    return torch.from_numpy(pixels).float() / 255


def resize(image: torch.Tensor, width: int, height: int) -> torch.Tensor:
    """One picture (height, width, channels) as float32 (height, width, 3) of another size."""
    with Image.open(io.BytesIO(write_png(image))) as opened:
        pixels = np.array(opened.convert("RGB").resize((width, height), Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels).float() / 255
