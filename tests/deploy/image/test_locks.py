"""The lock files of the image: pinned, hashed, and what pyproject.toml and constraints.txt say."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from deploy.image.lock import BUILD_LOCK, FOLDER, LOCKS, PYTHON, ROOT, build_requirements, lock_file

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
IMAGE = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.5",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
}
"""What the image answers to markers."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One library of a lock file."""

    requirement: Requirement
    hashes: tuple[str, ...]

    @property
    def version(self) -> Version:
        """The only one that is let in."""
        (specifier,) = self.requirement.specifier
        assert specifier.operator == "=="
        return Version(specifier.version)


FILES = [*map(lock_file, LOCKS), BUILD_LOCK]


def read_lock(file: Path) -> dict[str, Pin]:
    """What a lock file installs in the image: canonical name -> pin."""
    pins: dict[str, Pin] = {}
    for entry in file.read_text().replace("\\\n", " ").splitlines():
        requirement = Requirement(entry.split(" --hash=")[0].strip())
        if requirement.marker is None or requirement.marker.evaluate(IMAGE):
            hashes = tuple(re.findall(r"--hash=(\S+)", entry))
            pins[canonicalize_name(requirement.name)] = Pin(requirement, hashes)
    return pins


def direct(names: Iterable[str]) -> list[Requirement]:
    """What pyproject.toml asks for with these extras."""
    extras = PROJECT["optional-dependencies"]
    return [Requirement(text) for text in [*PROJECT["dependencies"], *(one for name in names for one in extras[name])]]


def constraints() -> dict[str, Version]:
    """Every tested version."""
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in (line.split("==") for line in lines)}


def test_there_is_a_file_for_each_row_and_no_other() -> None:
    assert set(FOLDER.glob("*.txt")) == set(FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_everything_is_pinned_and_hashed(file: Path) -> None:
    pins = read_lock(file)
    assert pins
    for pin in pins.values():
        assert pin.version
        assert pin.hashes
        assert all(re.fullmatch("sha256:[0-9a-f]{64}", one) for one in pin.hashes)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_versions_are_the_tested_ones(file: Path) -> None:
    tested = constraints()
    different = {
        library: (pin.version, tested[library])
        for library, pin in read_lock(file).items()
        if library in tested and pin.version != tested[library]
    }
    assert different == {}, "make lock"


@pytest.mark.parametrize("name", LOCKS)
def test_what_the_project_asks_for_is_there(name: str) -> None:
    pins = read_lock(lock_file(name))
    for requirement in direct(LOCKS[name]):
        assert canonicalize_name(requirement.name) in pins, f"{requirement}: make lock"
        assert pins[canonicalize_name(requirement.name)].version in requirement.specifier, f"{requirement}: make lock"


def test_what_the_build_asks_for_is_there() -> None:
    pins = read_lock(BUILD_LOCK)
    for requirement in map(Requirement, build_requirements()):
        assert pins[requirement.name].version in requirement.specifier


@pytest.mark.parametrize("name", LOCKS)
def test_one_onnxruntime(name: str) -> None:
    assert [library for library in read_lock(lock_file(name)) if library.startswith("onnxruntime")] == [
        "onnxruntime-gpu" if "gpu" in LOCKS[name] else "onnxruntime"
    ]


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_no_torch_unless_it_is_asked_for(name: str) -> None:
    assert not {"torch", "diffusers", "transformers", "triton"} & set(read_lock(lock_file(name)))


@pytest.mark.parametrize("name", [name for name, extras in LOCKS.items() if "gpu" in extras])
def test_cuda_and_cudnn_come_as_libraries(name: str) -> None:
    pins = read_lock(lock_file(name))
    assert {"nvidia-cuda-runtime", "nvidia-cuda-nvrtc", "nvidia-cublas", "nvidia-cufft", "nvidia-cudnn-cu13"} <= set(
        pins
    )
    assert pins["nvidia-cuda-runtime"].version.major == 13
    assert pins["nvidia-cudnn-cu13"].version.major == 9
