"""Tiny real networks with known answers, so that no test has to pretend to be onnxruntime.

Each builder writes an ONNX file whose outputs do not depend on the pixels except where it says so.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = [helper.make_opsetid("", 17)]


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, np.ndarray],
    input_shape: list[int | str],
    outputs: dict[str, list[int | str]],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def _for_everybody(answer: str, output: str) -> list[onnx.NodeProto]:
    """Nodes that add a constant answer of one person to zero times the mean of each person's crop."""
    rank = "3d" if output != "heatmaps" else "4d"
    return [
        helper.make_node("ReduceMean", ["input"], [f"{output}_mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Reshape", [f"{output}_mean", f"shape_{rank}"], [f"{output}_flat"]),
        helper.make_node("Mul", [f"{output}_flat", "zero"], [f"{output}_zero"]),
        helper.make_node("Add", [f"{output}_zero", answer], [output]),
    ]


_SHAPES = {
    "zero": np.zeros(1, np.float32),
    "shape_3d": np.array([-1, 1, 1]),
    "shape_4d": np.array([-1, 1, 1, 1]),
}


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
    for name, axis, bins in (("answer_x", 0, 2 * width), ("answer_y", 1, 2 * height)):
        logits = np.full((1, len(points), bins), -1, np.float32)
        logits[0, np.arange(len(points)), np.rint(points[:, axis] * 2).astype(int)] = scores
        answers[name] = logits
    nodes = [*_for_everybody("answer_x", "simcc_x"), *_for_everybody("answer_y", "simcc_y")]
    outputs = {"simcc_x": [batch, len(points), 2 * width], "simcc_y": [batch, len(points), 2 * height]}
    return _save(path, nodes, {**_SHAPES, **answers}, [batch, 3, height, width], outputs)


def heatmaps(path: Path, cells: np.ndarray, scores: np.ndarray, size: tuple[int, int] = (192, 256)) -> Path:
    """An estimator of a single person at a time that peaks at the given cells (points, 2: x, y) of maps a quarter the
    size of the crop.
    """
    width, height = size
    maps = np.zeros((1, len(cells), height // 4, width // 4), np.float32)
    maps[0, np.arange(len(cells)), cells[:, 1], cells[:, 0]] = scores
    nodes = _for_everybody("answer", "heatmaps")
    outputs: dict[str, list[int | str]] = {"heatmaps": list(maps.shape)}
    return _save(path, nodes, {**_SHAPES, "answer": maps}, [1, 3, height, width], outputs)


def yolox(path: Path, boxes: np.ndarray, scores: np.ndarray, classes: int = 1, side: int = 64) -> Path:
    """A detector that sees the given letterbox boxes (boxes, 4: left, top, right, bottom) as persons in every photo.

    Box i is answered by cell i of the finest grid.
    """
    cells = sum((side // stride) ** 2 for stride in (8, 16, 32))
    rows = np.zeros((1, cells, 5 + classes), np.float32)
    for i, (left, top, right, bottom) in enumerate(boxes):
        corner = np.array([i % (side // 8), i // (side // 8)])
        rows[0, i, :2] = np.array([(left + right) / 2, (top + bottom) / 2]) / 8 - corner
        rows[0, i, 2:4] = np.log(np.array([right - left, bottom - top]) / 8)
        rows[0, i, 4:6] = scores[i], 1
    nodes = _for_everybody("answer", "output")
    outputs: dict[str, list[int | str]] = {"output": list(rows.shape)}
    return _save(path, nodes, {**_SHAPES, "answer": rows}, [1, 3, side, side], outputs)


def detections(path: Path, boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, side: int = 64) -> Path:
    """A detector with suppression in its graph: the given letterbox boxes, scores and labels in every photo.

    The labels are stored as floats because every graph here speaks floats only.
    """
    dets = np.concatenate([boxes, scores[:, None]], axis=1).astype(np.float32)[None]
    nodes = [
        *_for_everybody("answer_dets", "dets"),
        helper.make_node("Identity", ["answer_labels"], ["labels"]),
    ]
    outputs: dict[str, list[int | str]] = {"dets": list(dets.shape), "labels": [1, len(labels)]}
    constants = {**_SHAPES, "answer_dets": dets, "answer_labels": labels.astype(np.float32)[None]}
    return _save(path, nodes, constants, [1, 3, side, side], outputs)


def mean_colour(path: Path, size: tuple[int, int] = (192, 256)) -> Path:
    """A 133-point estimator whose only peak per axis is bin 0, scored by the mean of the crop's first channel.

    Its answer tells whose crop it saw: for tests of batching.
    """
    width, height = size
    logits_x, logits_y = np.full((1, 133, 2 * width), -9, np.float32), np.full((1, 133, 2 * height), -9, np.float32)
    logits_x[..., 0] = logits_y[..., 0] = 0
    constants = {
        "first": np.array([0]),
        "shape_3d": np.array([-1, 1, 1]),
        "answer_x": logits_x,
        "answer_y": logits_y,
    }
    nodes = [
        helper.make_node("Gather", ["input", "first"], ["channel"], axis=1),
        helper.make_node("ReduceMean", ["channel"], ["mean"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Reshape", ["mean", "shape_3d"], ["flat"]),
        helper.make_node("Add", ["flat", "answer_x"], ["simcc_x"]),
        helper.make_node("Add", ["flat", "answer_y"], ["simcc_y"]),
    ]
    outputs: dict[str, list[int | str]] = {
        "simcc_x": ["batch", 133, 2 * width],
        "simcc_y": ["batch", 133, 2 * height],
    }
    return _save(path, nodes, constants, ["batch", 3, height, width], outputs)
