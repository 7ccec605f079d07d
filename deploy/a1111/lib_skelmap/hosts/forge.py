"""Forge and what descends from it.

Facts from lllyasviel/stable-diffusion-webui-forge@dfdcbab `modules_forge/shared.py` and `supported_preprocessor.py`.
"""

from __future__ import annotations

from typing import Any

from modules_forge.shared import add_supported_preprocessor, supported_preprocessors
from modules_forge.supported_preprocessor import Preprocessor, PreprocessorParameter

__all__ = ["NamedPreprocessor", "PreprocessorParameter", "find", "register"]


class NamedPreprocessor(Preprocessor):
    """The base class, whose name is set after construction; models are found by a part of their file's name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.model_filename_filters = ["openpose"]


def find(name: str) -> Any:  # noqa: ANN401 - the host's class
    """A registered preprocessor, or None."""
    return supported_preprocessors.get(name)


def register(preprocessor: NamedPreprocessor) -> None:
    """Put a preprocessor into the UI, in the place of an earlier one of that name."""
    add_supported_preprocessor(preprocessor)
