"""What users install: the wheel, in an environment where nothing else of this checkout can be found."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

import pytest

from pose_core.types import Image
from tests.app.scenery import Networks, write_networks, write_png

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def call(command: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder, without this checkout on its path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SKELMAP_"))}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy so that nothing is left behind in the checkout."""
    source = tmp_path_factory.mktemp("source")
    for folder in ("app", "pose_core", "training", "tests"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    built = call([sys.executable, "-m", "build", "--wheel", "--no-isolation"], source)
    assert built.returncode == 0, built.stdout + built.stderr
    (file,) = (source / "dist").glob("skelmap-*-py3-none-any.whl")
    return file


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel, and sees the dependencies where they are installed.

    A .pth file leads to them; the .pth files beside them, the editable install of the checkout among them, are not
    followed from there.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, system_site_packages=False, with_pip=False)
    python = folder / "bin" / "python"
    installed = call(
        [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel],
        folder,
    )
    assert installed.returncode == 0, installed.stderr
    (packages,) = folder.glob("lib/python*/site-packages")
    places = dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    (packages / "dependencies.pth").write_text("\n".join(places))
    return folder


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Networks:
    """The tiny networks."""
    return write_networks(tmp_path_factory.mktemp("networks"))


def test_the_wheel_holds_the_two_packages_and_their_data(wheel: Path) -> None:
    with ZipFile(wheel) as opened:
        names = opened.namelist()
    held = {name for name in names if ".dist-info/" not in name}
    source = {
        file.relative_to(ROOT).as_posix() for package in ("app", "pose_core") for file in (ROOT / package).rglob("*.py")
    }
    networks = {f"pose_core/networks/{name}" for name in ("LICENSE", "skelmap-t.onnx", "skelmap-det.onnx")}
    data = {"pose_core/probe.onnx", "pose_core/py.typed", "app/py.typed", *networks}
    assert held == source | data
    for licence in ("LICENSE", "pose_core/networks/LICENSE"):
        assert any(name.endswith(f".dist-info/licenses/{licence}") for name in names)


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with ZipFile(wheel) as opened:
        (metadata,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        (entry_points,) = [name for name in opened.namelist() if name.endswith("entry_points.txt")]
        text = opened.read(metadata).decode()
        assert "skelmap = app.commands:main" in opened.read(entry_points).decode()
    assert "\nName: skelmap\n" in text
    assert "\nLicense-Expression: Apache-2.0\n" in text
    for needed in ("opencv-python-headless<5,>=4.13", 'torch==2.13.0; extra == "train"'):
        assert f"\nRequires-Dist: {needed}\n" in text


def test_only_the_wheel_is_installed(environment: Path) -> None:
    script = (
        "import app, pose_core, importlib.util as u; print(app.__file__, pose_core.__file__, u.find_spec('training'))"
    )
    found = call([environment / "bin" / "python", "-c", script], environment)
    assert found.returncode == 0, found.stderr
    app, pose_core, training = found.stdout.split()
    assert Path(app).is_relative_to(environment)
    assert Path(pose_core).is_relative_to(environment)
    assert training == "None"


def test_the_command_works(environment: Path, networks: Networks, photo: Image, tmp_path: Path) -> None:
    skelmap = environment / "bin" / "skelmap"
    models = ("--estimator", networks.estimator, "--detector", networks.detector)
    version = call([skelmap, "--version"], tmp_path)
    assert version.stdout.startswith("skelmap ")
    assert "unknown" not in version.stdout
    verified = call([skelmap, "models", "verify", "skelmap-t", "skelmap-det"], tmp_path)
    assert verified.returncode == 0, verified.stderr
    doctor = call([skelmap, "doctor", *models], tmp_path)
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    (tmp_path / "photo.png").write_bytes(write_png(photo))
    ran = call([skelmap, "run", "photo.png", "-o", "maps", "--json", *models], tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert len(json.loads((tmp_path / "maps" / "photo.json").read_text())["people"]) == 3
    assert (tmp_path / "maps" / "photo.png").read_bytes().startswith(b"\x89PNG")
