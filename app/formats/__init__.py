"""How an answer is written; one file per format."""

from app.formats import json, npz, openpose, overlay, png, svg
from app.formats.format import Format

FORMATS: dict[str, Format] = {
    "json": json.FORMAT,
    "openpose": openpose.FORMAT,
    "png": png.FORMAT,
    "overlay": overlay.FORMAT,
    "svg": svg.FORMAT,
    "npz": npz.FORMAT,
}

__all__ = ["FORMATS", "Format"]
