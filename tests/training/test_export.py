"""Export: files that say what the network says, and refuse to appear where they would not."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from pose_core.errors import InvalidInput
from pose_core.session import open_session
from pose_core.types import Size
from training.export import ExportMismatchError, export_onnx, relative_error, require_equal
from training.models import Network
from training.models.rtmpose import RtmPose, Scale
from training.models.yolox import build_yolox

Randomise = Callable[[nn.Module], None]


def build_tiny_rtmpose() -> RtmPose:
    return RtmPose(Scale(deepen=0.1, widen=0.125), Size(width=64, height=96), 5)


@pytest.fixture(params=["rtmpose", "yolox"])
def network(request: pytest.FixtureRequest, randomise: Randomise) -> Network:
    """A small network of each family, with weights whose outputs are far from zero."""
    size = Size(width=64, height=96)
    model = build_tiny_rtmpose() if request.param == "rtmpose" else build_yolox("nano", classes=2, input_size=size)
    randomise(model)
    return model


def declared_shapes(path: Path) -> dict[str, list[int | str]]:
    graph = onnx.load(path).graph
    return {
        value.name: [dimension.dim_param or dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }


def test_file_computes_what_torch_computes(network: Network, tmp_path: Path) -> None:
    report = export_onnx(network, tmp_path / "new" / "model.onnx")
    assert set(report.errors) == set(network.onnx_outputs)
    assert all(error < 1e-5 for error in report.errors.values())
    image = torch.randn(3, 3, 96, 64)
    with torch.inference_mode():
        outputs = network.eval()(image)
    wanted = outputs if isinstance(outputs, tuple) else (outputs,)
    found = open_session(report.path, "cpu").run(image.numpy())
    for name, tensor in zip(network.onnx_outputs, wanted, strict=True):
        assert tensor.abs().max() > 0.1, "too small to tell anything"
        np.testing.assert_allclose(found[name], tensor.numpy(), atol=1e-4 * float(tensor.abs().max()))


def test_rtmpose_file_declares_names_and_shapes(tmp_path: Path) -> None:
    path = export_onnx(build_tiny_rtmpose(), tmp_path / "model.onnx").path
    assert declared_shapes(path) == {
        "input": ["batch", 3, 96, 64],
        "simcc_x": ["batch", 5, 128],
        "simcc_y": ["batch", 5, 192],
    }


def test_yolox_file_declares_names_and_shapes(tmp_path: Path) -> None:
    model = build_yolox("nano", classes=1, input_size=Size(width=96, height=64))
    path = export_onnx(model, tmp_path / "model.onnx", dynamic_batch=False).path
    assert declared_shapes(path) == {"images": [1, 3, 64, 96], "output": [1, 126, 6]}


def test_report_describes_the_file(tmp_path: Path) -> None:
    report = export_onnx(build_tiny_rtmpose(), tmp_path / "model.onnx", metadata={"b": "2", "a": "1"})
    content = report.path.read_bytes()
    assert (report.sha256, report.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert open_session(report.path, "cpu").metadata == {"a": "1", "b": "2"}
    proto = onnx.load(report.path)
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]
    assert {node.op_type for node in proto.graph.node}.isdisjoint({"BatchNormalization", "Cast"})


def test_same_network_gives_the_same_bytes(tmp_path: Path) -> None:
    model = build_tiny_rtmpose()
    first, second = (export_onnx(model, tmp_path / f"{name}.onnx", metadata={"a": "1"}) for name in "ab")
    assert first.sha256 == second.sha256


def test_network_is_left_as_it_was(tmp_path: Path) -> None:
    model = build_tiny_rtmpose().train()
    model.backbone.stem.eval()
    modes, before = [m.training for m in model.modules()], {k: t.clone() for k, t in model.state_dict().items()}
    export_onnx(model, tmp_path / "model.onnx")
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_file_that_says_something_else_never_appears(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"the file before")
    model = build_tiny_rtmpose()
    # the batch size is a constant in the trace, which has one picture; the comparison has two
    model.head.register_forward_hook(lambda _, images, logits: (logits[0] + len(images[0]), logits[1]))
    with pytest.raises(ExportMismatchError, match=r"differ in simcc_x by 0\.5; allowed: 0\.0001"):
        export_onnx(model, path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"the file before"]


def test_outputs_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    model = build_tiny_rtmpose()
    nn.init.constant_(model.head.cls_y.weight, float("nan"))
    with pytest.raises(ExportMismatchError, match="simcc_y by nan"):
        export_onnx(model, tmp_path / "model.onnx")
    assert not [*tmp_path.iterdir()]


def test_export_compares_on_the_given_pictures(tmp_path: Path) -> None:
    model = build_tiny_rtmpose()
    with pytest.raises(InvalidInput, match="at least one picture"):
        export_onnx(model, tmp_path / "model.onnx", image_B3HW=torch.empty(0, 3, 96, 64))
    with pytest.raises(ExportMismatchError, match="nan"):
        export_onnx(model, tmp_path / "model.onnx", image_B3HW=torch.full((1, 3, 96, 64), torch.inf))


def test_error_is_relative_to_the_largest_value() -> None:
    wanted = np.array([10.0, -20.0], np.float32)
    assert relative_error(wanted, wanted + np.array([0.0, 0.2], np.float32)) == pytest.approx(0.01, rel=1e-4)
    assert relative_error(0 * wanted, 0 * wanted) == 0
    with pytest.raises(ExportMismatchError, match=r"shape \(1,\), torch \(2,\)"):
        relative_error(wanted, wanted[:1])


def test_every_output_has_to_be_close() -> None:
    require_equal({"a": 1e-5, "b": 1e-4}, 1e-4)
    with pytest.raises(ExportMismatchError, match=r"differ in b by 0\.01, c by nan"):
        require_equal({"a": 0.0, "b": 0.01, "c": float("nan")}, 1e-4)
