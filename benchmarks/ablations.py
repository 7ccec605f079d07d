"""The ablations of `training.recipes.ablations`, every variant with several seeds, and the table of `docs/results.md`.

    python -m benchmarks.ablations FOLDER [--seeds 1 2 3] [--precision bfloat16] [--runs runs] [--output results.md]

`FOLDER` is the data folder, `RUNS` holds the runs `skelmap-s1-half-start` and `skelmap-t-features`. A run that is there
is not repeated, one that was stopped goes on, so the command can be stopped and started at will. The second stage of a
seed starts from the `decay` run of the same seed. Numbers are those of the last epoch's evaluation.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from training.checkpoints import list_checkpoints, read_snapshot
from training.log import read_log
from training.recipes.ablations import STAGE1

COLUMNS: Final = {
    "PCK@0.05": "pck/wholebody/PCK@0.05",
    "PCK@0.1 body": "pck/body/PCK@0.1",
    "OKS body": "oks/body/OKS",
    "NME face": "face-nme/face/mean",
}
"""Heading -> a number of the evaluation."""

MEANING: Final = {
    "truth": "labels alone",
    "feature": "+ feature loss",
    "logit": "+ logit loss",
    "decay": "+ decay: stage 1",
    "mask": "stage 1, logit loss of labelled points only",
    "stage2": "stage 1, then stage 2",
}

Numbers = Mapping[str, float]


def main() -> None:
    """Run what is missing, print the table and write it."""
    options = _options()
    results = {name: [carry_out(name, seed, options) for seed in options.seeds] for name in (*STAGE1, "stage2")}
    text = "\n".join(table(results, options.seeds))
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


def carry_out(variant: str, seed: int, options: argparse.Namespace) -> Numbers:
    """The last evaluation of a variant, which is run first as far as it was not."""
    folder = options.runs / "ablations" / f"{variant}-{seed}"
    common = ["--data", str(options.data), "--precision", options.precision]
    if list_checkpoints(folder):
        if not is_complete(folder):
            training("resume", str(folder), *common)
    else:
        teacher = options.runs / ("skelmap-s1-half-start" if variant != "stage2" else f"ablations/decay-{seed}")
        weights = [] if variant == "truth" else ["--teacher-weights", str(teacher)]
        if variant != "stage2":
            weights += ["--student-weights", str(options.runs / "skelmap-t-features")]
        run = ["run", f"ablation-{variant}", "--seed", str(seed), "--output", str(folder)]
        training(*run, *weights, *common)
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


def table(results: Mapping[str, Sequence[Numbers]], seeds: Sequence[int]) -> Iterator[str]:
    """Markdown: a line for each variant, mean and sample deviation over the seeds."""
    yield f"| {len(seeds)} seeds, mean ± deviation | {' | '.join(COLUMNS)} |"
    yield "|---" + "|---:" * len(COLUMNS) + "|"
    for variant, runs in results.items():
        cells = (cell([numbers[key] for numbers in runs]) for key in COLUMNS.values())
        yield f"| {MEANING[variant]} | {' | '.join(cells)} |"


def cell(values: Sequence[float]) -> str:
    """Mean and deviation with four digits; the deviation needs two values."""
    deviation = f" ± {statistics.stdev(values):.4f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.4f}{deviation}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with train.json and val.json")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--precision", choices=["auto", "float32", "bfloat16"], default="auto")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--output", type=Path, help="write the table to this file, too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
