"""What networks cost: counted as published, timed through the pipeline, set beside what papers claim."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.costs import CLAIMS, RECIPE_NAMES, Claim, Cost, ask, claim_table, cost_table, count, export, load
from benchmarks.workload import person_boxes
from pose_core.pipeline import PeopleRequest
from pose_core.skeleton import BODY
from pose_core.timing import Timer
from training.recipes import RECIPES, find_recipe


def test_counts_are_those_of_the_student() -> None:
    cost = count(RECIPES["distilpose-s"]())
    assert cost.parameters == pytest.approx(5.364101)
    assert cost.work == pytest.approx(2.7048, abs=1e-4)
    assert cost.work - cost.attention == pytest.approx(2.3614, abs=1e-4), "as published, 2.38 with norms"


def test_claims_are_about_networks_that_are_measured() -> None:
    assert {name for claim in CLAIMS for name in (claim.teacher, claim.student)} <= set(RECIPE_NAMES)
    assert set(RECIPE_NAMES) <= set(RECIPES)


def test_a_network_is_asked_through_the_pipeline(tmp_path: Path) -> None:
    recipe = find_recipe("distilpose-s-debug")
    path = export(recipe, tmp_path)
    written = path.stat().st_mtime_ns
    pipeline = load(export(recipe, tmp_path), threads=1)
    assert path.stat().st_mtime_ns == written, "it is exported once"
    photo = np.zeros((1024, 1024, 3), np.uint8)
    (person,) = pipeline.estimate_poses(photo, PeopleRequest(boxes=person_boxes(1)), Timer()).keypoints
    assert person[BODY, :2].all()
    assert not person[BODY.stop :].any()
    assert ask(pipeline, photo) > 0


def test_tables_have_medians_and_ratios() -> None:
    costs = {
        "big": Cost(parameters=60.0, work=18.0, attention=2.0, times_ms=(40.0, 50.0, 90.0)),
        "small": Cost(parameters=5.0, work=2.5, attention=0.5, times_ms=(10.0, 20.0, 10.0)),
    }
    assert list(cost_table(costs))[2:] == [
        "| big | 60.00 | 18.00 | 2.00 | 50.0 |",
        "| small | 5.00 | 2.50 | 0.50 | 10.0 |",
    ]
    claims = [Claim("big", "small", 12.5, None, 4.0), Claim("big", "absent", 1.0, 1.0, 1.0)]
    assert list(claim_table(costs, claims))[2:] == ["| big / small | 12.00 | 12.5 | 8.00 |  | 5.00 | 4.0 |"]
