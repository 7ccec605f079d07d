"""What users of the Python client install: its wheel."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.slow

CLIENT = Path(__file__).resolve().parents[2] / "deploy" / "python"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left behind in the checkout."""
    source = tmp_path_factory.mktemp("client") / "source"
    shutil.copytree(CLIENT, source, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation"]
    built = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False, timeout=60)
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = (source / "dist").glob("skelmap_client-*-py3-none-any.whl")
    return file


def test_it_holds_the_package_and_its_licence(wheel: Path) -> None:
    package = {path.relative_to(CLIENT).as_posix() for path in (CLIENT / "skelmap_client").glob("*.py")}
    with ZipFile(wheel) as opened:
        names = opened.namelist()
        (licence,) = [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
        assert opened.read(licence) == (CLIENT / "LICENSE").read_bytes()
    assert {name for name in names if ".dist-info/" not in name} == package | {"skelmap_client/py.typed"}


def test_it_says_what_it_needs(wheel: Path) -> None:
    with ZipFile(wheel) as opened:
        (metadata,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        lines = opened.read(metadata).decode().splitlines()
    assert {"Name: skelmap-client", "Requires-Python: >=3.9", "License-Expression: Apache-2.0"} <= set(lines)
    assert [line for line in lines if line.startswith("Requires-Dist: ")] == [
        f"Requires-Dist: {name}" for name in ("numpy", "pillow", "requests")
    ]
