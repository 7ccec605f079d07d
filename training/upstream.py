"""Published checkpoints of mmpose and DWPose into our networks, key by key, without running anything they contain.

Our networks carry the published names, so loading is choosing keys by their prefix and being strict about the rest:

    estimator   all                                     a trained network of mmpose, or one of ours
    backbone    backbone.*                              a pre-trained body network; its head is left alone
    stage1      student.*                               a run of DWPose's first stage
    stage2      teacher.backbone.*, student.head.*      a run of DWPose's second stage: the backbone that was trained
                                                        is the teacher's, the student's own one never ran
    stages      backbone.*                              a network with more stages of HRNet than ours, or as many
    imagenet    conv*, bn*, layer1.*, ...               HRNet as it was trained to name pictures, likewise
    tokens      backbone.*, keypoint_head.*             TokenPose or DistilPose as published with the latter; the names
                                                        in its encoder are longer than ours

Sources: DWPose@0232d66 and mmpose@759b39c1, pth_transfer.py; yshMars/DistilPose@91651a8.
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from pose_core.errors import ModelError, UnknownChoice
from training.onnx_weights import read_onnx_weights

Kind = Literal["estimator", "backbone", "stage1", "stage2", "stages", "imagenet", "tokens"]

StateDict = Mapping[str, Tensor]

LISTED_KEYS: Final = 20

STARTS: Final = (b"PK\x03\x04", b"\x80")
"""How files of `torch.save` begin: a zip archive, or before torch 1.6 a pickle."""

LONGEST_START: Final = 16


class CheckpointMismatchError(ModelError):
    """A checkpoint whose tensors are not those of the network."""


class UnreadableCheckpointError(ModelError):
    """A file that holds no weights, or holds them together with things that are not safe to load."""


@dataclass(frozen=True, slots=True)
class Prefixes:
    """How the keys of a checkpoint become those of a network.

    Attributes:
        kept: prefix in the checkpoint -> prefix in the network.
        dropped: prefixes of keys that the network has no use for; any other key is an error.
        renamed: what stands in the middle of a kept key -> in the network's, one after the other.
    """

    kept: Mapping[str, str]
    dropped: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)


KINDS: Final[Mapping[Kind, Prefixes]] = {
    "estimator": Prefixes({"": ""}),
    "backbone": Prefixes({"backbone.": "backbone."}, dropped=("head.", "neck.")),
    "stage1": Prefixes({"student.": ""}, dropped=("teacher.", "distill_losses.")),
    "stage2": Prefixes(
        {"teacher.backbone.": "backbone.", "student.head.": "head."},
        dropped=("teacher.head.", "student.backbone.", "distill_losses."),
    ),
    "stages": Prefixes({"backbone.": "backbone."}, dropped=("head.", "keypoint_head.")),
    "imagenet": Prefixes(
        {part: f"backbone.{part}" for part in ("conv1.", "bn1.", "conv2.", "bn2.", "layer1.", "transition", "stage")},
        dropped=("incre_modules.", "downsamp_modules.", "final_layer.", "classifier."),
    ),
    "tokens": Prefixes(
        {"backbone.": "backbone.", "keypoint_head.tokenhead.": "head.", "keypoint_head.tokenpose.": "head."},
        dropped=("keypoint_head.tokenhead.pos_embedding", "keypoint_head.tokenpose.pos_embedding"),
        renamed={
            "head.keypoint_token": "head.encoder.keypoint_token",
            "head.patch_to_embedding.": "head.encoder.patch_to_token.",
            "head.transformer.layers.": "head.encoder.layers.",
            ".0.fn.norm.": ".attention_norm.",
            ".0.fn.fn.to_qkv.": ".attention.qkv.",
            ".0.fn.fn.to_out.0.": ".attention.out.",
            ".1.fn.norm.": ".mlp_norm.",
            ".1.fn.fn.net.0.": ".mlp.0.",
            ".1.fn.fn.net.3.": ".mlp.2.",
            "head.mlp_head.": "head.mlp.",
        },
    ),
}

PARTS: Final[tuple[Kind, ...]] = ("backbone", "stages", "imagenet")
"""Kinds that fill a backbone only."""

LARGER: Final[tuple[Kind, ...]] = ("stages", "imagenet")
"""Kinds whose backbone may have tensors that ours has not."""


class Forgotten:
    """What an object beside the weights becomes: it takes whatever it is said to be made of and keeps nothing."""

    def __new__(cls, *_: object) -> Self:
        """Ignore the arguments."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Ignore the state."""


