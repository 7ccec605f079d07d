"""The skeletons drawn on the photo, as a PNG."""

from app.answer import Answer
from app.formats.format import Format

FORMAT = Format("image/png", "overlay.png", Answer.overlay_png)
