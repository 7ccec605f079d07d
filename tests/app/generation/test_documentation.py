"""docs/generation.md names every parameter, setting, family and scheduler, and its table of models can be read."""

import re
from pathlib import Path

import pytest

from app.generation.families import FAMILIES
from app.generation.request import GenerationRequest
from app.generation.settings import GenerationSettings
from app.generation.table import read_table

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "generation.md").read_text("utf-8")


@pytest.mark.parametrize("name", [*GenerationRequest.model_fields, *FAMILIES])
def test_parameters_and_families_have_a_row(name: str) -> None:
    assert re.search(rf"^\| [^|]*`{re.escape(name)}`", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", GenerationSettings.model_fields)
def test_settings_have_a_row_with_their_default(name: str) -> None:
    default = GenerationSettings.model_fields[name].default
    shown = "" if default is None else f"`{str(default).lower()}`"
    assert f"| `SKELMAP_GENERATION_{name.upper()}` | {shown}".rstrip() in PAGE


@pytest.mark.parametrize("name", FAMILIES)
def test_the_table_of_families_says_what_the_families_say(name: str) -> None:
    family, side = FAMILIES[name], round(FAMILIES[name].pixels ** 0.5)
    size = f"| `{name}` | {family.size_multiple} | {side} x {side} "
    assert f"{size}| `{family.style}` | {family.steps} | {family.guidance:g} |" in PAGE
    assert all(f"`{scheduler}`" in PAGE for scheduler in family.schedulers)


def test_the_example_has_a_model_of_every_family(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "models.toml").write_text(example)
    assert {row.family for row in read_table(tmp_path / "models.toml").values()} == set(FAMILIES)
