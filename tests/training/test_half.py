"""Graphs in float16: half the size, the same inputs and outputs, exact where it matters."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from pose_core.errors import ModelError, UnknownChoice
from pose_core.session import open_session
from tests.training import tiny
from training.export import export_onnx
from training.half import EXACT_OPS, WORTH_HALVING, convert_to_half


@pytest.fixture
def exact(tmp_path: Path) -> Path:
    """A float32 file with outputs of ordinary size."""
    return export_onnx(tiny.build_teacher(), tmp_path / "exact.onnx").path


def graph_of(weight: float) -> onnx.ModelProto:
    """X * weight, beside an integer that is no business of float16."""
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    return helper.make_model(
        helper.make_graph(
            [helper.make_node("Mul", ["x", "w"], ["y"])],
            "scale",
            [image],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
            [
                numpy_helper.from_array(np.array(weight, np.float32), "w"),
                numpy_helper.from_array(np.array([1], np.int64), "i"),
            ],
        )
    )


def test_file_is_half_as_large_and_says_nearly_the_same(exact: Path, tmp_path: Path) -> None:
    report = export_onnx(tiny.build_teacher(), tmp_path / "half.onnx", precision="float16")
    assert report.bytes < 0.55 * exact.stat().st_size
    assert all(0 < error < 5e-3 for error in report.errors.values())
    image = torch.randn(2, 3, 64, 32).numpy()
    outputs = open_session(report.path, "cpu").run(image)
    for name, wanted in open_session(exact, "cpu").run(image).items():
        assert outputs[name].dtype == np.float32
        np.testing.assert_allclose(outputs[name], wanted, atol=5e-3 * np.abs(wanted).max())


def test_weights_alone_in_float16(exact: Path, tmp_path: Path) -> None:
    """Half the size, and float32 in between."""
    report = export_onnx(tiny.build_teacher(), tmp_path / "stored.onnx", precision="float16-weights")
    assert report.bytes < 0.65 * exact.stat().st_size
    assert all(0 < error < 5e-3 for error in report.errors.values())
    graph = onnx.load(report.path).graph
    assert all(
        np.prod(tensor.dims) < WORTH_HALVING for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT
    )
    image = torch.randn(2, 3, 64, 32).numpy()
    stored, wanted = (open_session(path, "cpu").run(image) for path in (report.path, exact))
    for name, values in wanted.items():
        np.testing.assert_allclose(stored[name], values, atol=5e-3 * np.abs(values).max())


def test_an_unknown_precision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownChoice, match="float32, float16, float16-weights"):
        export_onnx(tiny.build_teacher(), tmp_path / "x.onnx", precision="int4")


def test_everything_but_norms_is_float16(exact: Path) -> None:
    half = convert_to_half(onnx.load(exact)).graph
    assert {tensor.data_type for tensor in half.initializer} <= {TensorProto.FLOAT16, TensorProto.INT64}
    casts = {node.output[0]: node.attribute[0].i for node in half.node if node.op_type == "Cast"}
    norms = [node for node in half.node if node.op_type in EXACT_OPS]
    assert len(norms) == 2
    assert all(casts[node.input[0]] == TensorProto.FLOAT for node in norms)


def test_the_original_is_left_alone() -> None:
    model = graph_of(2.0)
    before = model.SerializeToString()
    names = [(tensor.name, tensor.data_type) for tensor in convert_to_half(model).graph.initializer]
    assert names == [("w", TensorProto.FLOAT16), ("i", TensorProto.INT64)]
    assert model.SerializeToString() == before


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ModelError, match="w: 70000 does not fit into float16"):
        convert_to_half(graph_of(7e4))


def test_a_norm_of_large_numbers_survives() -> None:
    """The sum of squares of 48 thousands is far beyond float16, their norm is not."""
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 48])
    node = helper.make_node("ReduceL2", ["x"], ["y"], name="norm", axes=[1])
    graph = helper.make_graph([node], "norm", [value], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])])
    half = convert_to_half(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    (norm,) = ReferenceEvaluator(half).run(None, {"x": np.full((1, 48), 1000, np.float32)})
    assert float(np.asarray(norm).item()) == pytest.approx(1000 * 48**0.5, rel=1e-3)
