"""All metrics of one network on one set: a table to read and JSON to keep."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from pose_core.errors import UnknownChoice
from training.evals import EVALS, Pckh, PckTorso, metrics_of
from training.evals.joint_rates import Curve
from training.evals.pairs import labels_of
from training.evals.records import GroundTruth, Predictions, Result, Score

ON_ANY_BOXES = ("coco-wholebody-ap",)
"""Metrics that need not know which prediction belongs to whom."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured.

    Attributes:
        data: name of the set.
        network: name of the network.
        counts: of photos, people and what could not be used.
        results: by metric, a key of `EVALS`.
    """

    data: str
    network: str
    counts: Mapping[str, int | str]
    results: Mapping[str, Result]


def evaluate(truth: GroundTruth, predictions: Predictions, metrics: Sequence[str] | None = None) -> Report:
    """Measure. Where nobody labelled anything by hand, the labels of machines count, as `labels` in the notes says.

    Args:
        truth: the annotated set.
        predictions: of one network.
        metrics: keys of `EVALS`; by default all that can be measured on such points and boxes.

    Raises:
        UnknownChoice: a metric that is not in `EVALS`.
    """
    names = metrics if metrics is not None else measurable(truth, predictions)
    for name in names:
        if name not in EVALS:
            raise UnknownChoice("metrics", name, EVALS)
    counts: dict[str, int | str] = {
        "photos": len(truth.photos),
        "people": len(truth.people),
        "boxes": predictions.boxes,
        "predictions": len(predictions.people),
        "problems": len(truth.problems) + len(predictions.problems),
    }
    options = {} if (labels := labels_of(truth)) == "human" else {"labels": labels}
    results = {
        name: EVALS[name](truth, predictions, **options if "labels" in signature(EVALS[name]).parameters else {})
        for name in names
    }
    return Report(truth.name, predictions.network, {**counts, **options}, results)


def measurable(truth: GroundTruth, predictions: Predictions) -> list[str]:
    """The metrics of such points on such boxes."""
    of_points = metrics_of(truth.scheme)
    return of_points if predictions.boxes == "annotated" else [name for name in of_points if name in ON_ANY_BOXES]


def flatten(report: Report) -> dict[str, float | None]:
    """Every number by `metric/part/score`, for logs; the benchmark's headline is `coco-wholebody-ap/wholebody/AP`."""
    return {
        f"{metric}/{score.part}/{score.name}": score.value
        for metric, result in report.results.items()
        for score in result.scores()
    }


def curves_of(report: Report) -> dict[str, Curve]:
    """The curve of each metric that has one."""
    return {name: result.curve for name, result in report.results.items() if isinstance(result, Pckh | PckTorso)}


def to_json(report: Report) -> dict[str, Any]:
    """The report as JSON can hold it; a number that could not be measured is null."""
    return {
        "data": report.data,
        "network": report.network,
        "counts": dict(report.counts),
        "results": {name: result_to_json(result) for name, result in report.results.items()},
    }


def result_to_json(result: Result) -> dict[str, Any]:
    """Part -> score -> value, with what each part was counted over."""
    parts: dict[str, dict[str, Any]] = {}
    for score in result.scores():
        parts.setdefault(score.part, {result.counted: score.count})[score.name] = score.value
    return {"notes": dict(result.notes), "parts": parts}


def write_json(report: Report, path: Path) -> None:
    """Write the report to a file, replacing it."""
    path.write_text(json.dumps(to_json(report), indent=2) + "\n")


def format_table(report: Report) -> str:
    """The report as text: a head, then one block of aligned columns for each metric."""
    head = [f"network  {report.network}", f"data     {report.data}", f"         {format_notes(report.counts)}"]
    blocks = ["\n".join(format_result(name, result)) for name, result in report.results.items()]
    return "\n\n".join(["\n".join(head), *blocks]) + "\n"


def format_result(name: str, result: Result) -> list[str]:
    """The lines of one metric: parts below each other, scores side by side, then how it was measured."""
    scores = result.scores()
    columns = list(dict.fromkeys(score.name for score in scores))
    rows = [[name, result.counted, *columns]]
    for part in dict.fromkeys(score.part for score in scores):
        here = {score.name: score for score in scores if score.part == part}
        rows.append([part, str(next(iter(here.values())).count), *(format_score(here.get(name)) for name in columns)])
    return [*align(rows), f"({format_notes(result.notes)})"]


def format_score(score: Score | None) -> str:
    """Four digits, or a dash for what could not be measured."""
    return "-" if score is None or score.value is None else f"{score.value:.4f}"


def format_notes(notes: Mapping[str, int | str]) -> str:
    """Numbers before their names, texts behind: `12 photos, boxes annotated`."""
    return ", ".join(
        f"{name} {value}" if isinstance(value, str) else f"{value} {name}" for name, value in notes.items()
    )


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pad cells to columns; the first to the left, all others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
