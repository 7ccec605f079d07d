"""A trained network to an ONNX file that says the same numbers.

Decision: the TorchScript exporter (`dynamo=False`). It needs nothing but torch and onnx, folds batch norms into the
convolutions and writes graphs that also OpenCV reads; the newer exporter needs onnxscript. It announces its own end,
so torch is pinned and the announcements are silenced here, one by one.

The file that is compared is the file that is kept: `export_onnx` writes beside the target, compares, then renames. A
failed comparison leaves nothing behind.
"""

import copy
import hashlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pose_core.errors import InvalidInput, ModelError, UnknownChoice
from pose_core.session import Session, open_session
from training.contracts import Exportable
from training.half import convert_to_half, store_in_half

OPSET = 17
"""ONNX operator set of our files; onnxruntime and TensorRT have known it for years."""


class Precision(NamedTuple):
    """How the numbers of a file are kept: what is done to the float32 graph, and how far it may then be from torch.

    The tolerance is the largest difference relative to the largest value of an output.
    """

    convert: Callable[[onnx.ModelProto], onnx.ModelProto]
    tolerance: float


PRECISIONS = {
    "float32": Precision(lambda model: model, 1e-4),
    "float16": Precision(convert_to_half, 2e-2),
    "float16-weights": Precision(store_in_half, 2e-2),
}
"""By name: everything in float32; everything in float16, for GPUs; weights in float16 but computed in float32, for
CPUs."""


class ExportMismatchError(ModelError):
    """An exported file whose numbers are not those of the network it came from."""


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export produced.

    Attributes:
        path: the file.
        sha256: hex digest of its bytes.
        bytes: its size.
        errors: per output name, the largest difference from torch, relative to the largest value of that output.
    """

    path: Path
    sha256: str
    bytes: int
    errors: dict[str, float]


def export_onnx(
    model: Exportable,
    path: Path,
    *,
    image_B3HW: Tensor | None = None,
    metadata: Mapping[str, str] | None = None,
    dynamic_batch: bool = True,
    keep_norms: bool = False,
    opset: int = OPSET,
    precision: str = "float32",
    tolerance: float | None = None,
) -> ExportReport:
    """Write `model` to `path` in evaluation mode and float32, and prove that onnxruntime computes the same.

    Args:
        model: left as it is; a copy on the CPU is exported.
        path: replaced if it exists; its folder is made.
        image_B3HW: what to compare on, best real crops; noise of the input's size if None.
        metadata: strings for the file's `metadata_props`.
        dynamic_batch: whether the batch axis is free; otherwise it is 1.
        keep_norms: whether batch norms stay what they are, and every tensor keeps its name, so that training can go on
            from the file (`training.onnx_weights`). onnxruntime folds them when it loads the file.
        opset: ONNX operator set.
        precision: a key of `PRECISIONS`; input and outputs are float32 in any case.
        tolerance: of the precision by default.

    Raises:
        ExportMismatchError: an output differs by more than `tolerance` or is not finite; no file is written.
        InvalidInput: there is no picture to compare on.
        UnknownChoice: of `precision`.
    """
    if precision not in PRECISIONS:
        raise UnknownChoice("precision", precision, PRECISIONS)
    convert, allowed = PRECISIONS[precision]
    network = copy_for_export(model)
    image_B3HW = make_noise(model) if image_B3HW is None else image_B3HW.cpu().float()
    if not len(image_B3HW):
        raise InvalidInput("at least one picture is needed to compare on", field="image_B3HW")
    with replacing(path) as partial:
        trace_onnx(
            network, model, image_B3HW[:1], partial, dynamic_batch=dynamic_batch, keep_norms=keep_norms, opset=opset
        )
        shapes = [output.shape for output in run_torch(network, image_B3HW[:1])]
        finish_file(partial, shapes, metadata or {}, convert)
        batches = [image_B3HW] if dynamic_batch else list(torch.split(image_B3HW, 1))
        errors = compare_outputs(network, model.onnx_outputs, open_session(partial, "cpu"), batches)
        require_equal(errors, tolerance or allowed)
    content = path.read_bytes()
    return ExportReport(path, hashlib.sha256(content).hexdigest(), len(content), errors)


def copy_for_export(model: Exportable) -> nn.Module:
    """A float32 copy on the CPU in evaluation mode.

    A copy, because the exporter flips the training flag of the whole tree back and forth, which would lose the modes of
    partly frozen networks.
    """
    assert isinstance(model, nn.Module)
    return copy.deepcopy(model).cpu().float().eval()


def make_noise(model: Exportable, batch: int = 2) -> Tensor:
    """Standard normal pictures (batch, 3, H, W) of the network's input size, the same on every call."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(batch, 3, model.input_size.height, model.input_size.width, generator=generator)


