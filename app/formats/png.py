"""The skeleton map as a PNG."""

from app.answer import Answer
from app.formats.format import Format

FORMAT = Format("image/png", "png", Answer.map_png)
