"""Tiny real networks with known answers, so that no test has to pretend to be onnxruntime.

Each builder writes an ONNX file and returns its path. Only `seen_colour` and `mean_colour` look at the pixels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

OPSET = [helper.make_opsetid("", 17)]

Shape = Sequence[int | str]
"""Sides of a tensor; a name where the graph leaves a side open."""


def answering(
    path: Path,
    answers: Mapping[str, np.ndarray],
    input_shape: Shape = ("batch", 3, "height", "width"),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """A network with the given outputs, which answers every image of a batch with the same arrays."""
    nodes = [helper.make_node("Shape", ["input"], ["people"], start=0, end=1)]
    constants: dict[str, np.ndarray] = {}
    for name, answer in answers.items():
        constants |= {f"{name}_answer": answer[None], f"{name}_sides": np.array(answer.shape, np.int64)}
        nodes += [
            helper.make_node("Concat", ["people", f"{name}_sides"], [f"{name}_shape"], axis=0),
            helper.make_node("Expand", [f"{name}_answer", f"{name}_shape"], [name]),
        ]
    outputs = {name: (answer.dtype, [input_shape[0], *answer.shape]) for name, answer in answers.items()}
    return save(path, nodes, constants, {"input": input_shape}, outputs, metadata=metadata)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    constants: Mapping[str, np.ndarray],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, tuple[np.dtype, Shape]],
    *,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a graph whose inputs are float32."""
    float32 = helper.np_dtype_to_tensor_dtype(np.dtype(np.float32))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(name, float32, shape) for name, shape in inputs.items()],
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)
            for name, (dtype, shape) in outputs.items()
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=8)
    helper.set_model_props(model, dict(metadata or {}))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def simcc(
    path: Path,
    points: np.ndarray,
    scores: np.ndarray,
    size: tuple[int, int] = (192, 256),
    batch: int | str = "batch",
) -> Path:
    """An estimator that sees the given crop pixels (points, 2) with the given scores (points,) in every crop."""
    width, height = size
    answers = {}
    for name, axis, bins in (("simcc_x", 0, 2 * width), ("simcc_y", 1, 2 * height)):
        answers[name] = np.full((len(points), bins), -1, np.float32)
        answers[name][np.arange(len(points)), np.rint(points[:, axis] * 2).astype(int)] = scores
    return answering(path, answers, (batch, 3, height, width))


