"""The whole work of one request: source -> map -> pictures. Blocking; one thread at a time.

Importing this file imports neither torch nor diffusers; the first picture does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import orjson

from app.generation.checks import check_family
from app.generation.failures import OutOfMemory
from app.generation.families import FAMILIES
from app.generation.folders import check_installed, find_model
from app.generation.maps import ControlMap, Drawing, draw_map, fit_init_image
from app.generation.plan import Plan, fill_in, make_plan, step_count
from app.generation.records import Record, sha256, text_chunks
from app.generation.request import GenerationRequest, check_limits
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.generation.table import ModelRow, read_table
from app.generation.watch import Watch
from app.png import encode_png
from app.service import PoseService
from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.types import Size

if TYPE_CHECKING:
    from app.generation.loading import Loaded


@dataclass(frozen=True, slots=True)
class Generated:
    """What came out.

    Attributes:
        images: PNGs that say in their text chunks how to make them again.
        map: PNG of the skeleton map that steered them.
        seed: of the first image; the next ones took the next.
        pose: the pose document on the canvas of the pictures; None for a ready map.
        parameters: everything that was used, defaults filled in.
        warnings: what the caller should know.
    """

    images: tuple[bytes, ...]
    map: bytes
    seed: int
    pose: object | None
    parameters: Mapping[str, Any]
    warnings: tuple[str, ...]


class Generator:
    """Makes pictures, one request at a time; keeps the pipeline that was used last."""

    def __init__(
        self, settings: GenerationSettings, service: PoseService, models: Mapping[str, ModelRow] | None = None
    ) -> None:
        """Read the table of models.

        Args:
            settings: of generation.
            service: estimates and draws the maps.
            models: what requests may name; None for the table of the settings.

        Raises:
            InvalidInput: the table cannot be used.
            ModelError: diffusers is not installed.
        """
        check_installed()
        self._settings = settings
        self._service = service
        self._models = dict(read_table(settings.models) if models is None and settings.models else models or {})
        self._loaded: Loaded | None = None

    @property
    def models(self) -> Mapping[str, ModelRow]:
        """What a request may name; the first one is the default."""
        return self._models

    def check(self, request: GenerationRequest, source: Source) -> None:
        """Refuse what cannot work before it is queued: cheap, without loading anything; from any thread.

        Raises:
            InvalidInput: a value that this model or this server cannot use.
            WeightsMissing: the model is not on this machine; says how to get it.
            ModelError: its files are of another family.
        """
        check_limits(request, self._settings.limits)
        name, row = self._choose(request)
        check_family(request, row.family, source)
        for lora in request.loras:
            self._lora_file(lora.name)
        find_model(name, row)

    def generate(self, request: GenerationRequest, source: Source, watch: Watch) -> Generated:
        """Make the pictures.

        Raises:
            PoseError: whatever keeps them from being made; its text is the reason to show.
            Cancelled: the watch asked for it.
        """
        self.check(request, source)
        name, row = self._choose(request)
        drawing = Drawing(request, FAMILIES[row.family], self._settings.limits, self._service)
        control = draw_map(source, drawing)
        size = Size.of(control.rgb)
        init = fit_init_image(source.init_image, size, drawing) if source.init_image else None
        filled = fill_in(request, name, drawing.family, size, with_init=init is not None)
        plan = make_plan(filled, control.rgb, init, [self._lora_file(lora.name) for lora in request.loras])
        watch.step(0, step_count(filled) * filled.images, None)
        try:
            images, warnings = self._make(row, _record(filled, source, control), plan, watch)
            return _generated(filled, control, images, warnings)
        except (RuntimeError, MemoryError) as error:
            if not self._runtime().is_out_of_memory(error):
                raise
            reason = (str(error) or "out of memory").splitlines()[0]
        self._loaded = None
        self._runtime().free_memory()  # outside the handler: its traceback held on to the tensors
        asked = f"{filled.model} at {size.width}x{size.height} with precision {self._settings.precision}"
        raise OutOfMemory(f"not enough memory for {asked}; docs/generation.md says what needs less: {reason}")

    def close(self) -> None:
        """Let go of the pipeline and its memory."""
        if self._loaded is not None:
            self._loaded = None
            self._runtime().free_memory()

    def _make(self, row: ModelRow, record: Record, plan: Plan, watch: Watch) -> tuple[list[bytes], tuple[str, ...]]:
        """The pictures of a request with nothing left open, and what the caller should know."""
        runtime, request = self._runtime(), record.request
        loaded = self._load(str(request.model), row)
        prompts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt}
        warnings = runtime.prompt_warnings(loaded.pipeline, loaded.family.tokens, prompts)
        images = []
        for number in range(request.images):
            own = record.of_image(number)
            picture = runtime.run(loaded, plan, own.request.seed, _reporting(watch, request, number))
            images.append(encode_png(picture, text_chunks(own, runtime.VERSIONS)))
        return images, warnings

    def _choose(self, request: GenerationRequest) -> tuple[str, ModelRow]:
        if not self._models:
            raise InvalidInput("no models: SKELMAP_GENERATION_MODELS names no table", field="model")
        name = next(iter(self._models)) if request.model is None else request.model
        if name not in self._models:
            raise UnknownChoice("model", name, self._models)
        return name, self._models[name]

    def _load(self, name: str, row: ModelRow) -> "Loaded":
        if self._loaded is None or self._loaded.name != name:
            self.close()  # two models at once may not fit
            self._loaded = self._runtime().load_model(name, row, self._settings)
        return self._loaded

    def _lora_file(self, name: str) -> Path:
        """The file of a LoRA, which lies in the folder of the settings itself.

        Raises:
            UnknownChoice: lists what is there.
        """
        folder = self._settings.loras
        files = {path.stem: path for path in sorted(folder.glob("*.safetensors"))} if folder else {}
        if name not in files:
            raise UnknownChoice("loras", name, files)
        return files[name]

    @staticmethod
    def _runtime() -> ModuleType:
        from app.generation import runtime  # noqa: PLC0415 - torch and diffusers come with the first picture

        return runtime


def _record(request: GenerationRequest, source: Source, control: ControlMap) -> Record:
    """What every picture of a request says about itself, but for its seed."""
    return Record(
        request=request,
        pose=None if control.pose is None else orjson.dumps(control.pose),
        map_sha256=sha256(source.data) if source.kind == "map" else None,
        init_sha256=None if source.init_image is None else sha256(source.init_image),
    )


def _generated(
    request: GenerationRequest, control: ControlMap, images: Sequence[bytes], warnings: Sequence[str]
) -> Generated:
    assert request.seed is not None
    return Generated(
        images=tuple(images),
        map=control.png,
        seed=request.seed,
        pose=control.pose,
        parameters=request.model_dump(mode="json"),
        warnings=(*control.warnings, *warnings),
    )


def _reporting(
    watch: Watch, request: GenerationRequest, number: int
) -> Callable[[int, int, Callable[[], bytes]], None]:
    """Steps of the picture with this number as steps of all pictures."""

    def report(done: int, steps: int, preview: Callable[[], bytes]) -> None:
        watch.step(number * steps + done, request.images * steps, preview)

    return report
