"""From a recipe to the networks, the method and the batches that the loop needs."""

from collections.abc import Mapping
from inspect import Parameter, signature
from pathlib import Path
from typing import Final

import torch

from pose_core.codecs import Codec, Heatmap, Regression, SimCC
from pose_core.errors import InvalidInput, UnknownChoice, WeightsMissing
from pose_core.schemes import SCHEMES
from pose_core.skeleton import KEYPOINT_COUNT
from pose_core.types import Size
from training.checkpoints import find_checkpoint
from training.contracts import BatchSource, Method
from training.distributed import World
from training.methods import METHODS
from training.models import Network as Built
from training.models import build_model
from training.models.distilpose import DistilPose
from training.models.hourglass import StackedHourglass
from training.models.resize import SIZED, resize_weights
from training.models.rtmpose import RtmPose
from training.models.tokenpose import TokenPose
from training.models.yolox import YoloX
from training.onnx_weights import keeps_norms
from training.recipe import MethodRecipe, Network, Recipe
from training.tasks import TASKS
from training.upstream import Kind, load_upstream, read_checkpoint, require_match, select_weights
from training.yolox_onnx import load_yolox_onnx

LOADS: Final[Mapping[str, Kind | None]] = {
    "all": None,
    "backbone": "backbone",
    "stage1": "stage1",
    "stage2": "stage2",
    "stages": "stages",
    "imagenet": "imagenet",
}
"""What a recipe wants of a checkpoint -> its kind for `training.upstream`, None for what its keys say."""

CODEC_OUTPUTS: Final[Mapping[type[Codec], tuple[str, ...]]] = {
    SimCC: RtmPose.onnx_outputs,
    Heatmap: TokenPose.onnx_outputs,
    Regression: DistilPose.onnx_outputs,
}
"""What each codec decodes."""


def build_method(recipe: Recipe, folder: Path) -> Method:
    """Student, teacher and method of a recipe, the same numbers for the same seed.

    Args:
        recipe: names networks, weights and method.
        folder: of the data; relative paths of weights are looked for here, too.

    Raises:
        UnknownChoice: a name in none of our tables, or an option that the method does not have.
        WeightsMissing: see `find_weights`.
        ModelError: weights that do not fit.
        InvalidInput: networks that the method cannot use, or a codec that is not the student's.
    """
    require_options(recipe.method)
    torch.manual_seed(recipe.seed)
    if recipe.student.input_size is not None:
        raise InvalidInput("a student's crops are the recipe's", field="input_size")
    if recipe.scheme not in SCHEMES:
        raise UnknownChoice("scheme", recipe.scheme, SCHEMES)
    keypoints = len(SCHEMES[recipe.scheme])
    student = build_network(recipe.student, recipe.input_size, folder, keypoints)
    if recipe.student.model not in TASKS[recipe.task].models:
        raise InvalidInput(f"{recipe.student.model} is no {TASKS[recipe.task].called}", field="model")
    if recipe.task == "pose":
        require_codec(recipe.codec, student, recipe.student.model)
    teacher = recipe.teacher and build_network(recipe.teacher, recipe.input_size, folder, keypoints)
    return METHODS[recipe.method.name](student, teacher, **dict(recipe.method.options))


def require_options(method: MethodRecipe) -> None:
    """Refuse a method that does not exist, or an option that it does not have.

    Raises:
        UnknownChoice: with those that exist.
    """
    if method.name not in METHODS:
        raise UnknownChoice("method", method.name, METHODS)
    parameters = signature(METHODS[method.name]).parameters.values()
    known = [parameter.name for parameter in parameters if parameter.kind is Parameter.KEYWORD_ONLY]
    for name, _ in method.options:
        if name not in known:
            raise UnknownChoice(f"options of {method.name}", name, known)


def require_codec(codec: Codec, student: Built, model: str) -> None:
    """Refuse a codec whose targets are not what the student answers.

    Raises:
        InvalidInput: it is of another kind, or of maps of another size.
    """
    expected = CODEC_OUTPUTS[type(codec)]
    if expected != student.onnx_outputs:
        names = f"{type(codec).__name__} is of {', '.join(expected)}; {model} answers {', '.join(student.onnx_outputs)}"
        raise InvalidInput(names, field="codec")
    if isinstance(codec, Heatmap) and isinstance(student, StackedHourglass | TokenPose):
        ours, theirs = (f"{size.width} x {size.height}" for size in (codec.map_size, student.map_size))
        if ours != theirs:
            raise InvalidInput(f"{ours} cells, {model} answers maps of {theirs}", field="map_size")


def build_network(network: Network, input_size: Size, folder: Path, keypoints: int = KEYPOINT_COUNT) -> Built:
    """A network with its weights, or a fresh one; see `training.models.build_model`.

    Raises:
        UnknownChoice: see `build_method`.
        WeightsMissing: see `find_weights`.
        ModelError: weights that do not fit.
        InvalidInput: stages to freeze of a network that has none, or not so many.
    """
    built = build_model(network.model, network.input_size or input_size, keypoints)
    if network.weights is not None:
        load_weights(built, find_weights(network.weights, folder), network)
    if network.frozen_stages:
        if not isinstance(built, RtmPose):
            raise InvalidInput(f"{network.model} has no stages that could be frozen", field="frozen_stages")
        built.backbone.freeze_stages(network.frozen_stages)
    return built


def load_weights(built: Built, path: Path, network: Network) -> None:
    """Fill a network with weights, ours or published ones, in place.

    Raises:
        ModelError: they do not fit.
    """
    if path.suffix == ".onnx" and isinstance(built, YoloX) and not keeps_norms(path):
        load_yolox_onnx(built, path)
    elif network.load == "resized":
        load_resized(built, path)
    else:
        load_upstream(built, path, LOADS[network.load])


def load_resized(built: Built, path: Path) -> None:
    """Fill an estimator with the weights of one for another size of crop, in place.

    Raises:
        ModelError: they are not those of such a network.
    """
    state = select_weights(read_checkpoint(path), "estimator", str(path))
    if state.keys() >= SIZED:
        state = resize_weights(state, built.input_size)
    require_match(state, built.state_dict(), str(path))
    built.load_state_dict(state, strict=True)


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


def build_batches(recipe: Recipe, folder: Path, world: World) -> BatchSource:
    """The training data of one process.

    Raises:
        InvalidInput: a source that is not what it should be, or nobody to learn from.
    """
    return TASKS[recipe.task].batches(recipe, folder, world)
