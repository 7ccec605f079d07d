"""Tiny pipelines of every family on disk, a table that names them, and a generator that loads them."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from app.generation.families import FAMILIES
from app.generation.generator import Generated, Generator
from app.generation.request import GenerationRequest
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.generation.watch import Cancelled
from app.models import ModelStore
from app.service import PoseService
from app.settings import Settings


@dataclass
class Recorder:
    """A watch that writes down what it is told and stops when asked to.

    Attributes:
        stop_at: steps after which nobody wants the picture any more.
        steps: done and total of every call.
        previews: what each step would have shown.
    """

    stop_at: int | None = None
    steps: list[tuple[int, int]] = field(default_factory=list)
    previews: list[bytes] = field(default_factory=list)

    def step(self, done: int, total: int, preview: Callable[[], bytes] | None) -> None:
        """One more step."""
        self.steps.append((done, total))
        if preview is not None:
            self.previews.append(preview())
        if self.stop_at is not None and done >= self.stop_at:
            raise Cancelled


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pipeline of every family and the table `models.toml` that names them after their families."""
    pytest.importorskip("diffusers", reason="needs the extra controlnet")
    from tests.app.generation.tiny_pipelines import save  # noqa: PLC0415 - needs the extra

    folder = tmp_path_factory.mktemp("models")
    for family in FAMILIES:
        save(family, folder / family)
    rows = (f'[{family}]\nfamily = "{family}"\nbase = "./{family}"\n' for family in FAMILIES)
    (folder / "models.toml").write_text("\n".join(rows))
    return folder


@pytest.fixture(scope="session")
def service(settings: Settings) -> PoseService:
    """Estimates with the tiny networks."""
    return PoseService(ModelStore(settings), settings)


@pytest.fixture(scope="session")
def generation_settings(tiny_models: Path) -> GenerationSettings:
    """The tiny pipelines on the CPU."""
    return GenerationSettings(models=tiny_models / "models.toml", device="cpu")


Generators = Callable[[str], Generator]


@pytest.fixture(scope="session")
def generators(generation_settings: GenerationSettings, service: PoseService) -> Iterator[Generators]:
    """A generator for each family, so that its pipeline is loaded once; all of them know all models."""
    made: dict[str, Generator] = {}

    def generator_for(family: str) -> Generator:
        return made.setdefault(family, Generator(generation_settings, service))

    yield generator_for
    for generator in made.values():
        generator.close()


@pytest.fixture(scope="session")
def generator(generators: Generators) -> Generator:
    """Makes pictures with Stable Diffusion 1.5."""
    return generators("sd15")


@pytest.fixture
def own_model(tiny_models: Path, tmp_path: Path) -> Path:
    """A copy of the pipeline of Stable Diffusion 1.5, to be damaged."""
    return Path(shutil.copytree(tiny_models / "sd15", tmp_path / "own"))


@pytest.fixture
def photo_source(png: bytes) -> Source:
    """The drawn photo."""
    return Source("photo", png)


def ask(**changes: Any) -> GenerationRequest:
    """Two steps of a small picture."""
    given = {"prompt": "a dancer", "seed": 7, "steps": 2, "width": 64, "height": 64}
    return GenerationRequest.model_validate({**given, **changes})


Make = Callable[..., Generated]


@pytest.fixture
def make(generators: Generators, photo_source: Source) -> Make:
    """Pictures of a photo with the parameters of `ask`."""

    def generate(source: Source | None = None, model: str = "sd15", **changes: Any) -> Generated:
        asked = ask(**changes, **({} if model == "sd15" else {"model": model}))
        return generators(model).generate(asked, source or photo_source, Recorder())

    return generate