BESIDE_WEIGHTS: Final = (
    "mmengine.logging.history_buffer.HistoryBuffer",
    *(f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    "numpy.dtype",
    "numpy.ndarray",
)
"""What mmengine stores beside the weights: logged losses and the data set's description. Each of these names stands for
`Forgotten` while a file is read, so neither their code nor any other code that a file names is run."""


def load_upstream(network: nn.Module, path: Path, kind: Kind | None = "estimator") -> None:
    """Fill a network with published weights, in place and completely (of `PARTS`, its backbone).

    Args:
        network: with a part `backbone` if only that is wanted.
        path: `.safetensors`, a `.pth` of torch, or an `.onnx` of ours with its batch norms.
        kind: what the file is; see the module's docstring. None to find out by its keys, see `find_kind`.

    Raises:
        UnknownChoice: `kind` is not in `KINDS`.
        UnreadableCheckpointError: see `read_checkpoint`.
        CheckpointMismatchError: a tensor is missing, unknown or of another shape; the message lists them and the
            network is as it was. Or the network has no backbone, and only that was to be filled.
    """
    content = read_checkpoint(path)
    state = select_weights(content, kind or find_kind(content), str(path))
    wanted = network.state_dict()
    if kind in PARTS:
        wanted = {key: tensor for key, tensor in wanted.items() if key.startswith("backbone.")}
        if not wanted:
            raise CheckpointMismatchError(f"{path} was to fill a backbone; the network has no backbone")
    if kind in LARGER:
        state = {key: tensor for key, tensor in state.items() if key in wanted}
    require_match(state, wanted, str(path))
    network.load_state_dict({**network.state_dict(), **state}, strict=True)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by their names, on the CPU. Of mmengine's files that is the entry `state_dict`.

    Raises:
        UnreadableCheckpointError: no such file, no weights in it, or objects that this function refuses to load.
    """
    if path.suffix == ".onnx":
        return read_onnx_weights(path)
    content = read_safetensors(path) if path.suffix == ".safetensors" else read_pickle(path)
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise UnreadableCheckpointError(f"{path} holds no state_dict")
    strange = [str(key) for key, value in state.items() if not (isinstance(key, str) and isinstance(value, Tensor))]
    if strange:
        raise UnreadableCheckpointError(f"{path} holds more than tensors: {name_some(strange)}")
    return dict(state)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The content of a safetensors file."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise UnreadableCheckpointError(f"{path} cannot be read: {error}") from error


def read_pickle(path: Path) -> Any:  # noqa: ANN401 - whatever is in the file
    """The content of a file of `torch.save`, of which only tensors and plain containers are made."""
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_START)
        if not start.startswith(STARTS):
            raise UnreadableCheckpointError(f"{path} is no checkpoint; it begins with {start!r} (a failed download?)")
        with torch.serialization.safe_globals([(Forgotten, name) for name in BESIDE_WEIGHTS]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UnreadableCheckpointError(
            f"{path} holds objects that are not safe to load. If you trust its author, load it where those objects are "
            "installed with torch.load(..., weights_only=False), keep nothing but its state_dict, save that with "
            f"safetensors.torch.save_file and use the new file. torch says: {first_sentence(error)}"
        ) from error
    except (OSError, EOFError, RuntimeError) as error:
        raise UnreadableCheckpointError(f"{path} cannot be read: {error}") from error


def first_sentence(error: Exception) -> str:
    """What torch refused, without its advice to load the file regardless."""
    text = str(error).partition("WeightsUnpickler error: ")
    return (text[2] or text[0]).strip().partition(". ")[0].partition("\n")[0]


def find_kind(state: StateDict) -> Kind:
    """What a whole checkpoint is, by its keys: a run of DWPose's published distiller, or a network.

    A first stage is told from a second one by what its feature loss has learnt, or else by a student whose backbone is
    not the teacher's.
    """
    if any(key.startswith("keypoint_head.token") for key in state):
        return "tokens"
    if not any(key.startswith("student.") for key in state):
        return "estimator"
    teacher, student = (
        {key.removeprefix(prefix): tensor.shape for key, tensor in state.items() if key.startswith(prefix)}
        for prefix in ("teacher.backbone.", "student.backbone.")
    )
    learnt = any(key.startswith("distill_losses.") for key in state)
    return "stage1" if learnt or teacher != student else "stage2"


def select_weights(state: StateDict, kind: Kind, name: str = "checkpoint") -> dict[str, Tensor]:
    """The tensors that a network wants, under the network's keys.

    Args:
        state: of a whole checkpoint.
        kind: a key of `KINDS`.
        name: of the checkpoint, for messages.

    Raises:
        UnknownChoice: `kind` is not in `KINDS`.
        CheckpointMismatchError: keys that such a checkpoint does not have, or none of those it must have.
    """
    if kind not in KINDS:
        raise UnknownChoice("kind", kind, KINDS)
    prefixes, selected, unknown = KINDS[kind], {}, []
    for key, tensor in state.items():
        if key.startswith(prefixes.dropped):
            continue
        old = next((prefix for prefix in prefixes.kept if key.startswith(prefix)), None)
        if old is None:
            unknown.append(key)
        else:
            selected[rename(prefixes.kept[old] + key.removeprefix(old), prefixes.renamed)] = tensor
    if unknown:
        raise CheckpointMismatchError(f"{name} is no {kind} checkpoint; it has unknown keys {name_some(unknown)}")
    if not selected:
        raise CheckpointMismatchError(f"{name} is no {kind} checkpoint; it has no {' or '.join(prefixes.kept)}")
    return selected


def rename(key: str, renamed: Mapping[str, str]) -> str:
    """A key with every part replaced that has another name in our networks."""
    for old, new in renamed.items():
        key = key.replace(old, new)
    return key


def require_match(state: StateDict, wanted: StateDict, name: str) -> None:
    """Raise unless both have the same keys with the same shapes."""
    wrong_shape = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(tensor.shape)}"
        for key, tensor in wanted.items()
        if key in state and state[key].shape != tensor.shape
    ]
    faults = {
        "missing": [key for key in wanted if key not in state],
        "unknown": [key for key in state if key not in wanted],
        "of another shape": wrong_shape,
    }
    listed = [f"{len(keys)} {fault}: {name_some(keys)}" for fault, keys in faults.items() if keys]
    if listed:
        raise CheckpointMismatchError(f"{name} does not fit the network. {'; '.join(listed)}")


def name_some(keys: list[str]) -> str:
    """The first keys, and how many more there are."""
    more = f" and {len(keys) - LISTED_KEYS} more" if len(keys) > LISTED_KEYS else ""
    return ", ".join(keys[:LISTED_KEYS]) + more
