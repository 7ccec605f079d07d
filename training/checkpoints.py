"""A run on disk, from which it continues to the same numbers.

    runs/NAME/
      log.jsonl, losses.png              see training.log
      checkpoints/step-00001200/         the newest few
        state.json                       recipe, step and versions
        networks.safetensors             the method's state dict, frozen parts included: no other file is needed
        average.safetensors              the running average of what changes
        optimiser.safetensors            the optimiser's moments by parameter, and the random number generators
        deployable.safetensors           the averaged network to evaluate, export or use as a teacher
      best.safetensors                   `deployable` of the best evaluation

A checkpoint is written beside its place and then renamed: what has its name is complete. Nothing is unpickled.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import TypeAdapter
from torch import Tensor

from pose_core.errors import InvalidInput
from training.conditions import UNKNOWN, Conditions
from training.contracts import Method
from training.deployable import Description, save_deployable, save_tensors
from training.ema import Average
from training.folders import PARTIAL, remove_folder, replacing_folder
from training.optim import trainable
from training.recipe import Recipe, StoredRecipe
from training.upstream import name_some, read_safetensors

logger = logging.getLogger(__name__)

FOLDER = "checkpoints"
STEP = "step-"
Tensors = dict[str, Tensor]


@dataclass(slots=True)
class TrainingState:
    """What a run carries from step to step.

    Attributes:
        method: all networks.
        optimiser: of the method's trainable parameters.
        average: of the method's changing tensors.
        step: finished steps over all epochs.
        best: headline of the best evaluation so far.
    """

    method: Method
    optimiser: torch.optim.Optimizer
    average: Average
    step: int = 0
    best: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The words and numbers of a checkpoint.

    Attributes:
        recipe: as it was run, overrides included.
        step: finished steps.
        steps_per_epoch: of the data it was trained on.
        best: headline of the best evaluation so far.
        versions: of what computed it.
        conditions: under which it was computed.
    """

    recipe: StoredRecipe
    step: int
    steps_per_epoch: int
    best: float | None = None
    versions: dict[str, str]
    conditions: Conditions = UNKNOWN


SNAPSHOT = TypeAdapter(Snapshot)


def save_checkpoint(
    run: Path,
    state: TrainingState,
    recipe: Recipe,
    steps_per_epoch: int,
    *,
    keep: int,
    conditions: Conditions = UNKNOWN,
) -> Path:
    """Write the checkpoint of `state.step` below the folder of a run and delete all but the newest `keep`."""
    snapshot = Snapshot(
        recipe=recipe,
        step=state.step,
        steps_per_epoch=steps_per_epoch,
        best=state.best,
        versions={"torch": torch.__version__},
        conditions=conditions,
    )
    folder = run / FOLDER / f"{STEP}{state.step:08d}"
    with replacing_folder(folder) as partial:
        (partial / "state.json").write_bytes(SNAPSHOT.dump_json(snapshot, indent=2))
        save_tensors(state.method.state_dict(), partial / "networks.safetensors")
        save_tensors(state.average.tensors, partial / "average.safetensors")
        save_tensors({**optimiser_tensors(state), **random_states()}, partial / "optimiser.safetensors")
        save_average(state, recipe, partial / "deployable.safetensors")
    for old in list_checkpoints(run)[:-keep]:
        remove_folder(old)
    return folder


def save_average(state: TrainingState, recipe: Recipe, path: Path) -> None:
    """Write the averaged deployable network."""
    with state.average.applied():
        tensors = state.method.deployable().state_dict()
        save_deployable(tensors, Description.of(recipe, state.step), path)


def list_checkpoints(run: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    return sorted(path for path in (run / FOLDER).glob(f"{STEP}*") if path.name.removeprefix(STEP).isdigit())


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the newest one of a run.

    Raises:
        InvalidInput: there is none.
    """
    if (path / "state.json").is_file():
        return path
    if checkpoints := list_checkpoints(path):
        return checkpoints[-1]
    raise InvalidInput(f"{path} is no checkpoint and no run that has one", field="checkpoint")


def read_snapshot(checkpoint: Path) -> Snapshot:
    """What a checkpoint says of itself.

    Raises:
        InvalidInput: it says it in another way than this version does.
    """
    try:
        return SNAPSHOT.validate_json((checkpoint / "state.json").read_bytes())
    except ValueError as error:
        raise InvalidInput(f"{checkpoint / 'state.json'} is damaged or of another version: {error}") from error


def restore(checkpoint: Path, state: TrainingState) -> Snapshot:
    """Give `state`, fresh from the same recipe, the values of a checkpoint, in place.

    Raises:
        InvalidInput: its words are of another version, or its tensors of another recipe.
        UnreadableCheckpointError: a file is damaged or missing; names it.
    """
    snapshot = read_snapshot(checkpoint)
    networks, average, remembered = (
        read_safetensors(checkpoint / f"{name}.safetensors") for name in ("networks", "average", "optimiser")
    )
    try:
        state.method.load_state_dict(networks)
        state.average.load(average)
        load_optimiser(state, remembered)
        load_random_states(remembered)
    except (RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidInput(f"{checkpoint} is not of this recipe, or damaged: {reason}", field="checkpoint") from error
    state.step, state.best = snapshot.step, snapshot.best
    return snapshot


def optimiser_tensors(state: TrainingState) -> Tensors:
    """The optimiser's memory, named `<parameter>/<moment>`; empty before the first step."""
    memory = state.optimiser.state
    return {f"{name}/{key}": kept for name, p in trainable(state.method).items() for key, kept in memory[p].items()}


def load_optimiser(state: TrainingState, tensors: Mapping[str, Tensor]) -> None:
    """Put `optimiser_tensors` back, on the device and in the memory format of each parameter."""
    parameters = trainable(state.method)
    for key, tensor in tensors.items():
        name, _, moment = key.rpartition("/")
        if name in parameters:
            parameter = parameters[name]
            step = moment == "step"  # a number; all others have the shape of the parameter
            kept = tensor.to(parameter.device) if step else torch.zeros_like(parameter).copy_(tensor)
            state.optimiser.state[parameter][moment] = kept


def random_states() -> Tensors:
    """The state of PyTorch's generators; nothing in `training` draws from any other global one."""
    states = {"random/cpu": torch.get_rng_state()}
    return states | {f"random/cuda:{n}": torch.cuda.get_rng_state(n) for n in range(torch.cuda.device_count())}


def load_random_states(tensors: Mapping[str, Tensor]) -> None:
    """Put `random_states` back, as far as this machine has the devices."""
    torch.set_rng_state(tensors["random/cpu"])
    for number in range(torch.cuda.device_count()):
        if (state := tensors.get(f"random/cuda:{number}")) is not None:
            torch.cuda.set_rng_state(state, number)


def remove_leftovers(run: Path) -> None:
    """Delete what killed processes were writing or deleting in the folder of a run."""
    for path in (*run.glob(f"{PARTIAL}*"), *(run / FOLDER).glob(f"{PARTIAL}*")):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def remove_newer(run: Path, step: int) -> None:
    """Delete the checkpoints after a step, which a run that continues from there will write anew."""
    newer = [folder for folder in list_checkpoints(run) if int(folder.name.removeprefix(STEP)) > step]
    if newer:
        logger.warning("going on from step %d; deleting %s", step, name_some([folder.name for folder in newer]))
    for folder in newer:
        remove_folder(folder)
