"""Publishing: nothing gets its name before it was compared."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from pose_core.codecs import Regression, SimCC
from pose_core.errors import InvalidInput, ModelError, UnknownChoice
from pose_core.estimators import EstimatorSpec
from pose_core.session import open_session
from pose_core.types import Size
from training.deployable import Description, describe, read_description, save_deployable
from training.export import ExportReport
from training.models import MODELS
from training.publish import describe_agreement, publish
from training.published import DEFAULT_SIZE, Known, parse_size
from training.tasks import TASKS, Published

SMALL = Size(64, 64)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh network in a file that says what it is."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    about = Description(model="rtmpose-t", input_size=SMALL, codec=SimCC(), recipe="folder-t", step=1)
    save_deployable(MODELS["rtmpose-t"](input_size=SMALL).state_dict(), about, path)
    return path


def test_points_that_differ_leave_the_older_file(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "good.onnx"
    published = publish(weights, path, None, precision="float32")
    assert (published.export.path, published.export.bytes) == (path, path.stat().st_size)
    before = path.read_bytes()

    def far_away(_network: Any, report: ExportReport, *_: object) -> Published:
        return Published(report, crops=2, sure=10, near=0.5, farthest_px=9.0)

    monkeypatch.setitem(TASKS, "pose", replace(TASKS["pose"], compare=far_away))
    with pytest.raises(ModelError, match=r"only 50\.00% of what the file finds"):
        publish(weights, path, None, precision="float32")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_where_nothing_was_found_nothing_was_compared() -> None:
    published = Published(ExportReport(Path("x.onnx"), "", 1, {}), crops=2, sure=0, near=1.0, farthest_px=0.0)
    assert "was not compared" in describe_agreement(published)
    assert "%" not in describe_agreement(published)
    assert describe_agreement(replace(published, sure=3)).startswith("of 3 points or boxes it is sure of 100.00% lie")


def test_what_a_published_file_is_says_its_user(weights: Path, tmp_path: Path) -> None:
    bare = tmp_path / "dw-l.pth"
    about = Known("rtmpose-l", "288x384").describe(bare)
    assert (about.model, about.input_size, about.codec) == ("rtmpose-l", Size(288, 384), SimCC(sigma=(6.0, 6.93)))
    assert (about.recipe, about.task) == ("dw-l", "pose")
    assert Known("rtmpose-t").describe(bare).input_size == parse_size(DEFAULT_SIZE) == Size(192, 256)
    student = Known("distilpose-s").describe(bare)
    assert (student.codec, student.scheme, student.input_size) == (Regression(), "coco", Size(192, 256))
    assert describe(bare, "yolox-nano", EstimatorSpec(input_size=SMALL)).task == "detection"
    assert Known().describe(weights).input_size == SMALL
    with pytest.raises(
        InvalidInput, match=r"dw-l\.pth does not say which network it belongs to; --model and --size do"
    ):
        Known().describe(bare)
    with pytest.raises(UnknownChoice, match="model: unknown value 'rtmpose'; valid: rtmpose-t, "):
        Known("rtmpose").describe(bare)
    with pytest.raises(InvalidInput, match="size: '256' is no WIDTHxHEIGHT, such as 192x256"):
        Known("rtmpose-t", "256").describe(bare)


def test_silenced_points_score_nothing(weights: Path, tmp_path: Path) -> None:
    """Neither by what the picture shows nor by what the head would say of any."""
    state = load_file(weights)
    state["head.final_layer.bias"] += 1  # a fresh head has none
    biased = tmp_path / "biased.safetensors"
    save_deployable(state, read_description(weights), biased)
    publish(biased, tmp_path / "quiet.onnx", None, precision="float32", silence=(18, 21))
    image = np.random.default_rng(0).normal(size=(2, 3, SMALL.height, SMALL.width)).astype(np.float32)
    for logits in open_session(tmp_path / "quiet.onnx", "cpu").run(image).values():
        quiet = np.abs(logits).max(axis=(0, 2)) == 0
        assert np.flatnonzero(quiet).tolist() == [18, 21]
    with pytest.raises(InvalidInput, match="silence: 133 is no point; they are 0 to 132"):
        publish(weights, tmp_path / "quiet.onnx", None, precision="float32", silence=(133,))
