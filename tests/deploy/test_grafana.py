"""The dashboard asks Prometheus for nothing that the server does not count."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.engine.observe import BatchRun, ModelLoaded
from app.metrics import Metrics

DASHBOARD = json.loads((Path(__file__).parents[2] / "deploy/grafana/skelmap.json").read_text())
OF_PROMETHEUS = {"instance", "job", "le"}


@pytest.fixture(scope="module")
def series() -> dict[str, set[str]]:
    """Every series that a server at work shows, and its labels."""
    metrics = Metrics()
    metrics.answered(route="/pose", method="POST", code=401, seconds=1.0, phases={"pose": 1.0})
    metrics.seen(1, 1)
    observe = metrics.observe()
    observe.queued("network", 1)
    observe.batch(BatchRun(lane="network", items=1, size=1, requests=1, seconds=1.0, failed=False))
    observe.failed("error")
    observe.loaded(ModelLoaded(name="network", sha256="ab", provider="CPUExecutionProvider", seconds=1.0))
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def queries(panel: dict[str, Any]) -> list[str]:
    """The expressions of a panel."""
    return [target["expr"] for target in panel["targets"]]


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each series of an expression with the labels it is chosen by."""
    for name, chosen in re.findall(r"((?:pose|process)_\w+)\{([^}]*)\}", expression):
        yield name, set(re.findall(r"(\w+)=", chosen))


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_panel_asks_for_what_is_counted(panel: dict[str, Any], series: dict[str, set[str]]) -> None:
    for expression in queries(panel):
        found = list(selectors(expression))
        assert found
        for name, chosen in found:
            assert name in series
            assert chosen <= series[name] | OF_PROMETHEUS
            for grouped in re.findall(r"by \(([^)]*)\)", expression):
                assert set(grouped.split(", ")) <= series[name] | OF_PROMETHEUS
        assert expression.count("{") == len(found)


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_a_legend_names_labels_that_are_there(panel: dict[str, Any], series: dict[str, set[str]]) -> None:
    for target in panel["targets"]:
        name, _ = next(selectors(target["expr"]))
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= series[name] | OF_PROMETHEUS


def test_everything_that_is_counted_is_shown(series: dict[str, set[str]]) -> None:
    asked = " ".join(expression for panel in DASHBOARD["panels"] for expression in queries(panel))
    shown = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in series}
    ours = {name for name in shown if name.startswith("pose_") and not name.endswith("_created")}
    assert [name for name in sorted(ours) if name not in asked] == []


def test_panels_do_not_lie_over_each_other() -> None:
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
