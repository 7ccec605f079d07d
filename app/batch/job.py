"""What a batch computes: the same for all its shards and for every time it is gone on with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.parameters import PoseParameters
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Job:
    """What is done with every photo.

    Attributes:
        outputs: names in OUTPUTS.
        parameters: as of a request.
        settings: networks, device, threads and limits.
    """

    outputs: tuple[str, ...]
    parameters: PoseParameters
    settings: Settings

    def describe(self) -> Mapping[str, Any]:
        """All that the results depend on, but for the content of files; as JSON."""
        settings = self.settings
        return {
            "outputs": list(self.outputs),
            "estimator": settings.estimator,
            "detector": settings.detector,
            "detector_channels": settings.detector_channels,
            "detector_size_px": settings.detector_size_px,
            "max_bytes": settings.max_bytes,
            "max_pixels": settings.max_pixels,
            "max_side_px": settings.max_side_px,
            "max_canvas_pixels": settings.max_canvas_pixels,
            "settings_max_people": settings.max_people,
            **self.parameters.model_dump(mode="json", exclude={"estimator", "detector", "format", "include"}),
        }
