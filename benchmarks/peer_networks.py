"""Networks of others as something that can be evaluated: MoveNet's TFLite file, and MediaPipe in its own environment.

Neither runtime is among the project's dependencies: MoveNet needs `pip install ai-edge-litert`, MediaPipe a virtual
environment of its own, because it brings another OpenCV (`pip install mediapipe==0.10.21` there).
"""

import importlib
import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from pose_core.codecs import Heatmap, Regression
from pose_core.errors import InvalidInput, ModelError
from pose_core.estimators import EstimatorSpec
from pose_core.geometry import crop_region
from pose_core.skeleton import FACE, KEYPOINT_COUNT, LEFT_HAND, RIGHT_HAND
from pose_core.types import PersonBox, Size
from training.evals.networks import EvalNetwork, onnx_network
from training.evals.records import Floats, Prediction, Predictions
from training.evals.views import Views
from training.measure import load_candidate

KNOWN_FILES: Final[Mapping[str, EstimatorSpec]] = {
    "ultralight_nano_simplepose": EstimatorSpec(codec=Heatmap(refine="dark"), scheme="coco"),
}
"""Stem of an ONNX file that does not say what it expects -> what gives it the best OKS on our data, of both refinements
with and without an offset of half a cell."""

MOVENET: Final = EstimatorSpec(Size(192, 192), Regression(), "coco", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
"""MoveNet lightning: square crops of bytes, answered by fractions of their sides."""

# fmt: off
MEDIAPIPE_POSE: Final[Mapping[int, int]] = {
    0: 0, 1: 2, 2: 5, 3: 7, 4: 8, 5: 11, 6: 12, 7: 13, 8: 14, 9: 15, 10: 16, 11: 23, 12: 24, 13: 25, 14: 26, 15: 27,
    16: 28, 17: 31, 19: 29, 20: 32, 22: 30,
}
"""COCO-WholeBody number -> that of MediaPipe's 33 pose points; its foot index is the big toe, small toes are missing.
"""

MEDIAPIPE_FACE: Final = (
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,  # jaw
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,  # brows
    168, 197, 5, 4, 75, 97, 2, 326, 305,  # nose
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,  # eyes
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # outer lip
    78, 82, 13, 312, 308, 317, 14, 87,  # inner lip
)
"""Vertex of MediaPipe's face mesh that lies nearest to each of the 68 points; its jaw is another one than people mark,
which costs about a third of the error."""
# fmt: on

LOOKS: Final = ("photo", "1.25", "1.5", "2.0")
"""Ways to show a person to MediaPipe, see `benchmarks.mediapipe_points`."""

CONFIDENCE: Final = 0.1
"""How sure MediaPipe has to be of a person. The other networks have to say something about every box; with its default
of 0.5 it would say nothing about a sixth of our people, and its OKS would be lower by 0.05."""


def load_network(name: str, folder: Path, threads: int) -> EvalNetwork:
    """A network by its file: `.tflite` for MoveNet, an ONNX file, or whatever `training.measure` can load.

    Raises:
        PoseError: there is no such network, or it cannot be used.
    """
    path = Path(name)
    if path.suffix == ".tflite":
        return movenet(path, threads)
    if path.suffix == ".onnx":
        return onnx_network(name, "cpu", threads, KNOWN_FILES.get(path.stem))
    return load_candidate(name, folder, "cpu").network


def movenet(path: Path, threads: int) -> EvalNetwork:
    """MoveNet lightning, crop by crop.

    Raises:
        ModelError: there is no such file, or no runtime for it.
    """
    try:
        runtime: Any = importlib.import_module("ai_edge_litert.interpreter")
    except ImportError as error:
        raise ModelError(f"{path} needs a runtime: pip install ai-edge-litert") from error
    if not path.is_file():
        raise ModelError(f"{path}: no such file")
    network = runtime.Interpreter(model_path=str(path), num_threads=threads)
    network.allocate_tensors()
    return EvalNetwork(path.stem, MOVENET, lambda crops: run_movenet(network, crops))


def run_movenet(network: Any, crops: Floats) -> list[Floats]:  # noqa: ANN401 - an interpreter without types
    """Crops (batch, 3, 192, 192) of 0..255 to fractions (batch, 17, 2), x then y, and scores (batch, 17, 1)."""
    (entry,), (result,) = network.get_input_details(), network.get_output_details()
    answers = []
    for crop in crops:
        network.set_tensor(entry["index"], np.rint(crop).astype(entry["dtype"]).transpose(1, 2, 0)[None])
        network.invoke()
        answers.append(network.get_tensor(result["index"]).reshape(17, 3))
    yxs = np.array(answers, np.float32)
    return [yxs[..., 1::-1], yxs[..., 2:]]


def ask_mediapipe(
    python: Path, views: Views, looks: Sequence[str] = LOOKS, confidence: float = CONFIDENCE
) -> dict[str, Predictions]:
    """What MediaPipe says about everybody, by the look; see `benchmarks.mediapipe_points`.

    Args:
        python: interpreter of an environment with mediapipe.
        views: the boxes.
        looks: `photo`, or the padding of a crop.
        confidence: from which it says anything.

    Raises:
        InvalidInput: MediaPipe failed there.
    """
    photos = [
        {"file": str(photo.path.absolute()), "people": people_of(photo.ids, photo.boxes)} for photo in views.photos
    ]
    answer = run_mediapipe(python, {"confidence": confidence, "looks": list(looks), "photos": photos})
    name = f"mediapipe {answer['version']}"
    return {look: read_answer(answer["looks"][look], views, f"{name}, {describe_look(look)}") for look in looks}


def describe_look(look: str) -> str:
    """A look in words."""
    return "whole photo" if look == "photo" else f"crop x {look}"


def run_mediapipe(python: Path, request: Mapping[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """The answer to a request, see `benchmarks.mediapipe_points`."""
    with tempfile.TemporaryDirectory() as scratch:
        asked, answered = Path(scratch) / "request.json", Path(scratch) / "answer.json"
        asked.write_text(json.dumps(request))
        command = [str(python), str(Path(__file__).with_name("mediapipe_points.py")), str(asked), str(answered)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - the caller's own Python
        if done.returncode:
            raise InvalidInput(f"{python} failed: {done.stderr[-2000:]}", field="mediapipe")
        return json.loads(answered.read_text())


def people_of(ids: Sequence[int], boxes: Sequence[PersonBox]) -> list[dict[str, Any]]:
    """Boxes as a request holds them."""
    return [
        {"id": number, "box": [box.left, box.top, box.right, box.bottom]}
        for number, box in zip(ids, boxes, strict=True)
    ]


def read_answer(people: Mapping[str, Any], views: Views, name: str) -> Predictions:
    """An answer as predictions; whoever was not found has no coordinates (NaN) and score 0, and counts as missed."""
    found = [
        Prediction(photo.photo_id, number, box, view_area(box), place_points(people.get(str(number), {})))
        for photo in views.photos
        for number, box in zip(photo.ids, photo.boxes, strict=True)
    ]
    return Predictions(name, views.kind, tuple(found))


def view_area(box: PersonBox) -> float:
    """What other networks would see of the person, in square pixels."""
    region = crop_region(box, MOVENET.input_size)
    return region.width * region.height


def place_points(found: Mapping[str, Any]) -> Floats:
    """What MediaPipe found of one person as keypoints (133, 3); the score is the visibility, 1 for face and hands."""
    keypoints = np.full((KEYPOINT_COUNT, 3), [np.nan, np.nan, 0], np.float32)
    if (pose := found.get("pose")) is not None:
        keypoints[[*MEDIAPIPE_POSE]] = np.array(pose)[[*MEDIAPIPE_POSE.values()]]
    for part, where, vertices in (
        ("face", FACE, MEDIAPIPE_FACE),
        ("left_hand", LEFT_HAND, range(21)),
        ("right_hand", RIGHT_HAND, range(21)),
    ):
        if (points := found.get(part)) is not None:
            keypoints[where, :2] = np.array(points)[[*vertices], :2]
            keypoints[where, 2] = 1
    return keypoints
