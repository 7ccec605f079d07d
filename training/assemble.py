"""From a recipe to the networks, the method and the batches that the loop needs."""

from pathlib import Path

import torch

from pose_core.codecs import SimCC
from pose_core.errors import InvalidInput, UnknownChoice, WeightsMissing
from pose_core.types import Size
from training.checkpoints import find_checkpoint
from training.contracts import Method
from training.data import load_sources
from training.data.loading import Loader, Loading, training_loader
from training.distributed import World
from training.methods import METHODS
from training.models import MODELS
from training.models.rtmpose import RtmPose
from training.recipe import Network, Recipe
from training.upstream import load_upstream


def build_method(recipe: Recipe, folder: Path) -> Method:
    """Student, teacher and method of a recipe, the same numbers for the same seed.

    Args:
        recipe: names networks, weights and method.
        folder: of the data; relative paths of weights are looked for here, too.

    Raises:
        UnknownChoice: a name in none of our tables.
        WeightsMissing: see `find_weights`.
        ModelError: weights that do not fit.
        InvalidInput: networks that the method cannot use.
    """
    if recipe.method.name not in METHODS:
        raise UnknownChoice("method", recipe.method.name, METHODS)
    torch.manual_seed(recipe.seed)
    student = build_network(recipe.student, recipe.input_size, folder)
    teacher = recipe.teacher and build_network(recipe.teacher, recipe.input_size, folder)
    return METHODS[recipe.method.name](student, teacher, **dict(recipe.method.options))


def build_network(network: Network, input_size: Size, folder: Path) -> RtmPose:
    """A network with its weights, or a fresh one.

    Raises:
        InvalidInput: a network that is no pose estimator.
        UnknownChoice: see `build_method`.
        WeightsMissing: see `find_weights`.
        ModelError: weights that do not fit.
    """
    if network.model not in MODELS:
        raise UnknownChoice("model", network.model, MODELS)
    built = MODELS[network.model](input_size=input_size)
    if not isinstance(built, RtmPose):
        raise InvalidInput(f"{network.model} is no pose estimator", field="model")
    if network.weights is not None:
        load_upstream(
            built, find_weights(network.weights, folder), "backbone" if network.load == "backbone" else "estimator"
        )
    return built


def find_weights(name: str, folder: Path) -> Path:
    """The file that a recipe or the command line means.

    Args:
        name: a file, or the folder of a run or of one of its checkpoints, relative to where we are or to `folder`.
        folder: of the data.

    Raises:
        WeightsMissing: neither is there.
    """
    for path in (Path(name).expanduser(), folder / name):
        if path.is_file():
            return path
        if path.is_dir():
            return find_checkpoint(path) / "deployable.safetensors"
    raise WeightsMissing(f"{name}: no such file or run, neither here nor in {folder}; see docs/training.md")


def build_batches(recipe: Recipe, folder: Path, world: World) -> Loader:
    """The training data of one process.

    Raises:
        InvalidInput: a source that is not what it should be, or nobody to learn from.
    """
    loading = Loading(
        input_size=recipe.input_size,
        codec=SimCC(sigma=recipe.sigma),
        batch_size=recipe.batch_size,
        seed=recipe.seed,
        rank=world.rank,
        world=world.size,
        workers=recipe.data.workers,
        steps_per_epoch=recipe.steps_per_epoch,
        absent_weight=recipe.data.absent_weight,
    )
    return training_loader(load_sources(folder, recipe.data.train).dataset, recipe.data, loading)
