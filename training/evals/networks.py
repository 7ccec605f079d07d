"""Whatever can be evaluated, as one function from crops to outputs: a torch network or an ONNX file."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pose_core.estimators import ESTIMATORS, EstimatorSpec, open_estimator
from pose_core.session import Device, Session
from pose_core.steps import plan_batches
from training.contracts import Exportable
from training.evals.records import Floats

Run = Callable[[Floats], Sequence[Floats]]
"""Normalised RGB crops (batch, 3, height, width), float32, to the network's outputs, each with the batch first."""


@dataclass(frozen=True, slots=True)
class EvalNetwork:
    """A network ready to be evaluated.

    Attributes:
        name: for reports.
        spec: what its crops look like and how its outputs become points.
        run: the network itself, for any number of crops.
    """

    name: str
    spec: EstimatorSpec
    run: Run


def torch_network(network: Exportable, name: str, spec: EstimatorSpec) -> EvalNetwork:
    """A torch network on whatever device it is; it is put into evaluation mode for each run and back afterwards.

    Args:
        network: a `torch.nn.Module` that returns a tuple of tensors, such as `training.models.rtmpose.RtmPose`.
        name: for reports.
        spec: what it expects and answers.
    """
    assert isinstance(network, nn.Module)
    return EvalNetwork(name, spec, partial(run_torch, network))


def run_torch(network: nn.Module, crops: Floats) -> list[Floats]:
    """Crops through a torch network in evaluation mode and without gradients."""
    device = next(network.parameters()).device
    with evaluating(network), torch.inference_mode():
        outputs: tuple[Tensor, ...] = network(torch.from_numpy(crops).to(device))
        return [output.float().cpu().numpy() for output in outputs]


@contextlib.contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards each module is in the mode it was in."""
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def onnx_network(
    name_or_path: str, device: Device = "auto", threads: int = 0, spec: EstimatorSpec | None = None
) -> EvalNetwork:
    """A network as it is served: a name in `pose_core.weights.WEIGHTS` or the path of an ONNX file.

    Args:
        name_or_path: what to load.
        device: where to run.
        threads: of one run on the CPU, 0 for one per core.
        spec: what to feed and how to decode; found like `pose_core.estimators.load_estimator` does by default.

    Raises:
        UnknownChoice: neither a name nor a file.
        WeightsMissing: a known name whose file has not been pulled.
        ModelError: a file that is no estimator we know.
        DeviceUnavailable: see `pose_core.session.open_session`.
    """
    session, found = open_estimator(name_or_path, device, threads)
    name = name_or_path if name_or_path in ESTIMATORS else session.path.stem
    fitting = replace(spec, input_size=found.input_size) if spec else found
    return EvalNetwork(name, fitting, partial(run_onnx, session))


def run_onnx(session: Session, crops: Floats) -> list[Floats]:
    """Crops through a session, in batches of the sizes it accepts; what fills up the last batch is dropped again."""
    runs: list[list[Floats]] = []
    for start, stop, batch_size in plan_batches(len(crops), session.batch_sizes):
        batch = np.zeros((batch_size, *crops.shape[1:]), np.float32)
        batch[: stop - start] = crops[start:stop]
        outputs = session.run(batch)
        runs.append([outputs[name][: stop - start].astype(np.float32) for name in session.output_names])
    return [np.concatenate(parts) for parts in zip(*runs, strict=True)]
