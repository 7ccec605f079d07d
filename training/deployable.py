"""A trained network in one safetensors file that says what it is.

The tensors have the names of our networks, which are those of official checkpoints but for the token encoders
(`training.upstream`); the file's metadata say which network they belong to, so that it can be rebuilt, evaluated,
exported or used as a teacher without anything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from pydantic import BeforeValidator, TypeAdapter
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pose_core.errors import InvalidInput, PoseError, UnknownChoice
from pose_core.estimators import EstimatorSpec
from pose_core.schemes import SCHEMES, WHOLE_BODY
from pose_core.types import Size
from training.models import ESTIMATORS, MODELS, Network, build_model
from training.models.rtmpose import RtmPose
from training.recipe import Recipe, StoredCodec, in_todays_words
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
        codec: of a pose estimator, how it says where a point is.
        scheme: the points that it knows, a key of `pose_core.schemes.SCHEMES`.
        recipe: name of the recipe.
        step: finished steps of its run.
        task: what it was trained for, a name in `training.tasks.TASKS`.
    """

    model: str
    input_size: Size
    codec: StoredCodec
    scheme: str = WHOLE_BODY
    recipe: str
    step: int
    task: str = "pose"

    @classmethod
    def of(cls, recipe: Recipe, step: int) -> "Description":
        """The student of a recipe after some steps."""
        return cls(
            model=recipe.student.model,
            input_size=recipe.input_size,
            codec=recipe.codec,
            scheme=recipe.scheme,
            recipe=recipe.name,
            step=step,
            task=recipe.task,
        )

    @property
    def spec(self) -> EstimatorSpec:
        """What a pose estimator expects and answers."""
        return EstimatorSpec(input_size=self.input_size, codec=self.codec, scheme=self.scheme)


DESCRIPTION: TypeAdapter[Description] = TypeAdapter(Annotated[Description, BeforeValidator(in_todays_words)])


def save_deployable(tensors: Mapping[str, Tensor], description: Description, path: Path) -> None:
    """Write a network's state dict with its description, at once or not at all."""
    partial = path.with_name(f".partial-{path.name}")
    try:
        save_tensors(tensors, partial, {KEY: DESCRIPTION.dump_json(description).decode()})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def load_deployable(path: Path) -> tuple[RtmPose, Description]:
    """Rebuild an RTMPose in evaluation mode, and say what it is.

    Raises:
        InvalidInput: no file of `save_deployable`, or one of another network.
    """
    network, description = load_network(path)
    if not isinstance(network, RtmPose):
        raise InvalidInput(f"{path} is no RTMPose but a {description.model}", field="checkpoint")
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
    network = build_model(description.model, description.input_size, len(SCHEMES[description.scheme]))
    load_upstream(network, path, kind=None)
    return network.eval()


def describe(path: Path, model: str | None, spec: EstimatorSpec) -> Description:
    """What a file of weights says of itself, or what its user knows of a published one.

    Args:
        path: of the file.
        model: a name in `training.models.MODELS`; None for a file that says it itself.
        spec: what the network expects and answers; only used with a model.

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
    return Description(
        model=model,
        input_size=spec.input_size,
        codec=spec.codec,
        scheme=spec.scheme,
        recipe=path.stem,
        step=0,
        task="pose" if model in ESTIMATORS else "detection",
    )


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
