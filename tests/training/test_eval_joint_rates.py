"""PCKh and PCK of the torso: the three programs' numbers, values by hand, and curves."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.schemes import SCHEMES
from pose_core.types import PersonBox, Size
from tests.training.annotated import copy_truth, make_truth
from training.evals import EVALS, GroundTruth, Prediction, Predictions, metrics_of
from training.evals.joint_rates import Curve, plot_curves, pooled_curve, thresholds_to
from training.evals.pck_torso import evaluate_pck_torso
from training.evals.pckh import CONVENTIONS, evaluate_pckh
from training.evals.records import Person, Photo
from training.evals.report import curves_of, evaluate

HEAD_PX = 10.0


def truth_of(scheme: str, points: np.ndarray, head_px: Sequence[float]) -> GroundTruth:
    """People of a scheme, (people, points, 3), all in one photo."""
    people = tuple(
        Person(number, 1, (0.0, 0.0, 100.0, 100.0), None, crowd=False, body_points=1, keypoints=rows, head_px=head)
        for number, (rows, head) in enumerate(zip(points, head_px, strict=True))
    )
    return GroundTruth("drawn", (Photo(1, "1.png", Size(200, 200)),), people, scheme=scheme)


def said_of(truth: GroundTruth, points: np.ndarray) -> Predictions:
    """What a network says that knows all points of a set."""
    box = PersonBox(0.0, 0.0, 100.0, 100.0)
    people = [Prediction(1, person.id, box, 1.0, rows) for person, rows in zip(truth.people, points, strict=True)]
    return Predictions("drawn", "annotated", tuple(people), truth.scheme)


def figures(scheme: str, people: int = 2) -> np.ndarray:
    """(people, points, 3): every joint at a place of its own, all labelled."""
    points = np.full((people, len(SCHEMES[scheme]), 3), 2.0)
    points[..., :2] = np.random.default_rng(0).integers(20, 80, (*points.shape[:2], 2))
    return points


def numbers_of(result: Any) -> dict[tuple[str, str], float | None]:
    return {(score.part, score.name): score.value for score in result.scores()}


@pytest.fixture(scope="module")
def recorded(shared: Path) -> Any:
    return torch.load(shared / "oracles" / "fpd_distilpose" / "fpd_data_eval.pt", weights_only=True)["pckh"]


@pytest.fixture(scope="module")
def recorded_people(recorded: Any) -> tuple[GroundTruth, Predictions]:
    place = recorded["gt_1based"].numpy().astype(float).transpose(2, 0, 1)
    known = 1.0 - recorded["missing"].numpy().T[..., None]
    boxes = recorded["headboxes"].numpy().astype(float)
    head_px = 0.6 * np.linalg.norm(boxes[1] - boxes[0], axis=0)
    truth = truth_of("mpii", np.concatenate([place, known], axis=-1), head_px.tolist())
    said = recorded["pred_0based"].numpy().astype(float) + 1
    return truth, said_of(truth, np.concatenate([said, np.ones((*said.shape[:2], 1))], axis=-1))


@pytest.mark.shared
def test_three_programs_have_three_means(recorded: Any, recorded_people: tuple[GroundTruth, Predictions]) -> None:
    official, hrnet, unweighted = (
        numbers_of(evaluate_pckh(*recorded_people, convention=name)) for name in ("official", "hrnet", "pytorch-pose")
    )
    mean, tenth = ("mean", "PCKh@0.5"), ("mean", "PCKh@0.1")
    assert official[mean] == pytest.approx(recorded["official_total"] / 100)
    assert official["head", "PCKh@0.5"] == pytest.approx(recorded["official_head"] / 100)
    assert official["mean", "AUC"] == pytest.approx(recorded["auc"] / 100)
    assert official[tenth] == pytest.approx(recorded["at_0_10"] / 100)
    assert hrnet[mean] == pytest.approx(recorded["hrnet_eval"]["Mean"] / 100)
    assert hrnet[tenth] == pytest.approx(recorded["hrnet_eval"]["Mean@0.1"] / 100)
    assert hrnet[tenth] == pytest.approx(recorded["at_0_11"] / 100)
    for column in ("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"):
        found = hrnet[column.lower(), "PCKh@0.5"]
        assert found == pytest.approx(recorded["hrnet_eval"][column] / 100), column
    assert unweighted[mean] == pytest.approx(recorded["unweighted_mean_pytorch_pose"] / 100)


@pytest.mark.shared
def test_the_curve_is_the_official_one(recorded: Any, recorded_people: tuple[GroundTruth, Predictions]) -> None:
    curve = evaluate_pckh(*recorded_people).curve
    np.testing.assert_allclose(curve.shares, recorded["curve"] / 100, rtol=1e-9)


# ---- PCKh by hand


def test_a_joint_at_exactly_half_a_head_is_close_enough_but_for_pytorch_pose() -> None:
    points = figures("mpii")
    moved = points.copy()
    moved[..., 0] += HEAD_PX / 2
    truth = truth_of("mpii", points, [HEAD_PX] * 2)
    means = [evaluate_pckh(truth, said_of(truth, moved), convention=name).columns["mean"] for name in CONVENTIONS]
    assert means == [1.0, 1.0, 0.0]


def test_pelvis_and_thorax_do_not_count() -> None:
    points = figures("mpii")
    moved = points.copy()
    moved[:, 6:8] += 50
    truth = truth_of("mpii", points, [HEAD_PX] * 2)
    result = evaluate_pckh(truth, said_of(truth, moved))
    assert result.columns == dict.fromkeys([*result.columns], 1.0)
    assert result.joints["mean"] == 2 * 14


def test_pooled_and_unweighted_means_differ_where_labels_are_missing() -> None:
    """Both ankles of one person are wrong; the other one's are not labelled."""
    points = figures("mpii")
    points[1, [0, 5], 2] = 0
    moved = points.copy()
    moved[0, [0, 5]] += 50
    truth = truth_of("mpii", points, [HEAD_PX] * 2)
    official, unweighted = (
        evaluate_pckh(truth, said_of(truth, moved), convention=name).columns for name in ("official", "pytorch-pose")
    )
    assert official["mean"] == pytest.approx(24 / 26)
    assert unweighted["mean"] == pytest.approx(12 / 14)
    assert official["ankle"] == unweighted["ankle"] == 0.0


