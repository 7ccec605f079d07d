"""Runs that are carried out once, however often they are interrupted, and a table of what came of them."""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from training.checkpoints import list_checkpoints, read_snapshot
from training.log import read_log

Numbers = Mapping[str, float]
"""What a run's last evaluation says, by name."""


def carry_out(recipe: str, folder: Path, settings: Sequence[str], options: Sequence[str] = ()) -> Numbers:
    """The last evaluation of a run, which is carried out first as far as it was not.

    Args:
        recipe: its name.
        folder: of the run.
        settings: options that one that goes on takes as well, such as `--data FOLDER`.
        options: those of a new run only, such as `--seed 1`.
    """
    if not list_checkpoints(folder):
        training("run", recipe, "--output", str(folder), *options, *settings)
    elif not is_complete(folder):
        training("resume", str(folder), *settings)
    return last_evaluation(folder)


def is_complete(folder: Path) -> bool:
    """Whether a run got to its last step."""
    snapshot = read_snapshot(list_checkpoints(folder)[-1])
    return snapshot.step == snapshot.recipe.epochs * snapshot.steps_per_epoch


def last_evaluation(folder: Path) -> Numbers:
    """The numbers at the end of a run's log."""
    *_, last = (record["evaluation"] for record in read_log(folder / "log.jsonl") if "evaluation" in record)
    numbers: Numbers = last
    return numbers


def training(*arguments: str) -> None:
    """`python -m training` with these arguments; ends the program if it fails."""
    command = [sys.executable, "-m", "training", *arguments]
    if code := subprocess.run(command, check=False).returncode:  # noqa: S603 - our own command
        sys.exit(code)


def table(
    results: Mapping[str, Sequence[Numbers]], meaning: Mapping[str, str], columns: Mapping[str, str]
) -> Iterator[str]:
    """Markdown: a line for each variant, mean and sample deviation over its runs.

    Args:
        results: variant -> the numbers of its runs.
        meaning: variant -> what to call it.
        columns: heading -> name of a number.
    """
    yield f"| mean ± deviation | {' | '.join(columns)} |"
    yield "|---" + "|---:" * len(columns) + "|"
    for variant, runs in results.items():
        cells = (cell([numbers[key] for numbers in runs]) for key in columns.values())
        yield f"| {meaning[variant]} | {' | '.join(cells)} |"


def cell(values: Sequence[float]) -> str:
    """Mean and deviation with four digits; the deviation needs two values."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{deviation}"


def options_of(description: str | None) -> argparse.ArgumentParser:
    """The command line of a script that carries out every run with several seeds."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.json and val.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--output", type=Path, help="write the table to this file, too")
    return parser


def settings_of(options: argparse.Namespace) -> list[str]:
    """What every run takes of such a command line."""
    return ["--data", str(options.data), "--precision", options.precision]


def publish(lines: Iterator[str], output: Path | None) -> None:
    """Print a table, and write it."""
    text = "\n".join(lines)
    print(text)
    if output:
        output.write_text(text + "\n")
