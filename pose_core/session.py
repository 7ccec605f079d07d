"""Networks on a device: the only file that knows onnxruntime.

onnxruntime's wheels say what they were built for, not what they will use: a GPU build on a machine without CUDA lists
CUDA and computes on the CPU without an error. So the provider reported here is read from the session after it has run
once.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Shaped

from pose_core.errors import DeviceLost, DeviceUnavailable, ModelError, OutOfMemory, RunStopped, WeightsCorrupt
from pose_core.types import Size

try:
    import onnxruntime as ort
except ImportError as error:
    raise ImportError("no onnxruntime: install skelmap[cpu], or skelmap[gpu] for CUDA") from error

Device = Literal["auto", "cpu", "cuda"]
"""`auto` takes CUDA where it works and says which it took; `cuda` refuses to run on anything else."""

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"

BATCH_SIZES: Mapping[str, tuple[int, ...]] = {
    CPU: (1, 2, 3, 4, 5, 6, 7, 8),  # no tuning per shape and no gain from batching: never pad
    CUDA: (1, 2, 4, 8, 16),  # every new shape costs a search for convolution algorithms: few shapes, padded
}
"""The only batch sizes a network is run with, by provider."""

CUDA_OPTIONS = {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"}

FAILURES: tuple[tuple[re.Pattern[str], type[ModelError]], ...] = (
    (re.compile(r"CUDA (failure|error) (700|719)\b|illegal memory access|unspecified launch failure"), DeviceLost),
    (re.compile(r"Failed to allocate memory|CUDA (failure|error) 2\b|ALLOC_FAILED|bad_alloc"), OutOfMemory),
    (re.compile(r"terminate flag"), RunStopped),
)
"""What onnxruntime's messages mean; it has no exceptions of its own for these."""


class Stop:
    """Ends a run from another thread, a while after it is called."""

    def __init__(self) -> None:
        self.options = ort.RunOptions()

    def __call__(self) -> None:
        """End the run."""
        self.options.terminate = True


@dataclass(frozen=True, slots=True)
class Session:
    """A loaded network with one image input.

    Attributes:
        path: the ONNX file.
        sha256: of that file.
        device: where it was told to run.
        provider: onnxruntime's name of what really computes, read after a warm-up run.
        input_name: name of the input.
        input_shape: batch, channels, height, width; None where the graph leaves it open.
        input_size: the graph's, or what it is fed where the graph leaves it open.
        output_names: names of the outputs in the graph's order.
        metadata: the custom metadata written into the file.
        runtime: the onnxruntime session; safe to run from several threads.
    """

    path: Path
    sha256: str
    device: Device
    provider: str
    input_name: str
    input_shape: tuple[int | None, ...]
    input_size: Size
    output_names: tuple[str, ...]
    metadata: Mapping[str, str]
    runtime: ort.InferenceSession

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes this network accepts, ascending."""
        fixed = self.input_shape[0]
        return BATCH_SIZES.get(self.provider, BATCH_SIZES[CPU]) if fixed is None else (fixed,)

    @property
    def running_on(self) -> str:
        """Onnxruntime's name of what computes now."""
        provider: str = self.runtime.get_providers()[0]
        return provider

    def blank(self, batch_size: int) -> Float32[np.ndarray, "batch 3 height width"]:
        """A batch of nothing, to find out whether the network runs."""
        return np.zeros((batch_size, 3, self.input_size.height, self.input_size.width), np.float32)

    def run(
        self, tensor: Float32[np.ndarray, "batch 3 height width"], stop: Stop | None = None
    ) -> dict[str, Shaped[np.ndarray, "..."]]:
        """Every output by its name.

        Raises:
            OutOfMemory: the device has no memory for a batch of this size.
            DeviceLost: the device needs a new process.
            RunStopped: `stop` was called.
            DeviceUnavailable: cuda was demanded, and something else has computed this.
            ModelError: the network refused the input or failed on the device in any other way.
        """
        options = (stop.options,) if stop else ()
        try:
            outputs = self.runtime.run(None, {self.input_name: tensor}, *options)
        except Exception as error:  # onnxruntime's exceptions share no base class
            kind = next((kind for pattern, kind in FAILURES if pattern.search(str(error))), ModelError)
            raise kind(f"{self.path.name} failed on {self.provider}: {error}") from error
        if self.device == "cuda" and self.running_on != CUDA:
            raise DeviceUnavailable(_no_cuda(self.path, self.running_on))
        return dict(zip(self.output_names, outputs, strict=True))


