"""The ablation of DistilPose in small: a teacher, the student alone and with each of its losses, and a table.

    python -m benchmarks.distilpose FOLDER [--seeds 1 2 3] [--variants alone sh all] [--runs runs] [--output table.md]

`FOLDER` is the data folder. The teacher is trained once, with the recipe's own seed, every student with each seed. A
run that is there is not repeated, one that was stopped goes on, so the command can be stopped and started at will.
Numbers are those of the evaluation at the end of a run.
"""

import argparse
from typing import Final

from benchmarks.runs import Numbers, carry_out, options_of, publish, settings_of, table
from training.recipes.distilpose import LEFT_OUT

COLUMNS: Final = {
    "PCK@0.05": "pck/body/PCK@0.05",
    "PCK@0.1": "pck/body/PCK@0.1",
    "OKS": "oks/body/OKS",
    "AP": "coco-wholebody-ap/body/AP",
}
"""Heading -> a number of the evaluation."""

MEANING: Final = {
    "teacher": "teacher, TokenPose",
    "alone": "student without a teacher",
    "sh": "simulated heatmaps (SH)",
    "cs": "confidence (CS)",
    "sh-cs": "SH and CS",
    "kt": "keypoint tokens (KT)",
    "vt": "visual tokens (VT)",
    "kt-vt": "KT and VT",
    "all": "all: DistilPose",
}


STUDENTS: Final = ("alone", *LEFT_OUT)


def main() -> None:
    """Run what is missing, print the table and write it."""
    parser = options_of(__doc__)
    parser.add_argument("--variants", nargs="+", choices=STUDENTS, default=STUDENTS, help="which students (all)")
    options = parser.parse_args()
    teacher = carry_out("people-tokenpose", options.runs / "people-tokenpose", settings_of(options))
    students = {name: [run(name, seed, options) for seed in options.seeds] for name in options.variants}
    publish(table({"teacher": [teacher], **students}, MEANING, COLUMNS), options.output)


def run(variant: str, seed: int, options: argparse.Namespace) -> Numbers:
    """The last evaluation of a student."""
    weights = [] if variant == "alone" else ["--teacher-weights", str(options.runs / "people-tokenpose")]
    folder = options.runs / "people-distilpose" / f"{variant}-{seed}"
    return carry_out(f"people-distilpose-{variant}", folder, settings_of(options), ["--seed", str(seed), *weights])


if __name__ == "__main__":
    main()
