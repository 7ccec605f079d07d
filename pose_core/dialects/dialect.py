"""What a dialect is: one way of writing a scene as JSON and of reading it back."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pose_core.openpose import OpenPosePerson, OpenPoseScene
from pose_core.types import Size

Object = dict[str, Any]
"""A JSON object."""

Document = Object | list[Any]
"""What stands in a file or a request: only dicts, lists, strings, numbers, booleans and None."""


@runtime_checkable
class ReadScene(Protocol):
    """Turns a document of unknown origin into a scene, or raises InvalidPoseData."""

    def __call__(self, document: object, *, size: Size | None = None, frame: int = 0) -> OpenPoseScene:
        """Read one frame; `size` is the canvas of a document that does not name its own."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Pure functions between a scene and one JSON dialect.

    Attributes:
        summary: who writes and who reads it, in one line.
        write: scene, threshold -> the whole document; points below the threshold count as hidden.
        write_person: person, threshold, canvas -> the person's entry as it stands inside the document.
        read: document -> scene; raises nothing but InvalidPoseData.
        recognises: whether one frame of a document looks like this dialect.
    """

    summary: str
    write: Callable[[OpenPoseScene, float], Document]
    write_person: Callable[[OpenPosePerson, float, Size], Document]
    read: ReadScene
    recognises: Callable[[Object], bool]