def open_session(
    path: Path,
    device: Device = "auto",
    threads: int = 0,
    open_size: Size = Size(640, 640),  # noqa: B008 - Size is frozen
    sha256: str | None = None,
) -> Session:
    """Load a network, run it once and find out what it runs on.

    Args:
        path: an ONNX file with one input (batch, 3, height, width).
        device: where it has to run.
        threads: CPU threads of one run, 0 for one per core.
        open_size: what the network will be fed where the graph leaves it open.
        sha256: of the file, where it is known.

    Raises:
        WeightsCorrupt: the file has another sha256.
        ModelError: not an ONNX file, or not one with a single image input.
        DeviceUnavailable: `device` is cuda and the network would run elsewhere.
    """
    digest = _sha256(path)
    if sha256 not in {None, digest}:
        raise WeightsCorrupt(f"{path} has sha256 {digest}, expected {sha256}: the file is damaged or another one")
    runtime = _open_runtime(path, device, threads)
    inputs = runtime.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise ModelError(f"{path} takes {[(i.name, i.shape) for i in inputs]}; expected one input of shape N,3,H,W")
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in inputs[0].shape)
    opened = Session(
        path=path,
        sha256=digest,
        device=device,
        provider=runtime.get_providers()[0],
        input_name=inputs[0].name,
        input_shape=shape,
        input_size=Size(shape[3] or open_size.width, shape[2] or open_size.height),
        output_names=tuple(output.name for output in runtime.get_outputs()),
        metadata=runtime.get_modelmeta().custom_metadata_map,
        runtime=runtime,
    )
    opened.run(opened.blank(opened.batch_sizes[0]))
    return replace(opened, provider=opened.running_on)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path} cannot be loaded: {error.strerror}") from error


def check_device(device: Device) -> str:
    """The provider that networks get on this machine, found by running a tiny one.

    Raises:
        DeviceUnavailable: `device` is cuda and it would be another.
    """
    with as_file(files("pose_core") / "probe.onnx") as probe:
        return open_session(probe, device).provider


def _open_runtime(path: Path, device: Device, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4 if device == "auto" else 3  # the failed attempt of `auto` is reported by us
    # two networks take turns on the same cores: a pool that spins between runs starves the other one
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers: list[str | tuple[str, dict[str, str]]] = [CPU]
    if device != "cpu" and is_built_for_cuda():
        ort.preload_dlls()
        providers.insert(0, (CUDA, CUDA_OPTIONS))
    elif device == "cuda":
        raise DeviceUnavailable(_no_cuda(path, CPU))
    try:
        return ort.InferenceSession(path, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise ModelError(f"{path} cannot be loaded: {error}") from error


def _no_cuda(path: Path, provider: str) -> str:
    built_for = ", ".join(ort.get_available_providers())
    return (
        f"device=cuda was asked for but {path.name} would run on {provider}: this onnxruntime {ort.__version__} is "
        f"built for {built_for} and no usable CUDA was found. Install the extra skelmap[gpu] without onnxruntime "
        "beside it, and an NVIDIA driver for CUDA 13; or choose device=cpu"
    )


def is_built_for_cuda() -> bool:
    """Whether this onnxruntime would try CUDA; says nothing about whether it works."""
    return CUDA in ort.get_available_providers()


def runtime_description() -> dict[str, str]:
    """Version and build of onnxruntime, for reports; says nothing about what a session will use."""
    return {"onnxruntime": ort.__version__, "built_for": ", ".join(ort.get_available_providers())}