def heatmaps(
    path: Path, cells: np.ndarray, scores: np.ndarray, size: tuple[int, int] = (192, 256), batch: int | str = "batch"
) -> Path:
    """An estimator that peaks at the given cells (points, 2: x, y) of maps a quarter the size of the crop."""
    width, height = size
    maps = np.zeros((len(cells), height // 4, width // 4), np.float32)
    maps[np.arange(len(cells)), cells[:, 1], cells[:, 0]] = scores
    return answering(path, {"heatmaps": maps}, (batch, 3, height, width))


def yolox(
    path: Path, boxes: np.ndarray, scores: np.ndarray, classes: int = 1, size: tuple[int, int] = (64, 64)
) -> Path:
    """A detector that sees the given letterbox boxes (boxes, 4: left, top, right, bottom) as persons in every photo.

    Box i is answered by cell i of the finest grid.
    """
    width, height = size
    cells = sum((width // stride) * (height // stride) for stride in (8, 16, 32))
    rows = np.zeros((cells, 5 + classes), np.float32)
    for i, (left, top, right, bottom) in enumerate(boxes):
        corner = np.array([i % (width // 8), i // (width // 8)])
        rows[i, :2] = np.array([(left + right) / 2, (top + bottom) / 2]) / 8 - corner
        rows[i, 2:4] = np.log(np.array([right - left, bottom - top]) / 8)
        rows[i, 4:6] = scores[i], 1
    return answering(path, {"output": rows}, (1, 3, height, width))


def detections(
    path: Path, boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, size: tuple[int, int] = (64, 64)
) -> Path:
    """A detector with suppression in its graph: the given letterbox boxes, scores and labels in every photo."""
    dets = np.concatenate([boxes, scores[:, None]], axis=1).astype(np.float32)
    return answering(path, {"dets": dets, "labels": labels.astype(np.int64)}, (1, 3, *size[::-1]))


def seen_colour(path: Path, box: tuple[float, float, float, float], size: tuple[int, int] = (64, 64)) -> Path:
    """A detector that sees one person in the given letterbox box, scored by the mean of the first channel it is fed.

    Suppression is in its graph. For tests of what a network gets to see.
    """
    nodes = [
        *_mean_of_first_channel(),
        helper.make_node("Concat", ["box", "score"], ["dets"], axis=2),
        helper.make_node("Identity", ["person"], ["labels"]),
    ]
    constants = {
        **_FIRST_CHANNEL,
        "box": np.array(box, np.float32).reshape(1, 1, 4),
        "person": np.zeros((1, 1), np.int64),
    }
    outputs: dict[str, tuple[np.dtype, Shape]] = {
        "dets": (np.dtype(np.float32), [1, 1, 5]),
        "labels": (np.dtype(np.int64), [1, 1]),
    }
    return save(path, nodes, constants, {"input": [1, 3, size[1], size[0]]}, outputs)


def mean_colour(path: Path, size: tuple[int, int] = (192, 256)) -> Path:
    """A 133-point estimator that puts every point on bin 0, scored by the mean of the crop's first channel.

    Its answer tells whose crop it saw: for tests of batching.
    """
    return _scored_by_colour(path, size, _mean_of_first_channel(), _FIRST_CHANNEL)


def picky_colour(path: Path, most: float, size: tuple[int, int] = (192, 256)) -> Path:
    """Like `mean_colour`, but a run fails in which that mean is above `most` for any crop: for tests of failures."""
    nodes = [
        *_mean_of_first_channel("means"),
        helper.make_node("Greater", ["means", "most"], ["too_much"]),
        helper.make_node("Cast", ["too_much"], ["beyond"], to=onnx.TensorProto.INT64),
        helper.make_node("Gather", ["nothing", "beyond"], ["zeros"]),  # which has no second entry
        helper.make_node("Add", ["means", "zeros"], ["score"]),
    ]
    constants = {**_FIRST_CHANNEL, "most": np.array(most, np.float32), "nothing": np.zeros(1, np.float32)}
    return _scored_by_colour(path, size, nodes, constants)


def lost_colour(path: Path, most: float, size: tuple[int, int] = (192, 256)) -> Path:
    """Like `mean_colour`, but a crop for which that mean is above `most` is answered with NaN."""
    nodes = [
        *_mean_of_first_channel("means"),
        helper.make_node("Sub", ["most", "means"], ["room"]),
        helper.make_node("Sqrt", ["room"], ["root"]),
        helper.make_node("Mul", ["root", "nothing"], ["zeros"]),
        helper.make_node("Add", ["means", "zeros"], ["score"]),
    ]
    constants = {**_FIRST_CHANNEL, "most": np.array(most, np.float32), "nothing": np.zeros(1, np.float32)}
    return _scored_by_colour(path, size, nodes, constants)


def _scored_by_colour(
    path: Path, size: tuple[int, int], nodes: Sequence[onnx.NodeProto], constants: Mapping[str, np.ndarray]
) -> Path:
    """A 133-point estimator that puts every point on bin 0, scored by the nodes' output `score` (batch, 1, 1)."""
    width, height = size
    bins = {"x": 2 * width, "y": 2 * height}
    nodes, constants = [*nodes], {**constants}
    outputs: dict[str, tuple[np.dtype, Shape]] = {}
    for axis, count in bins.items():
        peak = np.full((1, 133, count), -9, np.float32)
        peak[..., 0] = 0
        constants[f"peak_{axis}"] = peak
        nodes.append(helper.make_node("Add", ["score", f"peak_{axis}"], [f"simcc_{axis}"]))
        outputs[f"simcc_{axis}"] = np.dtype(np.float32), ["batch", 133, count]
    return save(path, nodes, constants, {"input": ["batch", 3, height, width]}, outputs)


_FIRST_CHANNEL = {"first": np.array([0]), "last": np.array([2])}


def _mean_of_first_channel(name: str = "score") -> list[onnx.NodeProto]:
    """Nodes whose last output (batch, 1, 1), called `score` unless told otherwise, is that mean."""
    return [
        helper.make_node("Gather", ["input", "first"], ["channel"], axis=1),
        helper.make_node("ReduceMean", ["channel"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["mean", "last"], [name]),
    ]
