"""Who looks on while a picture is made, and may stop it."""

from collections.abc import Callable
from typing import Protocol


class Cancelled(Exception):
    """Nobody wants the pictures any more; raised by a watch, passed on by the generator."""


class Watch(Protocol):
    """Told of every denoising step."""

    def step(self, done: int, total: int, preview: Callable[[], bytes] | None) -> None:
        """Called before the first step and after each, in the thread that makes the pictures.

        Args:
            done: steps so far, over all pictures of the request.
            total: steps of all pictures.
            preview: a small PNG of the picture as it stands; costs time only when called, and only during this call.

        Raises:
            Cancelled: to stop between two steps.
        """
