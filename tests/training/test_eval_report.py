"""All metrics together: each by its name, as a table, as JSON, and for a run that wants one number."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pose_core.codecs import Heatmap
from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.estimators import EstimatorSpec
from pose_core.types import Size
from tests.training.annotated import copy_truth, make_truth, truth_for, write_photos
from training.evals import EVALS, GroundTruth, Predictions, metrics_of, read_ground_truth
from training.evals.networks import onnx_network
from training.evals.pck import evaluate_pck
from training.evals.predict import predict
from training.evals.report import evaluate, flatten, format_table, to_json, write_json
from training.evals.validation import headline_first, make_evaluate
from training.evals.views import annotated_boxes
from training.models.rtmpose import RtmPose, Scale


@pytest.mark.parametrize("name", EVALS)
def test_every_metric_lists_its_numbers(name: str) -> None:
    truth = truth_for(name)
    result = EVALS[name](truth, copy_truth(truth))
    scores = result.scores()
    assert len({(score.part, score.name) for score in scores}) == len(scores) > 0
    assert all(score.count > 0 for score in scores)
    assert any(score.value is not None for score in scores)
    assert result.counted
    json.dumps(dict(result.notes))


@pytest.mark.parametrize("name", EVALS)
def test_every_metric_bears_an_empty_set(name: str) -> None:
    scheme = truth_for(name).scheme
    nobody = GroundTruth("nobody", (), (), scheme=scheme)
    result = EVALS[name](nobody, Predictions("silence", "annotated", (), scheme))
    assert all(score.value is None for score in result.scores())


@pytest.mark.parametrize("name", EVALS)
def test_every_metric_tells_better_from_worse(name: str) -> None:
    truth = truth_for(name)
    good, bad = (
        {(score.part, score.name): score.value for score in EVALS[name](truth, copy_truth(truth, (pixels, 0))).scores()}
        for pixels in (0, 12)
    )
    assert good != bad


def test_table_is_aligned_and_says_what_and_how_many() -> None:
    truth = make_truth()
    lines = format_table(evaluate(truth, copy_truth(truth), ["pck", "face-nme"])).splitlines()
    assert lines[:3] == [
        "network  copy",
        "data     drawn",
        "         2 photos, 3 people, boxes annotated, 3 predictions, 0 problems",
    ]
    assert lines[4:12] == [
        "pck        points  PCK@0.05  PCK@0.1  PCK@0.2",
        "body           51    1.0000   1.0000   1.0000",
        "foot           18    1.0000   1.0000   1.0000",
        "face          204    1.0000   1.0000   1.0000",
        "lefthand       63    1.0000   1.0000   1.0000",
        "righthand      63    1.0000   1.0000   1.0000",
        "wholebody     399    1.0000   1.0000   1.0000",
        "(3 people, 0 left out, size box, labels human)",
    ]
    assert lines[13:15] == [
        "face-nme  faces    mean  median  above 0.08",
        "face          3  0.0000  0.0000      0.0000",
    ]


def test_json_keeps_every_number_and_null_for_none(tmp_path: Path) -> None:
    truth = make_truth()
    report = evaluate(truth, copy_truth(truth))
    write_json(report, tmp_path / "report.json")
    read = json.loads((tmp_path / "report.json").read_text())
    assert read == to_json(report)
    assert list(read["results"]) == metrics_of("coco-wholebody")
    assert read["results"]["coco-wholebody-ap"]["parts"]["body"]["AP_L"] is None
    assert read["results"]["pck"]["parts"]["body"] == {"points": 51, "PCK@0.05": 1, "PCK@0.1": 1, "PCK@0.2": 1}
    assert read["counts"]["photos"] == 2


def test_detected_boxes_are_ranked_only() -> None:
    truth = make_truth()
    said = replace(copy_truth(truth), boxes="detected")
    assert list(evaluate(truth, said).results) == ["coco-wholebody-ap"]
    with pytest.raises(InvalidInput, match="annotated boxes"):
        evaluate(truth, said, ["pck"])


def test_unknown_metric_lists_the_known_ones() -> None:
    with pytest.raises(UnknownChoice, match="metrics: unknown value 'iou'; valid: coco-wholebody-ap, pck"):
        evaluate(make_truth(), copy_truth(make_truth()), ["iou"])


def test_problems_are_counted() -> None:
    truth, said = replace(make_truth(), problems=("a",)), replace(copy_truth(make_truth()), problems=("b", "c"))
    assert evaluate(truth, said, ["pck"]).counts["problems"] == 3


def test_a_run_gets_its_headline_first(tmp_path: Path) -> None:
    write_photos(tmp_path)
    truth = make_truth()
    torch.manual_seed(0)
    network = RtmPose(Scale(deepen=0.1, widen=0.125), Size(width=64, height=96), 133)
    measure = make_evaluate(
        truth,
        annotated_boxes(truth, tmp_path),
        spec=EstimatorSpec(input_size=network.input_size),
        headline="pck/wholebody/PCK@0.2",
        workers=1,
        progress=False,
    )
    numbers = measure(network)
    assert next(iter(numbers)) == "pck/wholebody/PCK@0.2"
    assert {"coco-wholebody-ap/wholebody/AP", "face-nme/face/mean"} <= numbers.keys()
    assert all(isinstance(value, float) for value in numbers.values())
    assert numbers == measure(network)


def test_a_headline_without_a_number_is_an_error() -> None:
    numbers = flatten(evaluate(make_truth(), copy_truth(make_truth()), ["coco-wholebody-ap"]))
    with pytest.raises(InvalidInput, match="AP_L could not be measured"):
        headline_first(numbers, "coco-wholebody-ap/body/AP_L")
    assert next(iter(headline_first(numbers, "coco-wholebody-ap/face/AR"))) == "coco-wholebody-ap/face/AR"


@pytest.mark.shared
def test_a_public_model_does_on_real_photos_what_it_is_known_to_do(shared: Path) -> None:
    """0.66 to 0.69 of all joints within 0.05 of the box on the pack's 554 to 617 COCO people; these 21 are easier."""
    people, model = shared / "data" / "people", shared / "data" / "models" / "ultralight_nano_simplepose.onnx"
    content = json.loads((people / "val.json").read_bytes())
    content["annotations"] = [record for record in content["annotations"] if record["source"] == "coco"]
    truth = read_ground_truth(content, "people/val.json, coco")
    network = onnx_network(str(model), "cpu", threads=1, spec=EstimatorSpec(codec=Heatmap(), scheme="coco"))
    result = evaluate_pck(truth, predict(network, annotated_boxes(truth, people), flip=False, progress=False))
    assert (result.people, result.points["body"]) == (21, 244)
    assert 0.7 < result.parts["body"][0] < 0.82  # type: ignore[operator]  # there are labels
    assert np.isnan(result.keypoints[:, 17:]).all()
