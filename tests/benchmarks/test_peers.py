"""Networks side by side: whatever can be loaded, the table and the JSON."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import peers
from benchmarks.peer_networks import load_network
from benchmarks.peers import list_columns, measure, table
from pose_core.codecs import Heatmap, SimCC
from pose_core.errors import ModelError
from tests import tiny_onnx
from tests.benchmarks.mediapipe_stand_in import write_python
from tests.training.annotated import copy_truth, make_content, write_photos
from training.evals import read_ground_truth
from training.evals.predict import predict
from training.evals.views import annotated_boxes

INTERPRETER = '''
import numpy as np


class Interpreter:
    """Answers every picture with points on a diagonal, scored by the mean of its red pixels."""

    def __init__(self, model_path, num_threads):
        assert num_threads == 1

    def allocate_tensors(self):
        pass

    def get_input_details(self):
        return [{"index": 0, "dtype": np.uint8}]

    def get_output_details(self):
        return [{"index": 1}]

    def set_tensor(self, index, picture):
        assert picture.dtype == np.uint8 and picture.shape == (1, 192, 192, 3)
        self.score = picture[..., 0].mean() / 255

    def invoke(self):
        pass

    def get_tensor(self, index):
        fractions = np.arange(17) / 16
        return np.stack([fractions, fractions / 2, np.full(17, self.score)], axis=-1)[None, None].astype(np.float32)
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The drawn set as a folder, its photos in folders of two sources."""
    content = make_content()
    for image, source in zip(content["images"], ("coco", "lspet"), strict=True):
        (tmp_path / source).mkdir()
        image["file_name"] = f"{source}/{image['file_name']}"
    write_photos(tmp_path)
    for image in content["images"]:
        (tmp_path / Path(image["file_name"]).name).rename(tmp_path / image["file_name"])
    (tmp_path / "val.json").write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def estimator(tmp_path: Path) -> Path:
    """All points in the middle of the crop."""
    return tiny_onnx.simcc(tmp_path / "middle.onnx", np.full((133, 2), 32.0), np.full(133, 0.5), (64, 64))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr("sys.argv", ["peers", *map(str, arguments)])
    peers.main()


def test_one_line_per_network_and_look(
    folder: Path, estimator: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = folder / "out.json"
    python = write_python(folder)
    run(monkeypatch, folder, estimator, "--mediapipe", python, "--looks", "photo", "1.5", "--json", output)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| middle",
        "| mediapipe 0, whole photo",
        "| mediapipe 0, crop x 1.5",
    ]
    assert lines[0].startswith("| network | OKS | OKS coco | OKS lspet | PCK@0.1 | PCK@0.1 coco |")
    assert {line.count("|") for line in lines} == {lines[0].count("|")}
    read: list[dict[str, Any]] = json.loads(output.read_text())
    assert [one["network"] for one in read] == ["middle", "mediapipe 0, whole photo", "mediapipe 0, crop x 1.5"]
    assert list(read[0]["sources"]) == ["all", "coco", "lspet"]
    assert read[0]["sources"]["coco"]["OKS"]["count"] == 2
    assert f"{read[0]['sources']['all']['OKS']['value']:.3f}" in lines[2]
    assert read[0]["score-curve"]["notes"]
    assert read[1]["sources"]["all"]["face NME"] is None


def test_perfect_answers_in_the_table(folder: Path) -> None:
    truth = read_ground_truth(folder / "val.json")
    head, _, body, whole = table(
        [measure(truth, copy_truth(truth, scheme=scheme)) for scheme in ("coco", "coco-wholebody")], ["coco"]
    )
    cells = dict(zip(head.split(" | "), whole.split(" | "), strict=True))
    assert (cells["OKS coco"], cells["face NME"], cells["hands* > 24 px"]) == ("1.000", "0.000 (3)", "0.000 (6)")
    assert body.split(" | ")[1:5] == ["1.000"] * 4
    assert body.split(" | ")[5] == "-"


def test_columns_of_unknown_sources_are_left_out(folder: Path) -> None:
    truth = read_ground_truth(folder / "val.json")
    assert ("mpii", "OKS") in list_columns(["mpii"])
    assert "mpii" not in next(table([measure(truth, copy_truth(truth))], ["mpii"]))


def test_networks_by_their_files(folder: Path, estimator: Path) -> None:
    assert isinstance(load_network(str(estimator), folder, 1).spec.codec, SimCC)
    path = folder / "ultralight_nano_simplepose.onnx"
    tiny_onnx.heatmaps(path, np.tile([[24, 32]], (17, 1)), np.full(17, 0.7))
    known = load_network(str(path), folder, 1).spec
    assert (known.codec, known.scheme) == (Heatmap(refine="dark"), "coco")


def test_movenet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = folder / "packages" / "ai_edge_litert"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text(INTERPRETER)
    monkeypatch.syspath_prepend(str(package.parent))
    with pytest.raises(ModelError, match="no such file"):
        load_network(str(folder / "net.tflite"), folder, 1)
    (folder / "net.tflite").write_bytes(b"")
    network = load_network(str(folder / "net.tflite"), folder, 1)
    views = annotated_boxes(read_ground_truth(folder / "val.json"), folder)
    said = predict(network, views, flip=False, progress=False)
    first = said.people[0].keypoints  # box 60 x 100 at 20, 20: the crop is 125 x 125 around 50, 70
    np.testing.assert_allclose(first[0, :2], [50 - 62.5, 70 - 62.5], atol=1e-4)
    np.testing.assert_allclose(first[16, :2], [50, 70 + 62.5], atol=1e-4)
    assert 0.1 < first[0, 2] < 0.9
    assert not first[17:].any()
    assert said.scheme == "coco"


def test_movenet_without_a_runtime_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(ModelError, match="pip install ai-edge-litert"):
        load_network(str(folder / "net.tflite"), folder, 1)


@pytest.mark.shared
def test_a_public_model_on_real_people(shared: Path) -> None:
    people, model = shared / "data" / "people", shared / "data" / "models" / "ultralight_nano_simplepose.onnx"
    content = json.loads((people / "val.json").read_bytes())
    content["annotations"] = [one for one in content["annotations"] if one["source"] in ("coco", "helen")]
    truth = read_ground_truth(content)
    said = peers.ask(load_network(str(model), people, 1), annotated_boxes(truth, people), flip=False)
    measured = measure(truth, said)
    oks = measured.rows["coco"]["OKS"]
    assert oks is not None
    assert oks.count == 21
    assert 0.74 < (oks.value or 0) < 0.83
    best = {score.name: score.value for score in measured.curve.scores() if score.part == "close-up best"}
    assert (best["F1"] or 0) > 0.95, "it does not see legs in portraits"
