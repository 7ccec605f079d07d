"""What the user of a published checkpoint knows of it, because the file does not say it."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from pose_core.errors import InvalidInput
from pose_core.estimators import EstimatorSpec
from pose_core.types import Size
from training.deployable import Description, describe
from training.recipes import RECIPES
from training.recipes.parts import LOW

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
        return describe(weights, self.model, published_spec(self.model, parse_size(self.size)))


def published_spec(model: str | None, size: Size) -> EstimatorSpec:
    """What a network expects and answers that was trained as published, which is as the first recipe of ours says.

    Args:
        model: a name in `training.models.MODELS`.
        size: of its pictures; if no recipe has this one, only the size differs from what another recipe says.
    """
    recipes = [recipe for recipe in (build() for build in RECIPES.values()) if recipe.student.model == model]
    specs = [recipe.spec for recipe in recipes if recipe.input_size == size] or [recipe.spec for recipe in recipes]
    return replace(specs[0], input_size=size) if specs else EstimatorSpec(input_size=size)


def parse_size(text: str) -> Size:
    """Width and height, as in `192x256`.

    Raises:
        InvalidInput: it is something else.
    """
    numbers = re.fullmatch(r"(\d{1,4})x(\d{1,4})", text)
    if not numbers:
        raise InvalidInput(f"{text!r} is no WIDTHxHEIGHT, such as 192x256", field="size")
    return Size(int(numbers[1]), int(numbers[2]))
