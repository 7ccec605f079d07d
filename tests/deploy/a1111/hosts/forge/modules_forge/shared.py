"""Stand-in: Forge's registry is a dict; the last of a name wins."""

from typing import Any

supported_preprocessors: dict[str, Any] = {}


def add_supported_preprocessor(preprocessor: Any) -> None:
    """Register."""
    supported_preprocessors[preprocessor.name] = preprocessor
