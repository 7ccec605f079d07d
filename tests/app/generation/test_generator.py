"""Pictures from tiny pipelines: what is checked first, what the watch is told, and what happens when it goes wrong."""

import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

pytest.importorskip("diffusers", reason="needs the extra controlnet")

import torch

from app.generation.failures import BrokenPicture, OutOfMemory
from app.generation.families import FAMILIES
from app.generation.folders import recognise
from app.generation.generator import Generator
from app.generation.loading import Loaded, load_model
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.generation.watch import Cancelled
from app.service import PoseService
from pose_core.errors import DeviceUnavailable, InvalidInput, ModelError, WeightsCorrupt
from pose_core.types import Image
from tests.app.generation.conftest import Generators, Make, Recorder, ask
from tests.app.scenery import read_png, write_png


def generator_of(service: PoseService, folder: Path, **settings: Any) -> Generator:
    """A generator of its own with the pipeline in a folder."""
    return Generator(GenerationSettings(device="cpu", **settings), service, {"own": recognise(folder)})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model": "sd9"}, "model: unknown value 'sd9'; valid: sd15, sdxl, "),
        ({"width": 100}, "width: sides of family sd15 are multiples of 8, got '100'; valid: 96, 104"),
        ({"height": 4}, "height: sides of family sd15 are multiples of 8, got '4'; valid: 8"),
        ({"model": "flux", "width": 24}, "width: sides of family flux are multiples of 16, got '24'; valid: 16, 32"),
        ({"scheduler": "magic"}, "scheduler: unknown value 'magic'; valid: ddim, "),
        ({"model": "sd3", "scheduler": "ddim"}, "scheduler: unknown value 'ddim'; valid: flow-euler, "),
        ({"model": "flux", "negative_prompt": "rain"}, "negative_prompt: models of family flux read none"),
        ({"strength": 0.5}, "strength: needs an init image"),
        ({"loras": "ink"}, "loras: unknown value 'ink'"),
        ({"steps": 101}, "steps: at most 100 here"),
    ],
)
def test_what_a_model_cannot_do_is_refused_before_it_is_queued(
    changes: dict[str, Any], says: str, generator: Generator, photo_source: Source
) -> None:
    with pytest.raises(InvalidInput, match=says):
        generator.check(ask(**changes), photo_source)


def test_an_init_image_needs_a_family_that_can_and_a_step_to_do(generator: Generator, png: bytes) -> None:
    source = Source("photo", png, init_image=png)
    with pytest.raises(InvalidInput, match=r"init_image: models of family sd3 start from noise only; valid: sd15, "):
        generator.check(ask(model="sd3"), source)
    with pytest.raises(InvalidInput, match=r"strength: 0.4 of 2 steps is less than one"):
        generator.check(ask(strength=0.4), source)


def test_the_first_model_is_the_default_and_everything_used_is_told(make: Make) -> None:
    made = make(seed=None, guidance=None, height=None)
    used = made.parameters
    assert (used["model"], used["steps"], used["guidance"], used["style"]) == ("sd15", 2, 7.5, "controlnet")
    assert (used["width"], used["height"], used["seed"]) == (64, 48, made.seed)
    assert read_png(made.images[0]).shape == (48, 64, 3)


def test_seeds_are_drawn_and_differ(make: Make) -> None:
    assert make(seed=None).seed != make(seed=None).seed


def test_each_picture_has_the_next_seed_and_can_be_made_alone(make: Make) -> None:
    both = make(seed=7, images=2)
    assert both.images == (*make(seed=7).images, *make(seed=8).images)
    assert both.images[0] != both.images[1]


@pytest.mark.parametrize(
    "changes", [{"control_scale": 2.0}, {"control_end": 0.4}, {"guidance": 3.0}, {"prompt": "a cat"}]
)
def test_every_parameter_has_an_effect(changes: dict[str, Any], make: Make) -> None:
    assert make(**changes).images != make().images


def test_a_negative_prompt_has_an_effect(make: Make) -> None:
    plain, other = (read_png(make(negative_prompt=text, guidance=20).images[0]) for text in ("", "rain"))
    assert (plain != other).any()


