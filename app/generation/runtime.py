"""Everything that needs torch and diffusers, behind the one import that brings them in."""

from typing import Final

import diffusers
import torch

from app.generation.loading import Loaded, free_memory, is_out_of_memory, load_model
from app.generation.prompts import prompt_warnings
from app.generation.running import run

VERSIONS: Final = {"diffusers": diffusers.__version__, "torch": torch.__version__}
"""Pictures are the same byte for byte where these, and the machine, are the same."""

__all__ = ["VERSIONS", "Loaded", "free_memory", "is_out_of_memory", "load_model", "prompt_warnings", "run"]
