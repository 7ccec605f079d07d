"""Writes the lock files of the image: every library with its version and the hashes of its files.

`make lock` runs it with uv. Versions are those of constraints.txt; what is not named there is the newest that fits.
"""

import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent

PYTHON = "3.13"
"""The Python of the image's Debian, trixie."""

LOCKS: dict[str, tuple[str, ...]] = {
    "cpu": ("cpu", "telemetry"),
    "gpu": ("gpu", "telemetry"),
    "cpu-controlnet": ("cpu", "telemetry", "controlnet"),
    "gpu-controlnet": ("gpu", "telemetry", "controlnet"),
    "cpu-ray": ("cpu", "telemetry", "ray"),
    "gpu-ray": ("gpu", "telemetry", "ray"),
}
"""RUNTIME, or RUNTIME-EXTRAS, of the Dockerfile -> the extras of pyproject.toml that it installs."""


BUILD_LOCK = FOLDER / "build-requirements.txt"
"""What makes the wheel, in a stage that is thrown away."""


def lock_file(name: str) -> Path:
    """Where the lock file of a row of `LOCKS` is."""
    return FOLDER / f"requirements-{name}.txt"


def build_requirements() -> list[str]:
    """What pyproject.toml asks of the build."""
    requires: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    return requires


def compile_lock(file: Path, source: Sequence[str], requirements: str = "") -> None:
    """Let uv resolve; what is in the file already stays where it can."""
    options = ("--constraint", "constraints.txt", "--generate-hashes", "--universal", "--python-version", PYTHON)
    output = ("--no-header", "--no-annotate", "--output-file", str(file))
    command = (sys.executable, "-m", "uv", "pip", "compile", "--quiet", *source, *options, *output)
    subprocess.run(command, cwd=ROOT, input=requirements, text=True, check=True)  # noqa: S603 -- our own table


def main() -> None:
    """Write every lock file."""
    for name, extras in LOCKS.items():
        compile_lock(lock_file(name), ("pyproject.toml", *(f"--extra={extra}" for extra in extras)))
    compile_lock(BUILD_LOCK, ("-",), "\n".join(build_requirements()))


if __name__ == "__main__":
    main()