@pytest.mark.parametrize("family", [name for name, record in FAMILIES.items() if record.init_map_argument])
def test_an_init_image_shows_through(family: str, make: Make, png: bytes, photo: Image) -> None:
    light, dark = (make(Source("photo", png, init), model=family) for init in (png, write_png(255 - photo)))
    assert light.parameters["strength"] == 0.8
    assert light.images != dark.images


def test_an_init_image_shows_through_the_less_it_is_changed(make: Make, png: bytes, photo: Image) -> None:
    def difference(strength: float) -> float:
        sources = (Source("photo", png, init) for init in (png, write_png(255 - photo)))
        one, other = (read_png(make(source, steps=4, strength=strength).images[0]).astype(int) for source in sources)
        return float(np.abs(one - other).mean())

    assert difference(0.25) > difference(1.0)


@pytest.mark.parametrize(
    ("family", "scheduler"), [(name, one) for name in ("sd15", "flux") for one in FAMILIES[name].schedulers]
)
def test_every_scheduler_makes_a_picture(family: str, scheduler: str, make: Make) -> None:
    picture = read_png(make(model=family, scheduler=scheduler, steps=3).images[0])
    assert picture.std() > 0


def test_a_scheduler_leaves_nothing_behind(make: Make) -> None:
    before = make()
    assert make(scheduler="euler-a").images != before.images
    assert make().images == before.images


def test_the_watch_sees_every_step_and_a_preview(generator: Generator, photo_source: Source) -> None:
    watch = Recorder()
    generator.generate(ask(images=2), photo_source, watch)
    assert watch.steps == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert len(watch.previews) == 4
    assert len(set(watch.previews)) == 4


@pytest.mark.parametrize("family", FAMILIES)
def test_a_preview_has_the_shape_of_the_picture(family: str, generators: Generators, photo_source: Source) -> None:
    watch = Recorder(stop_at=1)
    with pytest.raises(Cancelled):
        generators(family).generate(ask(model=family, width=128, height=64), photo_source, watch)
    height, width, _ = read_png(watch.previews[0]).shape
    assert width == 2 * height == 256


@pytest.mark.parametrize("stop_at", [0, 1])
def test_a_cancelled_picture_stops_at_the_step_and_the_next_is_as_ever(
    stop_at: int, generator: Generator, photo_source: Source, make: Make
) -> None:
    before, watch = make(steps=3), Recorder(stop_at=stop_at)
    with pytest.raises(Cancelled):
        generator.generate(ask(steps=3), photo_source, watch)
    assert watch.steps[-1] == (stop_at, 3)
    assert make(steps=3).images == before.images


def test_a_prompt_that_is_too_long_is_cut_and_said(make: Make) -> None:
    long = "x" * 70 + " never read"
    made = make(prompt=long, model="flux")
    assert made.warnings == ("prompt is too long: tokenizer reads 77 tokens, not read: 'read'",)
    assert make(prompt="x" * 60, model="flux").warnings == ()


def test_files_are_checked_whenever_a_model_is_loaded(
    service: PoseService, own_model: Path, photo_source: Source
) -> None:
    weights = own_model / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(WeightsCorrupt, match=r"unet/diffusion_pytorch_model.safetensors is cut off"):
        generator_of(service, own_model).generate(ask(), photo_source, Recorder())


def test_pickled_weights_are_refused(service: PoseService, own_model: Path, photo_source: Source) -> None:
    weights = own_model / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(ModelError, match=r"unet/diffusion_pytorch_model.bin is refused"):
        generator_of(service, own_model).generate(ask(), photo_source, Recorder())


def test_a_part_that_is_missing_is_a_clear_error(service: PoseService, own_model: Path, photo_source: Source) -> None:
    shutil.rmtree(own_model / "vae")
    with pytest.raises(ModelError, match=r"own cannot be loaded from .*"):
        generator_of(service, own_model).generate(ask(), photo_source, Recorder())


@pytest.fixture
def loaded(own_model: Path) -> Loaded:
    """The pipeline of Stable Diffusion 1.5 to be tampered with."""
    return load_model("own", recognise(own_model), GenerationSettings(device="cpu"))


@pytest.fixture
def tampered(loaded: Loaded, service: PoseService, own_model: Path) -> Iterator[Generator]:
    """A generator that holds `loaded`."""
    generator = generator_of(service, own_model)
    generator._loaded = loaded
    yield generator
    generator.close()


