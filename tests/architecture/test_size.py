"""Functions stay short and annotated; measured here because it is a promise, not a matter of taste."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("pose_core", "app", "training", "deploy")
LONG_LINES = 60
LONG_SHARE = 0.02

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    """Every function of the packages with a name to find it by."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, Function):
                    yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def test_fewer_than_two_percent_of_functions_are_long() -> None:
    found = list(functions())
    long = [name for name, node in found if (node.end_lineno or node.lineno) - node.lineno + 1 > LONG_LINES]
    assert len(found) > 100
    assert len(long) < LONG_SHARE * len(found), long


def test_every_function_is_annotated() -> None:
    missing = []
    for name, node in functions():
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [argument.arg for argument in arguments if argument.annotation is None]
        if node.returns is None or set(bare) - {"self", "cls"}:
            missing.append(name)
    assert missing == []
