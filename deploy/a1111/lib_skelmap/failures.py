"""What happens where the server gives no map, as chosen on the settings page: one function each."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Callable, Optional

import numpy as np

from lib_skelmap.remote import RemoteFailed, empty_document

logger = logging.getLogger("skelmap")

JsonCallback = Optional[Callable[[Any], None]]


@dataclass(frozen=True)
class Attempt:
    """What was asked for in vain.

    Attributes:
        photo: uint8 (height, width, ...).
        resolution: shorter side of the map in pixels.
        json_pose_callback: takes the pose document, where the host wants one.
        local_name: of the host's own preprocessor for the same parts.
        local: that one, None where the host has none.
    """

    photo: np.ndarray
    resolution: int
    json_pose_callback: JsonCallback
    local_name: str
    local: Any


def raise_error(failure: RemoteFailed, _attempt: Attempt) -> Any:  # noqa: ANN401 - never returns
    """Show the message in the UI."""
    raise failure


def black_map(failure: RemoteFailed, attempt: Attempt) -> np.ndarray:
    """Nobody, on a map of the size that was asked for; the message goes to the console."""
    logger.warning("%s; a black map is used", failure)
    height, width = attempt.photo.shape[:2]
    factor = attempt.resolution / min(height, width)
    black = np.zeros((max(1, round(height * factor)), max(1, round(width * factor)), 3), np.uint8)
    if attempt.json_pose_callback:
        attempt.json_pose_callback(empty_document(black.shape[1], black.shape[0]))
    return black


def local_preprocessor(failure: RemoteFailed, attempt: Attempt) -> Any:  # noqa: ANN401 - the host's result
    """Whatever the host's own preprocessor makes of it; the message goes to the console."""
    if attempt.local is None:
        raise RemoteFailed(f"{failure}; and there is no local {attempt.local_name}") from failure
    logger.warning("%s; the local %s is used", failure, attempt.local_name)
    return attempt.local(
        input_image=attempt.photo,
        resolution=attempt.resolution,
        json_pose_callback=attempt.json_pose_callback,
    )


OnFailure = Callable[[RemoteFailed, Attempt], Any]

ON_FAILURE: dict[str, OnFailure] = {
    "error": raise_error,
    "black map": black_map,
    "local preprocessor": local_preprocessor,
}
