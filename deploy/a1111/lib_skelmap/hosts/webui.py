"""A1111's web UI with the extension sd-webui-controlnet.

Facts from Mikubill/sd-webui-controlnet@56cec5b `scripts/supported_preprocessor.py`.
"""

from __future__ import annotations

from typing import Any

from scripts.supported_preprocessor import Preprocessor, PreprocessorParameter

__all__ = ["NamedPreprocessor", "PreprocessorParameter", "find", "register"]


class NamedPreprocessor(Preprocessor):
    """The base class, a dataclass whose name is given at construction."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)


def find(name: str) -> Any:  # noqa: ANN401 - the host's class
    """A registered preprocessor, or None."""
    return Preprocessor.get_preprocessor(name)


def register(preprocessor: NamedPreprocessor) -> None:
    """Put a preprocessor into the UI; one that is there already stays, for the host refuses a second one.

    "Reload UI" runs the scripts again while the registry stays.
    """
    if find(preprocessor.name) is None:
        Preprocessor.add_supported_preprocessor(preprocessor)
