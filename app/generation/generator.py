"""The whole work of one request: source -> map -> pictures. Blocking; one thread at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.generation.request import GenerationRequest
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.generation.watch import Watch
from app.service import PoseService


@dataclass(frozen=True, slots=True)
class Generated:
    """What came out.

    Attributes:
        images: PNGs that say in their text chunks how to make them again.
        map: PNG of the skeleton map that steered them.
        seed: of the first image; the next ones took the next.
        pose: the pose document on the canvas of the pictures; None for a ready map.
        parameters: everything that was used, defaults filled in.
        warnings: what the caller should know.
    """

    images: tuple[bytes, ...]
    map: bytes
    seed: int
    pose: object | None
    parameters: Mapping[str, Any]
    warnings: tuple[str, ...]


class Generator:
    """Makes pictures, one request at a time; keeps the pipeline that was used last."""

    def __init__(self, settings: GenerationSettings, service: PoseService) -> None:
        self._settings = settings
        self._service = service

    def check(self, request: GenerationRequest, source: Source) -> None:
        """Refuse what cannot work before it is queued: cheap, without loading anything; from any thread.

        Raises:
            InvalidInput: a value that this model or this server cannot use.
            WeightsMissing: the model is not on this machine; says how to get it.
        """
        raise NotImplementedError

    def generate(self, request: GenerationRequest, source: Source, watch: Watch) -> Generated:
        """Make the pictures.

        Raises:
            PoseError: whatever keeps them from being made; its text is the reason to show.
            Cancelled: the watch asked for it.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the pipeline and its memory."""
        raise NotImplementedError
