"""The skeleton map as a vector graphic."""

from app.answer import Answer
from app.formats.format import Format


def write(answer: Answer) -> bytes:
    """UTF-8 text."""
    return answer.svg().encode()


FORMAT = Format("image/svg+xml", "svg", write)
