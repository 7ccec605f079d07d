"""Who is in the photo: one file per architecture, names in `weights.WEIGHTS`, any ONNX file by its path."""

from functools import partial

from pose_core.detectors import rtmdet, whole_image, yolox
from pose_core.detectors.detector import (
    DEFAULT_INPUT_SIZE,
    DEFAULT_THRESHOLD,
    ChannelOrder,
    Detect,
    Detector,
    DetectorSpec,
)
from pose_core.errors import ModelError, UnknownChoice
from pose_core.session import Device, Session, open_session
from pose_core.steps import without_networks
from pose_core.types import Size
from pose_core.weights import WEIGHTS, resolve, row_of

ARCHITECTURES: dict[str, Detect] = {
    "rtmdet": rtmdet.detect,
    "yolox": yolox.detect,
}

WHOLE_IMAGE = "whole-image"
"""Name of the detector that needs no network."""


def detector_names() -> list[str]:
    """Every detector that has a name."""
    return [WHOLE_IMAGE, *(name for name, row in WEIGHTS.items() if row.role == "detector")]


def load_detector(
    name_or_path: str,
    device: Device = "auto",
    threads: int = 0,
    channels: ChannelOrder = "bgr",
    open_size: Size = DEFAULT_INPUT_SIZE,
) -> Detector:
    """A detector by its name or by the path of an ONNX file.

    The architecture of a file is, in this order: what its metadata says, what the table says of a file of this name,
    what its outputs look like. `open_size` is the input size of an unknown file that leaves its own open.

    Raises:
        UnknownChoice: neither a name nor a file.
        WeightsMissing: a known name whose file has not been pulled.
        WeightsCorrupt: a known name whose file is another one.
        ModelError: a file that is no detector we know.
        DeviceUnavailable: see `open_session`.
    """
    if name_or_path == WHOLE_IMAGE:
        return Detector(WHOLE_IMAGE, threshold=0.0, provider="", sha256="", steps=without_networks(whole_image.detect))
    try:
        path = resolve(name_or_path)
    except UnknownChoice:
        raise UnknownChoice("detector", name_or_path, detector_names()) from None
    row = WEIGHTS.get(name_or_path) or row_of(path)
    spec = DetectorSpec(input_size=Size(*row.input_size) if row else open_size, channels=channels)
    sha256 = WEIGHTS[name_or_path].sha256 if name_or_path in WEIGHTS else None
    session = open_session(path, device, threads, spec.input_size, sha256)
    architecture = session.metadata.get("skelmap.architecture") or (row.architecture if row else guess(session)[0])
    if architecture not in ARCHITECTURES:
        raise ModelError(f"{path} is a {architecture}; detectors are {', '.join(ARCHITECTURES)}")
    if architecture not in (fitting := guess(session)):
        raise ModelError(f"{path} is called a {architecture} but answers like a {' or '.join(fitting)}")
    return Detector(
        name=name_or_path if name_or_path in WEIGHTS else path.stem,
        threshold=row.default_threshold if row else DEFAULT_THRESHOLD,
        provider=session.provider,
        sha256=session.sha256,
        steps=partial(ARCHITECTURES[architecture], session, spec),
        session=session,
    )


def guess(session: Session) -> list[str]:
    """The architectures that write such outputs, the likeliest first.

    Raises:
        ModelError: no known detector does.
    """
    shapes = {output.name: output.shape for output in session.runtime.get_outputs()}
    if {"dets", "labels"} <= set(shapes):
        return ["yolox", "rtmdet"] if "yolox" in session.path.name.lower() else ["rtmdet", "yolox"]
    first = next(iter(shapes.values()))
    if len(shapes) == 1 and len(first) == 3 and isinstance(first[2], int) and first[2] >= 6:
        return ["yolox"]
    raise ModelError(f"{session.path} answers {shapes}: not the outputs of {' or '.join(ARCHITECTURES)}")


__all__ = [
    "ARCHITECTURES",
    "DEFAULT_THRESHOLD",
    "WHOLE_IMAGE",
    "ChannelOrder",
    "Detector",
    "DetectorSpec",
    "detector_names",
    "load_detector",
]
