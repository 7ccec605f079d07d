"""How good the network of a recipe is: its validation data, during the run and afterwards."""

from pathlib import Path
from typing import Any, NamedTuple

import onnx

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.weights import WEIGHTS, resolve
from training.assemble import find_weights
from training.checkpoints import read_snapshot
from training.contracts import Evaluate
from training.deployable import build_described
from training.distributed import choose_device
from training.evals.report import Report
from training.publish import RECIPE_KEY
from training.published import Known
from training.recipe import Recipe
from training.recipes import find_recipe
from training.tasks import TASKS, Measurement
from training.tasks.detection import ARCHITECTURE_KEY
from training.tasks.pose import read_validation, truth_of


def build_evaluate(recipe: Recipe, folder: Path, scratch: Path, *, progress: bool) -> Evaluate:
    """What the loop calls after every few epochs: all metrics of the recipe's task.

    Args:
        recipe: says which data, and which number comes first.
        folder: of the data.
        scratch: where drawn pictures may be written.
        progress: whether to show a bar.
    """
    return TASKS[recipe.task].evaluation(recipe, folder, scratch, progress)


class Candidate(NamedTuple):
    """A network to measure, what it finds, and the recipe it was trained with; None where it does not say."""

    network: Any
    task: str
    recipe: Recipe | None


def load_candidate(name: str, folder: Path, device: str, known: Known = Known()) -> Candidate:  # noqa: B008 - it is frozen
    """Whatever can be evaluated.

    Args:
        name: an ONNX file or a name in `pose_core.weights.WEIGHTS`; or what `training.assemble.find_weights` finds.
        folder: of the data.
        device: where to compute.
        known: of a published checkpoint.

    Raises:
        PoseError: there is no such network, or it cannot be used.
    """
    if name in WEIGHTS or name.endswith(".onnx"):
        metadata = read_metadata(resolve(name))
        task = task_of(name, metadata)
        return Candidate(TASKS[task].from_file(name, device), task, recipe_of(metadata.get(RECIPE_KEY)))
    weights = find_weights(name, folder)
    snapshot = weights.parent / "state.json"
    description = known.describe(weights)
    built = build_described(weights, description)
    recipe = read_snapshot(weights.parent).recipe if snapshot.is_file() else recipe_of(description.recipe)
    network = TASKS[description.task].from_weights(built.to(choose_device(device)), name, description)
    return Candidate(network, description.task, recipe)


def task_of(name: str, metadata: dict[str, str]) -> str:
    """What an ONNX file finds: what the table says of its name, else what it says itself, else poses."""
    role = WEIGHTS[name].role if name in WEIGHTS else "detector" if ARCHITECTURE_KEY in metadata else "estimator"
    return next(task for task, about in TASKS.items() if about.role == role)


def recipe_of(name: str | None) -> Recipe | None:
    """The recipe of a name, if it is one of ours."""
    try:
        return find_recipe(name) if name else None
    except UnknownChoice:
        return None


def read_metadata(path: Path) -> dict[str, str]:
    """What an ONNX file says of itself."""
    return {entry.key: entry.value for entry in onnx.load(path, load_external_data=False).metadata_props}


def measure(candidate: Candidate, recipe: Recipe, folder: Path, scratch: Path, how: Measurement) -> Report:
    """All metrics of a network on a recipe's validation data.

    Raises:
        InvalidInput: the recipe is of another task.
    """
    if recipe.task != candidate.task:
        called = TASKS[candidate.task].called
        raise InvalidInput(f"{recipe.name} is no recipe for a {called}, which the network is", field="recipe")
    return TASKS[recipe.task].measure(candidate.network, recipe, folder, scratch, how)


__all__ = [
    "Candidate",
    "Measurement",
    "build_evaluate",
    "load_candidate",
    "measure",
    "read_metadata",
    "read_validation",
    "recipe_of",
    "truth_of",
]
