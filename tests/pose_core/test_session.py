"""Real networks on the real runtime: what a session reports, and what can be wrong with a file or a device."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from pose_core.errors import DeviceUnavailable, ModelError
from pose_core.session import BATCH_SIZES, CPU, CUDA, check_device, open_session, runtime_description
from tests import tiny_onnx

ANSWERS = {"second": np.arange(3, dtype=np.float32), "first": np.ones((2, 2), np.float32)}


def cuda_works() -> bool:
    try:
        return check_device("cuda") == CUDA
    except DeviceUnavailable:
        return False


@pytest.fixture
def network(tmp_path: Path) -> Path:
    return tiny_onnx.answering(tmp_path / "tiny.onnx", ANSWERS, metadata={"made.by": "hand"})


# ---- a good file


def test_what_a_session_reports(network: Path) -> None:
    session = open_session(network, "cpu")
    assert session.path == network
    assert session.sha256 == hashlib.sha256(network.read_bytes()).hexdigest()
    assert session.provider == CPU
    assert session.input_name == "input"
    assert session.input_shape == (None, 3, None, None)
    assert session.output_names == ("second", "first")
    assert session.metadata == {"made.by": "hand"}


def test_outputs_come_by_name_and_for_every_image(network: Path) -> None:
    outputs = open_session(network, "cpu").run(np.zeros((2, 3, 8, 8), np.float32))
    assert list(outputs) == ["second", "first"]
    np.testing.assert_array_equal(outputs["second"], [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(outputs["first"], np.ones((2, 2, 2)))


def test_outputs_may_be_whole_numbers(tmp_path: Path) -> None:
    """The labels of a detector are."""
    network = tiny_onnx.answering(tmp_path / "tiny.onnx", {"labels": np.array([0, 7])})
    assert open_session(network, "cpu").run(np.zeros((1, 3, 8, 8), np.float32))["labels"].tolist() == [[0, 7]]


def test_fixed_sides_are_read_from_the_graph(tmp_path: Path) -> None:
    session = open_session(tiny_onnx.answering(tmp_path / "tiny.onnx", ANSWERS, (2, 3, 32, 24)), "cpu")
    assert session.input_shape == (2, 3, 32, 24)
    assert session.batch_sizes == (2,)


def test_batch_sizes_are_the_providers_where_the_graph_leaves_them_open(network: Path) -> None:
    session = open_session(network, "cpu")
    assert session.batch_sizes == BATCH_SIZES[CPU]
    assert replace(session, provider=CUDA).batch_sizes == BATCH_SIZES[CUDA]
    assert replace(session, provider="SomethingNewExecutionProvider").batch_sizes == BATCH_SIZES[CPU]


@pytest.mark.parametrize("sizes", BATCH_SIZES.values(), ids=BATCH_SIZES)
def test_batch_sizes_ascend_from_one(sizes: tuple[int, ...]) -> None:
    assert sizes[0] == 1
    assert sorted(set(sizes)) == list(sizes)


def test_the_number_of_threads_changes_nothing_else(network: Path) -> None:
    image = np.zeros((1, 3, 8, 8), np.float32)
    one, all_cores = (open_session(network, "cpu", threads=threads).run(image) for threads in (1, 0))
    np.testing.assert_array_equal(one["first"], all_cores["first"])


def test_a_session_serves_several_threads_at_once(tmp_path: Path) -> None:
    session = open_session(tiny_onnx.mean_colour(tmp_path / "tiny.onnx", (16, 16)), "cpu", threads=1)

    def first_score(colour: int) -> float:
        return float(session.run(np.full((1, 3, 16, 16), colour, np.float32))["simcc_x"][0, 0, 0])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(first_score, range(64))) == list(range(64))


# ---- a bad file


@pytest.mark.parametrize("content", [b"", b"not a network", bytes(10_000)], ids=["empty", "text", "zeros"])
def test_a_file_that_is_no_network(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.onnx cannot be loaded"):
        open_session(path, "cpu")


def test_half_a_network(network: Path) -> None:
    network.write_bytes(network.read_bytes()[:200])
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_session(network, "cpu")


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.onnx", tmp_path):
        with pytest.raises(ModelError, match="cannot be loaded"):
            open_session(path, "cpu")


@pytest.mark.parametrize(
    "inputs",
    [{"image": [1, 3, 8, 8], "scale": [1, 2]}, {"tokens": ["batch", 77]}, {}],
    ids=["two inputs", "no image", "no input"],
)
def test_a_network_without_a_single_image_input(tmp_path: Path, inputs: dict[str, tiny_onnx.Shape]) -> None:
    nodes = [helper.make_node("Identity", ["answer"], ["output"])]
    outputs: dict[str, tuple[np.dtype, tiny_onnx.Shape]] = {"output": (np.dtype(np.float32), [1])}
    path = tiny_onnx.save(tmp_path / "tiny.onnx", nodes, {"answer": np.ones(1, np.float32)}, inputs, outputs)
    with pytest.raises(ModelError, match=r"expected one input of shape N,3,H,W"):
        open_session(path, "cpu")


@pytest.mark.parametrize("shape", [("batch", 1, 8, 8), ("batch", 8, 8, 3)], ids=["grey", "channels last"])
def test_a_network_that_takes_no_rgb_planes_fails_when_it_is_opened(tmp_path: Path, shape: tiny_onnx.Shape) -> None:
    with pytest.raises(ModelError, match=r"tiny\.onnx failed on CPUExecutionProvider"):
        open_session(tiny_onnx.answering(tmp_path / "tiny.onnx", ANSWERS, shape), "cpu")


def test_a_network_of_another_number_type_fails_when_it_is_opened(tmp_path: Path) -> None:
    path = tiny_onnx.answering(tmp_path / "tiny.onnx", ANSWERS)
    model = onnx.load(path)
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"tiny\.onnx failed on CPUExecutionProvider"):
        open_session(path, "cpu")


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    session = open_session(tiny_onnx.answering(tmp_path / "tiny.onnx", ANSWERS, ("batch", 3, 8, 8)), "cpu")
    with pytest.raises(ModelError, match=r"tiny\.onnx failed on CPUExecutionProvider"):
        session.run(np.zeros((1, 3, 9, 8), np.float32))


# ---- devices


def test_the_cpu_is_always_there() -> None:
    assert check_device("cpu") == CPU


def test_auto_says_what_it_took() -> None:
    assert check_device("auto") == (CUDA if cuda_works() else CPU)


@pytest.mark.skipif(cuda_works(), reason="CUDA works here")
def test_cuda_is_refused_where_it_would_not_be_used(network: Path) -> None:
    with pytest.raises(DeviceUnavailable, match=r"device=cuda was asked for.*skelmap\[gpu\].*choose device=cpu"):
        open_session(network, "cuda")
    with pytest.raises(DeviceUnavailable, match=r"probe\.onnx"):
        check_device("cuda")


@pytest.mark.gpu
def test_cuda_is_used_where_it_works(network: Path) -> None:
    if not cuda_works():
        pytest.skip("needs a CUDA device")
    session = open_session(network, "cuda")
    assert session.provider == CUDA
    np.testing.assert_array_equal(session.run(np.zeros((4, 3, 8, 8), np.float32))["second"], [[0, 1, 2]] * 4)


def test_the_runtime_describes_itself() -> None:
    description = runtime_description()
    installed = {each.version for each in distributions() if each.name.startswith("onnxruntime")}
    assert description["onnxruntime"] in installed
    assert CPU in description["built_for"]
