"""Fast pose distillation in small: a teacher, the student alone, distilled, from scratch and warm, and a table.

    python -m benchmarks.fpd FOLDER [--seeds 1 2 3] [--precision bfloat16] [--runs runs] [--output results.md]

`FOLDER` is the people pack. The teacher is trained once, with the recipe's own seed, every student with each seed; a
warm one goes on from the student of labels alone of the same seed. A run that is there is not repeated, one that was
stopped goes on, so the command can be stopped and started at will. Numbers are those of the evaluation at the end of a
run, on joints that people marked.
"""

import argparse
from typing import Final

from benchmarks.runs import Numbers, carry_out, options_of, publish, settings_of, table
from training.recipes.fpd import PEOPLE_STUDENTS, WARM

COLUMNS: Final = {
    "PCK@0.2": "pck-torso/mean/PCK@0.2",
    "AUC": "pck-torso/mean/AUC",
    "elbow": "pck-torso/elbow/PCK@0.2",
    "wrist": "pck-torso/wrist/PCK@0.2",
    "knee": "pck-torso/knee/PCK@0.2",
    "ankle": "pck-torso/ankle/PCK@0.2",
    "PCK@0.1 of the box": "pck/body/PCK@0.1",
}
"""Heading -> a number of the evaluation."""

MEANING: Final = {
    "teacher": "teacher, 4 stacks x 64",
    "alone": "student, 2 stacks x 32, labels alone (alpha 0)",
    "half": "from scratch, alpha 0.5",
    "taught": "from scratch, alpha 1",
    "unmasked": "from scratch, alpha 0.5, teacher unmasked",
    "warm-alone": "warm, labels alone (alpha 0)",
    "warm-half": "warm, alpha 0.5: FPD",
    "warm-taught": "warm, alpha 1",
}


def main() -> None:
    """Run what is missing, print the table and write it."""
    options = options_of(__doc__).parse_args()
    teacher = carry_out("people-hourglass", options.runs / "people-hourglass", settings_of(options))
    students = {name: [run(name, seed, options) for seed in options.seeds] for name in PEOPLE_STUDENTS}
    publish(table({"teacher": [teacher], **students}, MEANING, COLUMNS), options.output)


def run(variant: str, seed: int, options: argparse.Namespace) -> Numbers:
    """The last evaluation of a student."""
    folder = options.runs / "people-fpd"
    weights = []
    if not variant.endswith("alone"):
        weights += ["--teacher-weights", str(options.runs / "people-hourglass")]
    if variant.startswith(WARM):
        weights += ["--student-weights", str(folder / f"alone-{seed}")]
    settings, own = settings_of(options), ["--seed", str(seed), *weights]
    return carry_out(f"people-fpd-{variant}", folder / f"{variant}-{seed}", settings, own)


if __name__ == "__main__":
    main()
