"""Both web UIs as small stand-ins with the extension installed, and a real server for it to ask.

The stand-ins in `hosts/` have what the extension touches, with the differences between the two; each starts anew for
every test.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

EXTENSION = Path(__file__).resolve().parents[3] / "deploy" / "a1111"
HOSTS = Path(__file__).parent / "hosts"


def start_extension() -> None:
    """As the web UIs do at start and for "Reload UI": run every file in `scripts/`."""
    for path in sorted((EXTENSION / "scripts").glob("*.py")):
        spec = spec_from_file_location(path.stem, path)
        assert spec
        assert spec.loader
        spec.loader.exec_module(module_from_spec(spec))


@dataclass(frozen=True)
class Host:
    """A web UI.

    Attributes:
        registry: its preprocessors by name.
        add: registers one of its own.
        run: the map and the pose document as its `/detect` gets them: picture and parameters to both.
    """

    registry: Mapping[str, Any]
    add: Callable[[Any], None]
    run: Callable[..., tuple[Any, Any]]

    @property
    def options(self) -> dict[str, Any]:
        """Its settings."""
        return cast("dict[str, Any]", import_module("modules.shared").opts.data)

    def build_settings_pages(self) -> dict[str, Any]:
        """Its settings pages, field by field."""
        for callback in import_module("modules.script_callbacks").ui_settings_callbacks:
            callback()
        return cast("dict[str, Any]", import_module("modules.shared").opts.data_labels)

    def preprocessor(self, name: str) -> Callable[..., tuple[Any, Any]]:
        """`run` with one of its preprocessors."""
        return lambda *args, **kwargs: self.run(self.registry[name], *args, **kwargs)


def run_webui(preprocessor: Any, photo: np.ndarray, resolution: int = 512, **sliders: Any) -> tuple[Any, Any]:
    """A1111 asks through its cache and wants the document in a callback."""
    documents: list[Any] = []
    result = preprocessor.cached_call(
        photo, resolution=resolution, **sliders, json_pose_callback=documents.append, low_vram=False
    )
    (document,) = documents
    return result.display_images[0], document


def run_forge(preprocessor: Any, photo: np.ndarray, resolution: int = 512, **sliders: Any) -> tuple[Any, Any]:
    """Forge calls by keyword, with a mask."""
    documents: list[Any] = []
    drawn = preprocessor(
        input_image=photo,
        resolution=resolution,
        **sliders,
        input_mask=None,
        json_pose_callback=documents.append,
    )
    (document,) = documents
    return drawn, document


def webui() -> Host:
    """A1111's web UI with sd-webui-controlnet."""
    known = import_module("scripts.supported_preprocessor").Preprocessor
    return Host(known.all_processors_by_name, known.add_supported_preprocessor, run_webui)


def forge() -> Host:
    """Forge."""
    known = import_module("modules_forge.shared")
    return Host(known.supported_preprocessors, known.add_supported_preprocessor, run_forge)


@pytest.fixture(params=[webui, forge])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A web UI that has just started the extension."""
    before = set(sys.modules)
    for folder in (HOSTS / "common", HOSTS / request.param.__name__, EXTENSION):
        monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("SKELMAP_API_KEY", raising=False)
    start_extension()
    yield request.param()
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"gradio", "lib_skelmap", "modules", "modules_forge", "scripts"}:
            del sys.modules[name]
