"""How much one request may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class GenerationLimits:
    """What a request may ask for at the most; settings fill it.

    Attributes:
        max_steps: denoising steps of one picture.
        max_images: pictures of one request.
        max_side_px: width or height of a picture.
        max_pixels: width times height of a picture.
        max_prompt_chars: characters of the prompt, and of the negative one.
        max_loras: LoRAs at the same time.
    """

    max_steps: int = 100
    max_images: int = 4
    max_side_px: int = 2048
    max_pixels: int = 2048 * 2048
    max_prompt_chars: int = 4000
    max_loras: int = 4
