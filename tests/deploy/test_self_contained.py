"""What runs in other people's Python imports nothing of ours and parses in Python 3.9."""

import ast
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

PACKS = {
    "python": {"numpy", "PIL", "requests", "typing_extensions", "skelmap_client"},
    "a1111": {"numpy", "PIL", "requests", "gradio", "modules", "modules_forge", "scripts", "lib_skelmap"},
}
"""Each folder and what beside the standard library it may import; typing_extensions by type checkers only."""


def files(pack: str) -> list[Path]:
    found = sorted((DEPLOY / pack).rglob("*.py"))
    assert found
    return found


def imported(tree: ast.AST) -> set[str]:
    """The top-level names that a module imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("pack", PACKS)
def test_it_imports_nothing_else(pack: str) -> None:
    for file in files(pack):
        assert imported(ast.parse(file.read_text())) <= sys.stdlib_module_names | PACKS[pack], file


@pytest.mark.parametrize("pack", PACKS)
def test_it_parses_in_python_3_9(pack: str) -> None:
    for file in files(pack):
        ast.parse(file.read_text(), filename=str(file), feature_version=(3, 9))


@pytest.mark.parametrize("pack", [*PACKS, "comfyui"])
def test_it_brings_its_licence(pack: str) -> None:
    assert (DEPLOY / pack / "LICENSE").read_text() == (DEPLOY.parent / "LICENSE").read_text()


def test_the_check_of_the_syntax_can_fail() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("match 1:\n    case 1: pass", feature_version=(3, 9))
