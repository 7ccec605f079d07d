"""What a job does: a function from its input to its output that tells a watch of every step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.generation.watch import Watch


@dataclass(frozen=True, slots=True)
class JobInput:
    """What was asked for.

    Attributes:
        document: JSON values.
        files: bytes by name.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ResultFile:
    """A file that came out."""

    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class JobOutput:
    """What came out.

    Attributes:
        document: JSON values.
        files: by name; a name is part of the URL, so letters, digits, `.`, `_` and `-`.
        warnings: what the caller should know.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, ResultFile] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


Work = Callable[[JobInput, Watch], JobOutput]
"""Does a job: blocking, in the worker's thread.

A `PoseError` is a reason that the caller may read; any other exception is logged. `Cancelled`, raised by the watch, has
to be let through.
"""
