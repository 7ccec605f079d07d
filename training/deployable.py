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
from pose_core.errors import InvalidInput, PoseError, UnknownChoice
from pose_core.estimators import EstimatorSpec
from pose_core.types import Size
from training.models import MODELS, Network
from training.models.rtmpose import RtmPose
from training.recipe import Recipe
from training.upstream import load_upstream

KEY = "skelmap.network"
"""Where the description is in the file's metadata."""


class UnwritableError(PoseError):
    """A file that the disk does not take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What a file of weights belongs to and comes from.

    Attributes:
        model: a name in `training.models.MODELS`.
        input_size: of the pictures it sees.
        sigma: of the labels that a pose estimator was trained on, in bins.
        recipe: name of the recipe.
        step: finished steps of its run.
        task: what it was trained for, a name in `training.tasks.TASKS`.
    """

    model: str
    input_size: Size
    sigma: tuple[float, float]
    recipe: str
    step: int
    task: str = "pose"

    @classmethod
    def of(cls, recipe: Recipe, step: int) -> "Description":
        """The student of a recipe after some steps."""
        model, size = recipe.student.model, recipe.input_size
        return cls(model=model, input_size=size, sigma=recipe.sigma, recipe=recipe.name, step=step, task=recipe.task)

    @property
    def spec(self) -> EstimatorSpec:
        """What a pose estimator expects and answers."""
        return EstimatorSpec(input_size=self.input_size, codec=SimCC(sigma=self.sigma))


DESCRIPTION = TypeAdapter(Description)


def save_deployable(tensors: Mapping[str, Tensor], description: Description, path: Path) -> None:
    """Write a network's state dict with its description, at once or not at all."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        save_tensors(tensors, partial, {KEY: DESCRIPTION.dump_json(description).decode()})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_deployable(path: Path) -> tuple[RtmPose, Description]:
    """Rebuild a pose estimator in evaluation mode, and say what it is.

    Raises:
        InvalidInput: no file of `save_deployable`, or one of another network.
    """
    network, description = load_network(path)
    if not isinstance(network, RtmPose):
        raise InvalidInput(f"{path} is no pose estimator but a {description.model}", field="checkpoint")
    return network, description


def load_network(path: Path) -> tuple[Network, Description]:
    """Rebuild a network of any task in evaluation mode, and say what it is.

    Raises:
        InvalidInput: no file of `save_deployable`.
    """
    description = read_description(path)
    return build_described(path, description), description


def build_described(path: Path, description: Description) -> Network:
    """A network in evaluation mode with the weights of a file, ours or a published one.

    Raises:
        ModelError: the weights are not those of such a network.
    """
    network = MODELS[description.model](input_size=description.input_size)
    load_upstream(network, path, kind=None)
    return network.eval()


def describe(path: Path, model: str | None, input_size: Size, sigma: tuple[float, float]) -> Description:
    """What a file of weights says of itself, or what its user knows of a published one.

    Args:
        path: of the file.
        model: a name in `training.models.MODELS`; None for a file that says it itself.
        input_size: of the pictures; as everything after it, only used with a model.
        sigma: of the labels.

    Raises:
        UnknownChoice: there is no such model.
        InvalidInput: the file does not say it and nobody else does.
    """
    if model is None:
        if path.suffix != ".safetensors":
            raise InvalidInput(f"{path} does not say which network it belongs to; --model and --size do", field="model")
        return read_description(path)
    if model not in MODELS:
        raise UnknownChoice("model", model, MODELS)
    task = "pose" if isinstance(MODELS[model](input_size=input_size), RtmPose) else "detection"
    return Description(model=model, input_size=input_size, sigma=sigma, recipe=path.stem, step=0, task=task)


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
    """Write tensors to a safetensors file, each row by row whatever its memory format.

    Raises:
        UnwritableError: the disk is full, or the folder is not there.
    """
    content: dict[str, torch.Tensor] = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(content, path, dict(metadata or {}))
    except SafetensorError as error:
        raise UnwritableError(f"{path} cannot be written: {error}") from error