def test_the_head_is_two_joints_or_one() -> None:
    points = figures("mpii")
    moved = points.copy()
    moved[:, 8] += 50
    truth = truth_of("mpii", points, [HEAD_PX] * 2)
    heads = [evaluate_pckh(truth, said_of(truth, moved), convention=name).columns["head"] for name in CONVENTIONS]
    assert heads == [0.5, 1.0, 1.0]


def test_people_without_a_head_box_are_left_out() -> None:
    points = figures("mpii")
    truth = truth_of("mpii", points, [HEAD_PX, np.nan])
    result = evaluate_pckh(truth, said_of(truth, points))
    assert (result.people, result.left_out, result.columns["mean"]) == (1, 1, 1.0)
    nobody = evaluate_pckh(truth, Predictions("nobody", "annotated", (), "mpii"))
    assert {score.value for score in nobody.scores()} == {None}
    assert nobody.left_out == 2


def test_other_points_and_conventions_are_refused() -> None:
    with pytest.raises(InvalidInput, match="scheme: drawn has points of coco-wholebody, PCKh is of mpii"):
        evaluate_pckh(make_truth(), copy_truth(make_truth()))
    truth = truth_of("mpii", figures("mpii"), [HEAD_PX] * 2)
    with pytest.raises(UnknownChoice, match="convention: unknown value 'coco'; valid: official, hrnet, pytorch-pose"):
        evaluate_pckh(truth, said_of(truth, figures("mpii")), convention="coco")


# ---- PCK@0.2 of the torso


