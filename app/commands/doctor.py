"""`skelmap doctor`: is this installation what it seems to be?"""

import importlib.metadata
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import typer

from app import __version__
from app.commands import options
from app.models import ModelStore
from app.settings import Settings
from pose_core.errors import PoseError
from pose_core.session import CUDA, check_device, runtime_description
from pose_core.weights import cache_folder


class Finding(NamedTuple):
    """One line of the report; `trouble` says what to do, empty where all is well."""

    subject: str
    state: str
    trouble: str = ""


def doctor(
    estimator: options.Estimator = None, detector: options.Detector = None, device: options.Device = None
) -> None:
    """Check libraries, what networks really run on, and the default models; exit code 1 where something is wrong."""
    settings = options.settings_of(estimator=estimator, detector=detector, device=device)
    findings = [finding for check in CHECKS for finding in check(settings)]
    for finding in findings:
        typer.echo(f"{'TROUBLE' if finding.trouble else 'ok':8}{finding.subject:14}{finding.state}")
        if finding.trouble:
            typer.echo(f"{'':22}{finding.trouble}")
    if any(finding.trouble for finding in findings):
        raise typer.Exit(1)


def check_versions(settings: Settings) -> Iterator[Finding]:
    """Python and ourselves."""
    del settings
    yield Finding("skelmap", __version__)
    yield Finding("python", sys.version.split()[0])


def check_opencv(settings: Settings) -> Iterator[Finding]:
    """One OpenCV, and a version whose crops and maps are those of the reference."""
    del settings
    wheels = _installed_wheels("opencv-")
    right = (4, 13) <= tuple(int(part) for part in cv2.__version__.split(".")[:2]) < (5, 0)
    trouble = "" if right else "crops and maps differ from the reference; install opencv-python-headless>=4.13,<5"
    if len(wheels) > 1:
        trouble = f"{', '.join(wheels)} overwrite each other's files; keep opencv-python-headless alone"
    yield Finding("opencv", cv2.__version__, trouble)


def check_onnxruntime(settings: Settings) -> Iterator[Finding]:
    """One onnxruntime, and the provider that a network really gets."""
    wheels = _installed_wheels("onnxruntime")
    several = f"{', '.join(wheels)} overwrite each other's files; uninstall all and install one" * (len(wheels) > 1)
    description = runtime_description()
    yield Finding("onnxruntime", f"{description['onnxruntime']}, built for {description['built_for']}", several)
    try:
        provider = check_device(settings.device)
    except PoseError as error:
        yield Finding("provider", "none", str(error))
        return
    unused = "a GPU build that computes on the CPU: it needs an NVIDIA driver for CUDA 13" * (
        CUDA in description["built_for"] and provider != CUDA
    )
    yield Finding("provider", provider, unused)


def check_models(settings: Settings) -> Iterator[Finding]:
    """The default networks load."""
    yield Finding("weights", f"in {cache_folder()}")
    try:
        pipeline = ModelStore(settings).pipeline()
    except PoseError as error:
        yield Finding("models", "not usable", str(error))
        return
    yield Finding("estimator", f"{pipeline.estimator.name} on {pipeline.estimator.provider}")
    yield Finding("detector", f"{pipeline.detector.name} on {pipeline.detector.provider or 'no network'}")


def _installed_wheels(prefix: str) -> list[str]:
    names = {distribution.metadata["Name"].lower() for distribution in importlib.metadata.distributions()}
    return sorted(name for name in names if name.startswith(prefix))


CHECKS: tuple[Callable[[Settings], Iterator[Finding]], ...] = (
    check_versions,
    check_opencv,
    check_onnxruntime,
    check_models,
)
