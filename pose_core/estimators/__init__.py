"""Where everybody's keypoints are: one spec per named estimator, any ONNX file by its path, one function for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pose_core.codecs import Heatmap, SimCC
from pose_core.errors import ModelError, UnknownChoice
from pose_core.estimators.estimator import EstimatorSpec
from pose_core.estimators.metadata import SPEC_KEY, read_spec
from pose_core.estimators.top_down import estimate
from pose_core.schemes import SCHEMES, WHOLE_BODY
from pose_core.session import Device, Session, open_session
from pose_core.steps import Steps, run_steps
from pose_core.timing import Timer
from pose_core.types import Image, PeopleKeypoints, PersonBox, Size
from pose_core.weights import WEIGHTS, resolve, row_of

_LOW = EstimatorSpec(input_size=Size(192, 256), codec=SimCC(sigma=(4.9, 5.66)))
_HIGH = EstimatorSpec(input_size=Size(288, 384), codec=SimCC(sigma=(6.0, 6.93)))

GUESSED = (WHOLE_BODY, "coco")
"""Schemes that a file without metadata may have; of fewer points there are too many to tell which."""

ESTIMATORS: dict[str, EstimatorSpec] = {
    "skelmap-t": _LOW,
    "dwpose-l-384": _HIGH,
    "dwpose-l-384-openmmlab": _HIGH,
    "dwpose-l": _LOW,
    "dwpose-m": _LOW,
    "dwpose-s": _LOW,
    "dwpose-t": _LOW,
    "rtmw-x-384": _HIGH,
    "rtmw-l-384": _HIGH,
    "rtmw-l": _LOW,
    "rtmw-m": _LOW,
}


@dataclass(frozen=True, slots=True)
class Estimator:
    """An estimator ready to use.

    Attributes:
        name: what the user called it.
        threshold: score from which a point shows when the caller names none.
        sha256: of the network's file.
        steps: photo, boxes and timer in, keypoints of everybody out.
        session: the network.
    """

    name: str
    threshold: float
    sha256: str
    steps: Callable[[Image, Sequence[PersonBox], Timer], Steps[PeopleKeypoints]]
    session: Session

    @property
    def provider(self) -> str:
        """Onnxruntime's name of what computes."""
        return self.session.running_on

    def estimate(self, image: Image, boxes: Sequence[PersonBox], timer: Timer) -> PeopleKeypoints:
        """The 133 keypoints of the person in each box, in photo pixels, with raw scores.

        Raises:
            ModelError: the network failed.
        """
        return run_steps(self.steps(image, boxes, timer), timer)


def load_estimator(name_or_path: str, device: Device = "auto", threads: int = 0) -> Estimator:
    """An estimator by its name or by the path of an ONNX file.

    Raises:
        PoseError: see `open_estimator`.
    """
    session, spec = open_estimator(name_or_path, device, threads)
    return Estimator(
        name=name_or_path if name_or_path in ESTIMATORS else session.path.stem,
        threshold=spec.threshold,
        sha256=session.sha256,
        steps=partial(estimate, session, spec),
        session=session,
    )


def open_estimator(name_or_path: str, device: Device = "auto", threads: int = 0) -> tuple[Session, EstimatorSpec]:
    """The network of an estimator and what it expects.

    What a file expects is, in this order: what its metadata says, what the table says of a file of this name, what its
    outputs look like. A size fixed in the graph wins.

    Raises:
        UnknownChoice: neither a name nor a file.
        WeightsMissing: a known name whose file has not been pulled.
        WeightsCorrupt: a known name whose file is another one.
        ModelError: a file that is no estimator we know.
        DeviceUnavailable: see `open_session`.
    """
    try:
        path = resolve(name_or_path)
    except UnknownChoice:
        raise UnknownChoice("estimator", name_or_path, ESTIMATORS) from None
    row = WEIGHTS.get(name_or_path) or row_of(path)
    known = ESTIMATORS.get(row.name) if row else None
    hint = (known or EstimatorSpec()).input_size
    sha256 = WEIGHTS[name_or_path].sha256 if name_or_path in WEIGHTS else None
    session = open_session(path, device, threads, hint, sha256)
    if SPEC_KEY in session.metadata:
        known = read_spec(session.metadata[SPEC_KEY])
        hint = known.input_size
    _, _, height, width = session.input_shape
    size = Size(width or hint.width, height or hint.height)
    return replace(session, input_size=size), replace(known or guess(session, size), input_size=size)


def guess(session: Session, size: Size) -> EstimatorSpec:
    """A spec that fits the shapes of the outputs: SimCC pairs or heatmaps, of 133 or 17 points.

    Raises:
        ModelError: they fit nothing.
    """
    shapes = {output.name: output.shape for output in session.runtime.get_outputs()}
    counts = {shape[1] if len(shape) > 1 else None for shape in shapes.values()}
    scheme = next((name for name in GUESSED if counts == {len(SCHEMES[name])}), None)
    ranks = [len(shape) for shape in shapes.values()]
    if scheme and ranks == [3, 3]:
        across, down = (shape[2] for shape in shapes.values())
        if isinstance(across, int) and isinstance(down, int) and across * size.height == down * size.width:
            return EstimatorSpec(codec=SimCC(split=across / size.width), scheme=scheme)
    if scheme and ranks == [4]:
        return EstimatorSpec(codec=Heatmap(), scheme=scheme)
    raise ModelError(
        f"{session.path} answers {shapes}: expected simcc_x and simcc_y of shape (N, points, bins) or heatmaps of "
        f"shape (N, points, height, width), with {' or '.join(str(len(SCHEMES[name])) for name in GUESSED)} points"
    )


__all__ = ["ESTIMATORS", "Estimator", "EstimatorSpec", "load_estimator", "open_estimator"]