def test_errors_are_measured_in_torsos() -> None:
    points = figures("lsp", people=1)
    points[0, 9, :2], points[0, 2, :2] = (30, 20), (30, 70)  # left shoulder and right hip, 50 px apart
    moved = points.copy()
    moved[0, :, 0] += 10.0
    moved[0, [12, 13], 0] += 1
    truth = truth_of("lsp", points, [np.nan])
    result = evaluate_pck_torso(truth, said_of(truth, moved))
    assert (result.columns["head"], result.columns["knee"]) == (0.0, 1.0)
    numbers = numbers_of(result)
    assert numbers["mean", "PCK@0.2"] == pytest.approx(12 / 14)
    assert numbers["mean", "AUC"] == pytest.approx(12 / 14 * 0.5 / 20), "half of the last step"


def test_people_without_a_torso_are_left_out() -> None:
    points = figures("lsp")
    points[0, 9, 2] = 0
    truth = truth_of("lsp", points, [np.nan] * 2)
    result = evaluate_pck_torso(truth, said_of(truth, points))
    assert (result.people, result.left_out) == (1, 1)


def test_of_the_133_points_twelve_count() -> None:
    result = evaluate_pck_torso(make_truth(), copy_truth(make_truth()))
    assert "head" not in result.columns
    assert result.joints["mean"] == 12 * 3
    assert result.curve.shares == (1.0,) * 21


# ---- curves, and which metric is for whom


def test_a_curve_is_pooled_and_its_area_is_a_mean() -> None:
    curve = pooled_curve(np.array([[0.0, 0.25], [0.5, 9.0]]), np.ones((2, 2)), (0.0, 0.25, 0.5))
    assert curve.shares == (0.25, 0.5, 0.75)
    assert curve.area == pytest.approx(0.5)
    assert curve.at(0.25) == 0.5
    assert pooled_curve(np.zeros((0, 2)), np.zeros((0, 2)), (0.0, 0.5)).shares == (0.0, 0.0)


def test_thresholds_are_hundredths() -> None:
    assert thresholds_to(0.5) == pytest.approx([number / 100 for number in range(51)])
    assert (thresholds_to(0.5)[10], thresholds_to(0.5)[11]) == (0.1, 0.11)


def test_curves_are_drawn(tmp_path: Path) -> None:
    """A vector picture has its text as comments, and a line as `M x y` and `L x y`, counted from the top."""
    plot_curves({"one": Curve((0.0, 0.5), (0.0, 1.0)), "other": Curve((0.0, 0.5), (0.5, 0.75))}, tmp_path / "c.svg")
    picture = (tmp_path / "c.svg").read_text()
    assert re.findall("<!-- (.*, area .*) -->", picture) == ["one, area 50.0", "other, area 62.5"]
    line = r'd="M \S+ (\S+) \nL \S+ (\S+) \n" clip-path[^>]* stroke: {}'
    grid, *curves = (re.findall(line.format(colour), picture) for colour in ("#b0b0b0", "#1f77b4", "#ff7f0e"))
    bottom, top = map(float, grid[0])  # an upright line, from 0 to 100 percent
    heights = [(bottom - float(y)) / (bottom - top) for ((start, end),) in curves for y in (start, end)]
    assert heights == pytest.approx([0.0, 1.0, 0.5, 0.75])
    plot_curves({"one": Curve((0.0, 0.5), (0.0, 1.0))}, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_a_set_is_measured_by_what_fits_its_points() -> None:
    heads = ["pckh", "pckh-hrnet", "pckh-pytorch-pose"]
    assert metrics_of("mpii") == ["pck-torso", *heads]
    assert metrics_of("lsp") == ["pck-torso"]
    assert set(EVALS) - set(metrics_of("coco-wholebody")) == set(heads)
    truth = truth_of("mpii", figures("mpii"), [HEAD_PX] * 2)
    said = said_of(truth, figures("mpii"))
    report = evaluate(truth, said)
    assert [*report.results] == ["pck-torso", *heads]
    assert [*curves_of(report)] == ["pck-torso", *heads]
    assert [*evaluate(truth, replace(said, boxes="detected")).results] == []
