"""What the files of deploy/ set in the environment is a setting that the server has, with a value that it takes."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic_settings import BaseSettings

import app
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
FILES = ("Dockerfile", "docs/deploy.md", "deploy/.env.example", "deploy/compose.yaml", "deploy/kubernetes/**/*.yaml")
NO_SETTINGS = {"SKELMAP_HOME"}
"""Variables of ours that are read elsewhere: where weights lie."""


def settings_classes() -> list[type[BaseSettings]]:
    """Every class of settings in the app."""
    for module in pkgutil.walk_packages(app.__path__, "app."):
        if module.name.endswith(".settings"):
            importlib.import_module(module.name)
    return [found for found in BaseSettings.__subclasses__() if found.__module__.startswith("app.")]


def fields() -> dict[str, Any]:
    """Every variable that the server reads and the field behind it."""
    return {
        f"{found.model_config['env_prefix']}{name}".upper(): field
        for found in settings_classes()
        for name, field in found.model_fields.items()
    }


def files() -> list[Path]:
    return [file for pattern in FILES for file in sorted(ROOT.glob(pattern))]


def assignments(text: str) -> Iterator[tuple[str, str]]:
    """Names and plain values in the shapes of .env, of compose and of kustomize; no paths, which are elsewhere here."""
    yield from re.findall(r"^[\s#-]*(SKELMAP_[A-Z_]+)(?:=|: )\"?([^\s\"$#/]+)", text, re.MULTILINE)


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_name_is_a_setting(file: Path) -> None:
    named = set(re.findall(r"SKELMAP_[A-Z_]+[A-Z]", file.read_text()))
    assert named - NO_SETTINGS - set(fields()) == set()


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_value_is_one_that_it_takes(file: Path) -> None:
    known = fields()
    for name, value in assignments(file.read_text()):
        if name in known:
            TypeAdapter(known[name].annotation).validate_python(value)


def test_the_settings_of_the_server_are_among_them() -> None:
    assert Settings in settings_classes()
    assert "SKELMAP_MAX_QUEUE" in fields()
