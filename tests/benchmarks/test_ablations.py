"""The table of the ablations: what is averaged, and what counts as a finished run."""

import argparse
import json
from pathlib import Path

from benchmarks.ablations import COLUMNS, carry_out, cell, is_complete, table
from tests.training.test_cli import output_of
from training.recipes import RECIPES
from training.recipes.ablations import STAGE1


def test_a_cell_is_mean_and_deviation() -> None:
    assert cell([0.5, 0.7]) == "0.6000 ± 0.1414"
    assert cell([0.5]) == "0.5000"


def test_every_variant_is_a_line() -> None:
    numbers = dict.fromkeys(COLUMNS.values(), 0.25)
    head, rule, *lines = table({name: [numbers, numbers] for name in (*STAGE1, "stage2")}, [1, 2])
    assert head.startswith("| 2 seeds, mean ± deviation |")
    assert head.count("|") == rule.count("|") == lines[0].count("|")
    assert [line.split(" | ")[0] for line in lines[:2]] == ["| labels alone", "| + feature loss"]
    assert all("0.2500 ± 0.0000" in line for line in lines)


def test_only_the_losses_differ() -> None:
    first, *others = (RECIPES[f"ablation-{name}"]() for name in STAGE1)
    for other in others:
        assert other.data == first.data
        assert other.optimisation == first.optimisation
        assert (other.epochs, other.student) == (first.epochs, first.student)


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "ablations" / "truth-1"
    output_of("run", "ablation-truth", "--debug", "--output", folder, "--data", tmp_path)
    assert is_complete(folder)
    before = (folder / "log.jsonl").read_text()
    options = argparse.Namespace(runs=tmp_path, data=tmp_path, precision="float32")
    numbers = carry_out("truth", 1, options)
    assert (folder / "log.jsonl").read_text() == before
    *_, last = (json.loads(line) for line in before.splitlines() if "evaluation" in line)
    assert numbers == last["evaluation"]
