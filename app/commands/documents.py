"""Pose documents on disk."""

from pathlib import Path

import orjson

from app.commands import options
from app.models import ModelStore
from app.service import PoseService
from pose_core.errors import InvalidPoseData


def read_document(path: Path) -> object:
    """The JSON values of a file.

    Raises:
        InvalidPoseData: it cannot be read or is not JSON.
    """
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise InvalidPoseData(f"{path} is not a readable JSON file: {error}", field="DOCUMENT") from error


def document_service() -> PoseService:
    """A service for work that needs no network."""
    settings = options.settings_of()
    return PoseService(ModelStore(settings), settings)
