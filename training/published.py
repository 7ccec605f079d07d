"""What the user of a published checkpoint knows of it, because the file does not say it."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from pose_core.errors import InvalidInput
from pose_core.estimators import EstimatorSpec
from pose_core.types import Size
from training.deployable import Description, describe
from training.recipes.parts import HIGH, LOW

CODECS: Final = {LOW.input_size: LOW.codec, HIGH.input_size: HIGH.codec}
"""Of the published networks, by input size."""

DEFAULT_SIZE: Final = f"{LOW.input_size.width}x{LOW.input_size.height}"


class Known(NamedTuple):
    """A name in `training.models.MODELS`, None for files that say it themselves, and `WIDTHxHEIGHT`."""

    model: str | None = None
    size: str = DEFAULT_SIZE

    def describe(self, weights: Path) -> Description:
        """What a file of weights is.

        Raises:
            InvalidInput: nobody says it, or not in the right words.
        """
        size = parse_size(self.size)
        return describe(weights, self.model, EstimatorSpec(input_size=size, codec=CODECS.get(size, LOW.codec)))


def parse_size(text: str) -> Size:
    """Width and height, as in `192x256`.

    Raises:
        InvalidInput: it is something else.
    """
    numbers = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not numbers:
        raise InvalidInput(f"{text!r} is no WIDTHxHEIGHT, such as 192x256", field="size")
    return Size(int(numbers[1]), int(numbers[2]))
