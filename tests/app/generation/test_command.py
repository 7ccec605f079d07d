"""`skelmap generate` and what `skelmap models` knows of models that make pictures."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from app.commands import main
from tests.app.scenery import Networks, read_png


class Finished(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Finished]


@pytest.fixture
def folder(networks: Networks, tiny_models: Path, png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands run: it holds `photo.png`, and the tiny networks and pipelines are the defaults."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKELMAP_ESTIMATOR", str(networks.estimator))
    monkeypatch.setenv("SKELMAP_DETECTOR", str(networks.detector))
    monkeypatch.setenv("SKELMAP_GENERATION_MODELS", str(tiny_models / "models.toml"))
    (tmp_path / "photo.png").write_bytes(png)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """`skelmap` in that folder."""
    assert folder == Path.cwd()

    def skelmap(*arguments: str | Path) -> Finished:
        monkeypatch.setattr(sys, "argv", ["skelmap", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Finished(int(ended.value.code or 0), *capfd.readouterr())

    return skelmap


SMALL = ("--prompt", "a dancer", "--steps", "2", "--width", "64")


def test_a_photo_becomes_pictures_and_a_map(run: Run) -> None:
    code, _, err = run("generate", "photo.png", "-o", "out.png", *SMALL, "--images", "2", "--save-map", "map.png")
    assert code == 0, err
    seeds = [int(seed) for seed in re.findall(r"out_\d.png: seed (\d+)", err)]
    assert seeds[1] == seeds[0] + 1
    assert [read_png(Path(name).read_bytes()).shape for name in ("out_0.png", "out_1.png", "map.png")] == [
        (48, 64, 3)
    ] * 3


def test_again_makes_the_same_file_and_options_change_it(run: Run) -> None:
    assert (
        run("generate", "photo.png", "-o", "a.png", *SMALL, "--set", "control_scale=1.5", "--model", "flux").code == 0
    )
    assert run("generate", "--again", "a.png", "-o", "b.png").code == 0
    assert run("generate", "--again", "a.png", "-o", "c.png", "--steps", "3").code == 0
    first, second, third = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert second == first
    assert third != first


def test_poses_maps_and_init_images_are_sources_too(run: Run) -> None:
    Path("pose.json").write_text(json.dumps({"people": [], "canvas_width": 64, "canvas_height": 64}))
    code, _, err = run("generate", "--pose", "pose.json", "-o", "a.png", *SMALL, "--set", "on_empty=blank")
    assert code == 0, err
    assert "warning: nobody is in the map: it is black" in err
    code, _, err = run("generate", "--map", "photo.png", "--init-image", "photo.png", "-o", "b.png", *SMALL)
    assert code == 0, err
    missing = run("generate", "--again", "b.png", "--map", "photo.png", "-o", "c.png")
    assert (missing.code, "init_image: was used for this picture and is needed again" in missing.err) == (2, True)


def test_a_folder_is_a_model(run: Run, tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SKELMAP_GENERATION_MODELS")
    code, _, err = run("generate", "photo.png", "-o", "a.png", *SMALL, "--model", tiny_models / "sd3")
    assert code == 0, err
    code, _, err = run("generate", "photo.png", "-o", "a.png", *SMALL)
    assert (code, "--model: name a folder, or a table in SKELMAP_GENERATION_MODELS" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("photo.png", "-o", "a.png"), "error: --prompt: Field required"),
        (
            ("photo.png", "-o", "a.jpg", *SMALL),
            "error: --output: expected a .png file in a folder that is there, got 'a.jpg'",
        ),
        (("photo.png", "-o", "x/a.png", *SMALL), "error: --output: expected a .png file in a folder that is there"),
        (("-o", "a.png", *SMALL), "error: source: exactly one is needed, got 'none'; valid: photo, pose, map"),
        (("photo.png", "--map", "photo.png", "-o", "a.png", *SMALL), "got 'photo and map'"),
        (("photo.png", "-o", "a.png", *SMALL, "--set", "fit"), "error: --set: expected NAME=VALUE, got 'fit'"),
        (("photo.png", "-o", "a.png", *SMALL, "--set", "size=3"), "error: --set: expected NAME=VALUE, got 'size=3'"),
        (("photo.png", "-o", "a.png", *SMALL, "--set", "fit=crop"), "error: --set fit: unknown value, got 'crop'"),
        (("photo.png", "-o", "a.png", *SMALL, "--model", "sd9"), "error: model: unknown value 'sd9'; valid: sd15, "),
        (("photo.png", "-o", "a.png", *SMALL, "--steps", "101"), "error: steps: at most 100 here, got '101'"),
        (("--again", "photo.png", "-o", "a.png"), "error: again: is no picture that skelmap generate made"),
        (("photo.png", "--again", "photo.png", "-o", "a.png"), "error: --again: brings its own pose, got 'photo'"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_code_2(options: tuple[str, ...], says: str, run: Run) -> None:
    code, _, err = run("generate", *options)
    assert code == 2
    assert says in err
    assert not Path("a.png").exists()


def test_a_setting_that_cannot_be_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKELMAP_GENERATION_OFFLOAD", "everything")
    code, _, err = run("generate", "photo.png", "-o", "a.png", *SMALL)
    assert code == 2
    assert "SKELMAP_GENERATION_OFFLOAD: unknown value, got 'everything'; valid: none, model, sequential" in err


def test_models_lists_what_makes_pictures(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "models.toml"
    table.write_text('[portrait]\nfamily = "sdxl"\nbase = "nobody/base"\ncontrolnet = "nobody/pose"')
    assert re.search(r"flux-union +pictures +flux-union +/", run("models", "list").out)
    monkeypatch.setenv("SKELMAP_GENERATION_MODELS", str(table))
    assert re.search(r"portrait +pictures +sdxl +not installed: .*models pull portrait", run("models", "list").out)


def test_models_pull_knows_both_kinds_of_names(run: Run, tiny_models: Path) -> None:
    assert run("models", "pull", "sd15").out == f"sd15: {tiny_models / 'sd15'}\n"
    code, _, err = run("models", "pull", "nobody")
    assert code == 2
    assert re.search(r"NAME: unknown value 'nobody'; valid: .*dwpose-l-384.*flux-union", err)


def test_checking_a_request_imports_neither_torch_nor_diffusers(tiny_models: Path, png: bytes, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(png)
    code = f"""
import sys
from pathlib import Path
from app.generation.generator import Generator
from app.generation.request import GenerationRequest
from app.generation.settings import GenerationSettings
from app.generation.sources import Source
from app.models import ModelStore
from app.service import PoseService
from app.settings import Settings
settings = Settings()
generation = GenerationSettings(models=Path({str(tiny_models / "models.toml")!r}))
generator = Generator(generation, PoseService(ModelStore(settings), settings))
generator.check(GenerationRequest(prompt="x"), Source("photo", b"x"))
generator.close()
print(sorted({{"torch", "diffusers", "transformers"}} & set(sys.modules)))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout == "[]\n", ended.stderr