def trace_onnx(
    network: nn.Module,
    names: Exportable,
    image_13HW: Tensor,
    path: Path,
    *,
    dynamic_batch: bool,
    keep_norms: bool,
    opset: int,
) -> None:
    """Write the ONNX graph of `network` for pictures of this size to `path`."""
    axes = {name: {0: "batch"} for name in (names.onnx_input, *names.onnx_outputs)}
    with silenced_exporter():
        torch.onnx.export(
            network,
            (image_13HW,),
            path,
            dynamo=False,
            opset_version=opset,
            input_names=[names.onnx_input],
            output_names=list(names.onnx_outputs),
            dynamic_axes=axes if dynamic_batch else None,
            training=torch.onnx.TrainingMode.PRESERVE if keep_norms else torch.onnx.TrainingMode.EVAL,
            do_constant_folding=not keep_norms,
        )


@contextmanager
def silenced_exporter() -> Iterator[None]:
    """Hide that the TorchScript exporter is deprecated, and nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        yield


def finish_file(
    path: Path,
    output_shapes: Sequence[tuple[int, ...]],
    metadata: Mapping[str, str],
    convert: Callable[[onnx.ModelProto], onnx.ModelProto],
) -> None:
    """Declare the outputs' shapes, convert the graph, add the metadata and check the file, in place.

    Every dimension but the batch becomes a number, where the exporter loses track and writes a made-up name: consumers
    size their buffers by them. The bytes depend on nothing but the arguments.
    """
    proto = onnx.load(path)
    for output, shape in zip(proto.graph.output, output_shapes, strict=True):
        for dimension, length in zip(output.type.tensor_type.shape.dim[1:], shape[1:], strict=True):
            dimension.dim_value = length
    proto = convert(proto)
    onnx.helper.set_model_props(proto, dict(sorted(metadata.items())))
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))


def run_torch(network: nn.Module, image_B3HW: Tensor) -> tuple[Tensor, ...]:
    """The outputs of a network that returns one tensor or a tuple of them."""
    with torch.inference_mode():
        outputs: Any = network(image_B3HW)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def compare_outputs(
    network: nn.Module, names: Sequence[str], session: Session, batches: Sequence[Tensor]
) -> dict[str, float]:
    """Per output name, the largest difference between `network` and the file over all batches of pictures."""
    errors = dict.fromkeys(names, 0.0)
    for image_B3HW in batches:
        expected, actual = run_torch(network, image_B3HW), session.run(image_B3HW.numpy())
        for name, wanted in zip(names, expected, strict=True):
            errors[name] = float(np.maximum(errors[name], relative_error(wanted.numpy(), actual[name])))
    return errors


def relative_error(wanted: NDArray[np.floating[Any]], got: NDArray[np.floating[Any]]) -> float:
    """Largest absolute difference over the largest wanted magnitude; NaN if anything is not finite."""
    if wanted.shape != got.shape:
        raise ExportMismatchError(f"the exported file returns shape {got.shape}, torch {wanted.shape}")
    if not (np.isfinite(wanted).all() and np.isfinite(got).all()):
        return float("nan")
    return float(np.abs(wanted - got).max() / max(np.abs(wanted).max(), np.finfo(np.float32).tiny))


def require_equal(errors: Mapping[str, float], tolerance: float) -> None:
    """Raise unless every error is within the tolerance; NaN never is."""
    wrong = [f"{name} by {error:.3g}" for name, error in errors.items() if not error <= tolerance]
    if wrong:
        raise ExportMismatchError(f"torch and the exported file differ in {', '.join(wrong)}; allowed: {tolerance:g}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A neighbouring file to write; it becomes `path` if the block succeeds and disappears if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".partial-{path.name}")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