def test_numbers_that_are_not_finite_are_found_at_the_step(
    loaded: Loaded, tampered: Generator, photo_source: Source
) -> None:
    loaded.pipeline.unet.conv_out.bias.data.fill_(float("nan"))
    watch = Recorder()
    with pytest.raises(BrokenPicture, match="no longer finite after step 1"):
        tampered.generate(ask(), photo_source, watch)
    assert watch.steps == [(0, 2)]


@pytest.mark.parametrize(("bias", "says"), [(float("nan"), "not finite"), (-100.0, "black all over")])
def test_a_picture_that_is_none_is_reported(
    bias: float, says: str, loaded: Loaded, tampered: Generator, photo_source: Source
) -> None:
    loaded.pipeline.vae.decoder.conv_out.bias.data.fill_(bias)
    with pytest.raises(BrokenPicture, match=says):
        tampered.generate(ask(), photo_source, Recorder())


def take_too_much(*_: object) -> None:
    torch.empty(2**55, dtype=torch.uint8)


def take_too_much_elsewhere(*_: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("greedy", [take_too_much, take_too_much_elsewhere])
def test_memory_that_runs_out_fails_the_picture_and_is_given_back(
    greedy: Callable[..., None], loaded: Loaded, tampered: Generator, photo_source: Source
) -> None:
    greed = loaded.pipeline.unet.register_forward_hook(greedy)
    with pytest.raises(OutOfMemory, match="not enough memory for own at 64x64 with precision auto"):
        tampered.generate(ask(), photo_source, Recorder())
    assert tampered._loaded is None
    greed.remove()
    assert tampered.generate(ask(), photo_source, Recorder()).images


def test_other_failures_are_not_mistaken_for_memory(loaded: Loaded, tampered: Generator, photo_source: Source) -> None:
    def break_down(*_: object) -> None:
        raise RuntimeError("a fuse blew")

    loaded.pipeline.unet.register_forward_hook(break_down)
    with pytest.raises(RuntimeError, match="a fuse blew"):
        tampered.generate(ask(), photo_source, Recorder())


@pytest.mark.parametrize("settings", [{"device": "cuda"}, {"offload": "model"}, {"offload": "sequential"}])
def test_a_gpu_that_is_not_there_is_not_replaced(settings: dict[str, Any], own_model: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceUnavailable, match="CUDA device"):
        load_model("own", recognise(own_model), GenerationSettings(**settings))


@pytest.mark.parametrize(("setting", "mean"), [("attention_slicing", 0.01), ("vae_tiling", 16)])
def test_settings_that_save_memory_make_nearly_the_same_picture(
    setting: str, mean: float, service: PoseService, tiny_models: Path, make: Make
) -> None:
    thrifty = generator_of(service, tiny_models / "sd15", **{setting: True})
    plain = make()
    source = Source("pose", orjson.dumps(plain.pose))
    made = read_png(thrifty.generate(ask(), source, Recorder()).images[0]).astype(int)
    thrifty.close()
    assert np.abs(made - read_png(plain.images[0])).mean() < mean


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_is_a_setting(
    precision: str, service: PoseService, tiny_models: Path, photo_source: Source, make: Make
) -> None:
    half = generator_of(service, tiny_models / "sd15", precision=precision)
    made = read_png(half.generate(ask(), photo_source, Recorder()).images[0]).astype(int)
    half.close()
    difference = np.abs(made - read_png(make().images[0]))
    assert 0 < difference.mean() < 8


def test_only_the_model_used_last_is_kept(
    generation_settings: GenerationSettings, service: PoseService, photo_source: Source
) -> None:
    generator, held = Generator(generation_settings, service), []
    for family in ("sd15", "sdxl", "sdxl"):
        generator.generate(ask(model=family, steps=1), photo_source, Recorder())
        assert generator._loaded is not None
        held.append((generator._loaded.name, weakref.ref(generator._loaded.pipeline)))
    assert [name for name, _ in held] == ["sd15", "sdxl", "sdxl"]
    assert held[0][1]() is None
    assert held[1][1]() is held[2][1]() is not None
    generator.close()
    assert held[2][1]() is None


def test_a_generator_without_models_says_so(service: PoseService, photo_source: Source) -> None:
    with pytest.raises(InvalidInput, match="SKELMAP_GENERATION_MODELS names no table"):
        Generator(GenerationSettings(), service).check(ask(), photo_source)
