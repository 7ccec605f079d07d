"""Runs that are carried out once, and the tables of what came of them."""

import json
from pathlib import Path

import pytest

from benchmarks import ablations, distilpose, fpd
from benchmarks.fpd import MEANING
from benchmarks.runs import carry_out, cell, is_complete, options_of, publish, settings_of, table
from tests.training.test_cli import output_of
from training.recipes import RECIPES
from training.recipes.ablations import STAGE1
from training.recipes.distilpose import LEFT_OUT
from training.recipes.fpd import PEOPLE_STUDENTS, PEOPLE_VARIANTS


def test_a_cell_is_mean_and_deviation() -> None:
    assert cell([0.5, 0.7]) == "0.6000 ± 0.1414"
    assert cell([0.5]) == "0.5000"


@pytest.mark.parametrize(
    ("script", "variants", "first"),
    [
        (ablations, (*STAGE1, "stage2"), ["labels alone", "+ feature loss"]),
        (fpd, ("teacher", *PEOPLE_STUDENTS), ["teacher, 4 stacks x 64", MEANING["alone"]]),
        (distilpose, ("teacher", "alone", *LEFT_OUT), ["teacher, TokenPose", "student without a teacher"]),
    ],
)
def test_every_variant_is_a_line(script: object, variants: tuple[str, ...], first: list[str]) -> None:
    meaning, columns = script.MEANING, script.COLUMNS  # type: ignore[attr-defined]
    numbers = dict.fromkeys(columns.values(), 0.25)
    head, rule, *lines = table({name: [numbers, numbers] for name in variants}, meaning, columns)
    assert head.startswith("| mean ± deviation |")
    assert head.count("|") == rule.count("|") == lines[0].count("|")
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines[:2]] == first
    assert all("0.2500 ± 0.0000" in line for line in lines)


def test_a_table_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish(iter(["| a |", "|---|"]), tmp_path / "table.md")
    assert (tmp_path / "table.md").read_text() == capsys.readouterr().out == "| a |\n|---|\n"


@pytest.mark.parametrize(
    "names",
    [
        [f"ablation-{name}" for name in STAGE1],
        [f"people-fpd-{name}" for name in PEOPLE_VARIANTS],
        ["people-distilpose-alone", *(f"people-distilpose-{name}" for name in LEFT_OUT)],
    ],
)
def test_only_the_losses_differ(names: list[str]) -> None:
    first, *others = (RECIPES[name]() for name in names)
    for other in others:
        assert other.data == first.data
        assert other.optimisation == first.optimisation
        assert (other.epochs, other.student, other.codec) == (first.epochs, first.student, first.codec)


def test_a_finished_run_is_not_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "truth-1"
    output_of("run", "ablation-truth", "--debug", "--output", folder, "--data", tmp_path)
    assert is_complete(folder)
    before = (folder / "log.jsonl").read_text()
    options = options_of(None).parse_args([str(tmp_path), "--precision", "float32"])
    numbers = carry_out("ablation-truth", folder, settings_of(options))
    assert (folder / "log.jsonl").read_text() == before
    *_, last = (json.loads(line) for line in before.splitlines() if "evaluation" in line)
    assert numbers == last["evaluation"]
