"""The numbers of a run: one JSON object per line, and a picture of them.

A line is a step, `{"step", "epoch", "learning_rate", "gradient_norm", "samples_per_s", "losses", "metrics"}`, or an
evaluation, `{"step", "epoch", "evaluation"}`; `step` counts the steps finished by then.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from matplotlib.figure import Figure

Record = Mapping[str, Any]
GROUPS = {"losses": "loss", "metrics": "metric"}
"""Groups of numbers in a line, and what they are called in the picture."""

Curve = list[tuple[int, float]]
"""Step and value."""


class Log:
    """The log of a run, open for more lines.

    Lines beyond `step`, which a killed run wrote after its last checkpoint, are dropped: the continued run writes them
    again. Without a path nothing is written, for processes beside the first.
    """

    def __init__(self, path: Path | None, step: int = 0) -> None:
        self._file = None
        if path is None:
            return
        kept = [record for record in read_log(path) if record["step"] <= step]
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".partial-{path.name}")
        partial.write_text("".join(line(record) for record in kept))
        partial.replace(path)
        self._file = path.open("a")

    def write(self, record: Record) -> None:
        """Add a line; it survives the end of the process."""
        if self._file:
            self._file.write(line(record))
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()


def line(record: Record) -> str:
    """One record as a line of JSON."""
    return json.dumps(record) + "\n"


def read_log(path: Path) -> list[dict[str, Any]]:
    """Every complete line of a log; nothing if there is none. Lines that are cut off or damaged are left out."""
    if not path.is_file():
        return []
    lines = path.read_text(errors="replace").split("\n")
    return [record for text in lines[:-1] if (record := parse_line(text))]


def parse_line(text: str) -> dict[str, Any] | None:
    """A line of JSON as a record; None for one that says no step."""
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("step"), int) else None


def curves_of(records: list[dict[str, Any]]) -> dict[str, Curve]:
    """Every number of the steps, and the headline of the evaluations, over the steps.

    Named `loss ground_truth`, `metric accuracy`, `evaluation AP`, the others as they are.
    """
    curves: defaultdict[str, Curve] = defaultdict(list)
    for record in records:
        for name, number in name_numbers(record):
            curves[name].append((record["step"], number))
    return dict(curves)


def name_numbers(record: Record) -> Iterator[tuple[str, float]]:
    """The numbers of a line that are drawn, by the names of their curves."""
    for key, value in record.items():
        if key == "evaluation":
            headline, number = next(iter(value.items()))
            yield f"evaluation {headline}", number
        elif key in GROUPS:
            yield from ((f"{GROUPS[key]} {name}", number) for name, number in value.items())
        elif key not in {"step", "epoch"}:
            yield key, value


def plot_log(path: Path, picture: Path) -> None:
    """Draw every curve of a log into a panel of its own; no picture for a log without lines."""
    curves = curves_of(read_log(path))
    if not curves:
        return
    columns = min(len(curves), 3)
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(4.5 * columns, 2.6 * rows))
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.25 / rows, top=1 - 0.1 / rows, hspace=0.35)
    for number, (name, curve) in enumerate(curves.items()):
        axes = figure.add_subplot(rows, columns, number + 1)
        axes.plot(*zip(*curve, strict=True), marker="." if len(curve) < 50 else None, linewidth=0.8)
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        if name.startswith("loss") and all(value > 0 for _, value in curve):
            axes.set_yscale("log")
        axes.grid(visible=True, alpha=0.3)
    figure.savefig(picture, dpi=110)
