"""The weights in one of our own ONNX files, by their names, so that training can go on from what is served.

A file says them all if it was exported with its batch norms kept, as those inside the package were: then every stored
tensor is one of the state dict. Others have their norms folded into the convolutions and say too little.
"""

from pathlib import Path

import onnx
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from torch import Tensor

from pose_core.errors import ModelError
from training.half import SUFFIX

PREFIXES = ("backbone.", "head.")
"""How names of our networks begin."""

COUNTED = ".running_mean"
COUNTER = ".num_batches_tracked"
"""A batch norm also counts what it has seen; no file for inference says that, and nothing here depends on it."""


class NormsFoldedError(ModelError):
    """A file that says what a network computes, but not what it was made of."""


def keeps_norms(path: Path) -> bool:
    """Whether a file says what a network was made of.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        read_onnx_weights(path)
    except NormsFoldedError:
        return False
    return True


def read_onnx_weights(path: Path) -> dict[str, Tensor]:
    """The state dict that a file was exported from, in float32.

    Raises:
        ModelError: it cannot be read.
        NormsFoldedError: it was exported without `keep_norms`, or by somebody else.
    """
    try:
        graph = onnx.load(path).graph
    except (OSError, DecodeError) as error:
        raise ModelError(f"{path} cannot be read: {error}") from error
    arrays = {tensor.name.removesuffix(SUFFIX): onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:  # equal tensors are stored once and passed on by name
        if node.op_type == "Identity" and node.input[0] in arrays:
            arrays[node.output[0]] = arrays[node.input[0]]
    named = {name: array for name, array in arrays.items() if name.startswith(PREFIXES)}
    weights = {name: torch.tensor(array).float() for name, array in named.items()}
    counted = [name.removesuffix(COUNTED) for name in weights if name.endswith(COUNTED)]
    if not counted:
        raise NormsFoldedError(f"{path} has no batch norms to go on from; `export --keep-norms` writes files that have")
    return weights | {name + COUNTER: torch.tensor(0) for name in counted}
