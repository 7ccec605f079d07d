"""The ablations of `training.recipes.ablations`, every variant with several seeds, and the table of `docs/results.md`.

    python -m benchmarks.ablations FOLDER [--seeds 1 2 3] [--precision bfloat16] [--runs runs] [--output results.md]

`FOLDER` is the data folder, `RUNS` holds the runs `skelmap-s1-half-start` and `skelmap-t-features`. A run that is there
is not repeated, one that was stopped goes on, so the command can be stopped and started at will. The second stage of a
seed starts from the `decay` run of the same seed. Numbers are those of the last epoch's evaluation.
"""

import argparse
from typing import Final

from benchmarks.runs import Numbers, carry_out, options_of, publish, settings_of, table
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


def main() -> None:
    """Run what is missing, print the table and write it."""
    options = options_of(__doc__).parse_args()
    results = {name: [run(name, seed, options) for seed in options.seeds] for name in (*STAGE1, "stage2")}
    publish(table(results, MEANING, COLUMNS), options.output)


def run(variant: str, seed: int, options: argparse.Namespace) -> Numbers:
    """The last evaluation of a variant."""
    teacher = options.runs / ("skelmap-s1-half-start" if variant != "stage2" else f"ablations/decay-{seed}")
    weights = [] if variant == "truth" else ["--teacher-weights", str(teacher)]
    if variant != "stage2":
        weights += ["--student-weights", str(options.runs / "skelmap-t-features")]
    folder = options.runs / "ablations" / f"{variant}-{seed}"
    return carry_out(f"ablation-{variant}", folder, settings_of(options), ["--seed", str(seed), *weights])


if __name__ == "__main__":
    main()
