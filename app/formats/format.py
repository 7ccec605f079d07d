"""What every answer format is."""

from collections.abc import Callable
from dataclasses import dataclass

from app.answer import Answer


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write an answer.

    Attributes:
        media_type: of the HTTP answer, and what `Accept` has to say for it.
        extension: of files on disk.
        write: the bytes.
    """

    media_type: str
    extension: str
    write: Callable[[Answer], bytes]
