"""The service must run where no training or generation library is installed.

The import rules of pyproject.toml see only direct names, so here the modules are really imported with the forbidden
ones poisoned.
"""

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "pycocotools", "matplotlib", "onnx")
WEB = ("fastapi", "starlette", "uvicorn", "pydantic", "typer")


def import_with_poison(module: str, poison: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    """Import a module in a fresh interpreter in which importing any of `poison` fails."""
    code = f"import sys\nfor name in {poison!r}: sys.modules[name] = None\nimport {module}"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("module", "poison"),
    [
        ("pose_core.pipeline", (*HEAVY, *WEB, "app", "training")),
        ("pose_core.styles, pose_core.renderers, pose_core.dialects, pose_core.weights", (*HEAVY, *WEB, "onnxruntime")),
        ("app.main", (*HEAVY, "training")),
        ("app.commands", (*HEAVY, "training")),
    ],
)
def test_imports_without(module: str, poison: tuple[str, ...]) -> None:
    result = import_with_poison(module, poison)
    assert result.returncode == 0, result.stderr


def test_the_probe_can_fail() -> None:
    result = import_with_poison("pose_core.pipeline", ("cv2",))
    assert result.returncode == 1
    assert "cv2" in result.stderr
