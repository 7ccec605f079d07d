"""A trained network in one safetensors file that says what it is.

The tensors have the names of official checkpoints, `backbone.*` and `head.*`; the file's metadata say which network
they belong to, so that it can be rebuilt, evaluated, exported or used as a teacher without anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pose_core.codecs import SimCC
from pose_core.errors import InvalidInput
from pose_core.estimators import EstimatorSpec
from pose_core.types import Size
from training.models import MODELS
from training.models.rtmpose import RtmPose
from training.recipe import Recipe
from training.upstream import load_upstream

KEY = "skelmap.network"
"""Where the description is in the file's metadata."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a file of weights belongs to and comes from.

    Attributes:
        model: a name in `training.models.MODELS`.
        input_size: of the crops.
        sigma: of the labels it was trained on, in bins.
        recipe: name of the recipe.
        step: finished steps of its run.
    """

    model: str
    input_size: Size
    sigma: tuple[float, float]
    recipe: str
    step: int

    @classmethod
    def of(cls, recipe: Recipe, step: int) -> "Description":
        """The student of a recipe after some steps."""
        model, size = recipe.student.model, recipe.input_size
        return cls(model=model, input_size=size, sigma=recipe.sigma, recipe=recipe.name, step=step)

    @property
    def spec(self) -> EstimatorSpec:
        """What the network expects and answers."""
        return EstimatorSpec(input_size=self.input_size, codec=SimCC(sigma=self.sigma))


DESCRIPTION = TypeAdapter(Description)


def save_deployable(tensors: Mapping[str, Tensor], description: Description, path: Path) -> None:
    """Write a network's state dict with its description, at once or not at all."""
    partial = path.with_name(f".partial-{path.name}")
    save_tensors(tensors, partial, {KEY: DESCRIPTION.dump_json(description).decode()})
    partial.replace(path)


def load_deployable(path: Path) -> tuple[RtmPose, Description]:
    """Rebuild a network in evaluation mode, and say what it is.

    Raises:
        InvalidInput: no file of `save_deployable`.
    """
    description = read_description(path)
    network = MODELS[description.model](input_size=description.input_size)
    assert isinstance(network, RtmPose)
    load_upstream(network, path)
    return network.eval(), description


def read_description(path: Path) -> Description:
    """What a file of weights says of itself.

    Raises:
        InvalidInput: it is no safetensors file, or has no description.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}", field="checkpoint") from error
    if KEY not in metadata:
        raise InvalidInput(f"{path} does not say which network it belongs to", field="checkpoint")
    try:
        return DESCRIPTION.validate_json(metadata[KEY])
    except ValueError as error:
        raise InvalidInput(f"{path} is of another version: {error}", field="checkpoint") from error


def save_tensors(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to a safetensors file, each row by row whatever its memory format."""
    content: dict[str, torch.Tensor] = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    save_file(content, path, dict(metadata or {}))
