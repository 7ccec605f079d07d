"""The command line: what each subcommand writes, says and ends with."""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile, copytree
from typing import Any, NamedTuple

import numpy as np
import pytest

from app import __version__
from app.commands import COMMANDS, main
from app.commands.files import Job, find_photos, plan, result_path
from app.formats import FORMATS
from pose_core.dialects import DIALECTS, recognise
from pose_core.errors import InvalidInput
from pose_core.session import CUDA, runtime_description
from pose_core.weights import EMBEDDED, WEIGHTS
from tests.app.conftest import Ask
from tests.app.scenery import (
    LONELY,
    MIDDLE,
    OTHER_DETECTOR,
    OTHER_ESTIMATOR,
    Networks,
    read_png,
    write_fragile_estimator,
)


class Finished(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


Run = Callable[..., Finished]


@pytest.fixture
def run(networks: Networks, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """`skelmap` with the given arguments, in an empty folder, with the tiny networks as defaults."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SKELMAP_ESTIMATOR", str(networks.estimator))
    monkeypatch.setenv("SKELMAP_DETECTOR", str(networks.detector))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def skelmap(*arguments: str | Path) -> Finished:
        monkeypatch.setattr(sys, "argv", ["skelmap", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Finished(int(ended.value.code or 0), *capfd.readouterr())

    return skelmap


def written(folder: Path) -> set[str]:
    """Every file below a folder."""
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}


# The command itself


def test_version(run: Run) -> None:
    assert run("--version") == Finished(0, f"skelmap {__version__}\n", "")


def test_help_names_every_subcommand(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name in (*COMMANDS, "models"):
        assert f" {name} " in out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_subcommand(run: Run, name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    first_line = (COMMANDS[name].__doc__ or "").partition("\n")[0]
    assert first_line[:60] in " ".join(out.split())


@pytest.mark.parametrize(
    "arguments", [(), ("nothing",), ("run",), ("run", "a.png"), ("convert", "a.json"), ("--nothing",), ("models",)]
)
def test_wrong_usage_ends_with_2(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert re.search("Usage: .*skelmap", out + err)


# run


@pytest.fixture
def album(tmp_path: Path, png: bytes) -> Path:
    """Photos in a folder and a folder below, and other files."""
    folder = tmp_path / "album"
    (folder / "trip").mkdir(parents=True)
    for name in ("one.png", "TWO.PNG", "trip/one.png", "trip/three.png"):
        (folder / name).write_bytes(png)
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_run_writes_the_map_of_every_photo_of_a_folder(run: Run, album: Path, tmp_path: Path, ask: Ask) -> None:
    code, out, err = run("run", album, "-o", tmp_path / "maps")
    assert (code, out) == (0, "")
    assert "4 of 4 photos done, results in " in err
    assert written(tmp_path / "maps") == {"one.png", "TWO.png", "trip/one.png", "trip/three.png"}
    assert (tmp_path / "maps" / "trip" / "three.png").read_bytes() == ask(format="png").content


def test_run_takes_globs_and_files(run: Run, album: Path, tmp_path: Path) -> None:
    assert run("run", album / "**" / "t*.png", album / "one.png", "-o", tmp_path / "maps").code == 0
    assert written(tmp_path / "maps") == {"three.png", "one.png"}


def test_run_writes_every_format(run: Run, album: Path, tmp_path: Path, ask: Ask) -> None:
    formats = ("--json", "--npz", "--overlay", "--svg", "--openpose", "--no-png")
    assert run("run", album / "one.png", "-o", tmp_path / "all", *formats, "--dialect", "comfy").code == 0
    folder = tmp_path / "all"
    assert written(folder) == {"one.json", "one.npz", "one.overlay.png", "one.svg", "one.openpose.json"}
    answer, expected = json.loads((folder / "one.json").read_text()), ask(dialect="comfy").json()
    assert answer["people"] == expected["people"]
    assert recognise(json.loads((folder / "one.openpose.json").read_text())) == "comfy"
    assert (folder / "one.overlay.png").read_bytes() == ask(format="overlay").content


def test_run_takes_the_parameters_of_a_request(run: Run, album: Path, tmp_path: Path, ask: Ask) -> None:
    options = (
        *("--style", "xinsir", "--resolution", "90", "--parts", "body,feet", "--max-people", "2"),
        *("--order", "area", "--keypoint-threshold", "0.2", "--person-threshold", "0.6", "--on-empty", "error"),
    )
    assert run("run", album / "one.png", "-o", tmp_path, *options).code == 0
    asked: dict[str, Any] = {
        "style": "xinsir",
        "resolution": 90,
        "parts": "body,feet",
        "max_people": 2,
        "order": "area",
    }
    expected = ask(format="png", keypoint_threshold=0.2, person_threshold=0.6, **asked).content
    assert (tmp_path / "one.png").read_bytes() == expected


def test_run_takes_other_networks(run: Run, album: Path, tmp_path: Path) -> None:
    options = ("--estimator", OTHER_ESTIMATOR, "--detector", OTHER_DETECTOR, "--device", "cpu", "--threads", "1")
    assert run("run", album / "one.png", "-o", tmp_path, "--json", *options).code == 0
    answer = json.loads((tmp_path / "one.json").read_text())
    assert (answer["estimator"], answer["detector"]) == (OTHER_ESTIMATOR, OTHER_DETECTOR)
    np.testing.assert_allclose(answer["people"][0]["box"], LONELY, atol=1e-3)


def test_run_reports_a_bad_photo_and_does_the_others(run: Run, album: Path, tmp_path: Path) -> None:
    (album / "broken.jpg").write_bytes(b"no photo")
    code, _, err = run("run", album, "-o", tmp_path / "maps")
    assert code == 1
    assert f"failed: {album / 'broken.jpg'}: image: not a readable image" in err
    assert "4 of 5 photos done" in err
    assert len(written(tmp_path / "maps")) == 4


def test_run_reports_what_cannot_be_written(run: Run, album: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    code, _, err = run("run", album / "one.png", "-o", tmp_path / "file")
    assert code == 1
    assert f"failed: {album / 'one.png'}: " in err
    assert (tmp_path / "file").read_text() == "in the way"


def test_run_never_overwrites_the_photo(run: Run, album: Path, png: bytes) -> None:
    code, _, err = run("run", album / "one.png", "-o", album, "--json")
    assert code == 1
    assert "would overwrite the photo; choose another folder" in err
    assert (album / "one.png").read_bytes() == png
    assert not (album / "one.json").exists()


def test_run_never_overwrites_a_photo_still_to_come(run: Run, album: Path, tmp_path: Path, png: bytes) -> None:
    (tmp_path / "more" / "trip").mkdir(parents=True)
    (tmp_path / "more" / "trip" / "three.jpg").write_bytes(png)
    assert run("run", tmp_path / "more", album / "trip", "-o", album).code == 1
    assert (album / "trip" / "three.png").read_bytes() == png


def test_run_skips_folders_that_are_named_like_photos(run: Run, album: Path, tmp_path: Path) -> None:
    (album / "album.jpg").mkdir()
    assert run("run", album, "-o", tmp_path / "maps").code == 0


@pytest.mark.parametrize("pattern", ["nothing.png", "*.webp", "no/folder"])
def test_run_needs_photos(run: Run, tmp_path: Path, pattern: str) -> None:
    code, _, err = run("run", pattern, "-o", tmp_path)
    assert (code, err) == (2, f"error: PHOTO: '{pattern}' names no photo (.jpg, .jpeg, .png, .webp)\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--style", "x"), "--style: unknown value, got 'x'; valid: controlnet, "),
        (("--width", "0"), "--width: Input should be greater than or equal to 1"),
        (("--resolution", "9", "--width", "9"), "--resolution: cannot be combined with width or height"),
        (("--parts", "legs"), "--parts[0]: unknown value, got 'legs'; valid: body, feet, hands, face"),
        (("--person-threshold", "-1"), "--person-threshold: "),
        (("--device", "gpu"), "--device or SKELMAP_DEVICE: unknown value, got 'gpu'; valid: auto, cpu, cuda"),
        (("--threads", "-1"), "--threads or SKELMAP_THREADS: "),
        (("--estimator", "dwposel"), "unknown value 'dwposel'; valid: skelmap-t, dwpose-"),
    ],
)
def test_run_refuses_options_before_any_work(
    run: Run, album: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    code, _, err = run("run", album, "-o", tmp_path / "maps", *options)
    assert code == 2
    assert err.startswith("error: ")
    assert message in err
    assert not (tmp_path / "maps").exists()


@pytest.mark.parametrize("device", [(), ("--device", "cpu")])
def test_run_without_weights_ends_with_3(
    run: Run, album: Path, empty_home: Path, device: tuple[str, ...], tmp_path: Path
) -> None:
    assert not empty_home.exists()
    code, _, err = run("run", album, "-o", tmp_path / "maps", "--estimator", "dwpose-l-384", *device)
    assert code == 3
    assert "`skelmap models pull dwpose-l-384`" in err


def test_run_ends_where_a_network_fails(run: Run, album: Path, tmp_path: Path) -> None:
    fragile = write_fragile_estimator(tmp_path / "fragile.onnx")
    code, _, err = run("run", album, "-o", tmp_path / "maps", "--estimator", fragile)
    assert code == 3
    assert "error: fragile.onnx failed on CPUExecutionProvider" in err


# Where results go


def stems(folder: Path, *patterns: str) -> list[str]:
    return [job.stem.as_posix() for job in plan(find_photos([str(folder / pattern) for pattern in patterns]), Path())]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_results_are_named_after_photos(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.c.jpg", "sub/a.png")
    assert stems(tmp_path, ".") == ["a", "b.c", "sub/a"]


def test_photos_that_differ_in_their_extension_keep_it(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.png", "b.png")
    assert stems(tmp_path, ".") == ["a_jpg", "a_png", "b"]


def test_photos_of_one_name_are_numbered(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.jpg", "y/a.jpg", "y/b.jpg")
    one, other, single = stems(tmp_path, "x", "y")
    assert one != other
    assert {one, other} <= {"a_jpg", "a_jpg_0", "a_jpg_1"}
    assert single == "b"


def test_a_photo_named_twice_is_done_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.jpg")
    assert stems(tmp_path, "a.jpg", ".", "*.jpg") == ["a", "b"]


@pytest.mark.parametrize(
    "names",
    [
        ("a.jpg", "a.png", "a_png.webp"),
        ("x/a.jpg", "y/a.jpg", "a_jpg_0.png"),
        ("a.jpg", "a.overlay.jpg"),
        ("a.jpg", "a.openpose.webp", "a.openpose.png"),
    ],
)
def test_no_two_photos_share_a_result(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path / "in", *names)
    photos = find_photos([str(tmp_path / "in" / name) for name in names])
    extensions = [form.extension for form in FORMATS.values()]
    results = {result_path(job, extension) for job in plan(photos, tmp_path) for extension in extensions}
    assert len(results) == len(names) * len(FORMATS)


def test_a_result_has_a_path_of_its_own(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    job = Job(tmp_path / "a.png", tmp_path / "a")
    assert result_path(job, "json") == tmp_path / "a.json"
    with pytest.raises(InvalidInput, match="would overwrite the photo"):
        result_path(job, "png")


# render and convert


@pytest.fixture
def document(tmp_path: Path, ask: Ask) -> Path:
    """A pose document on disk, with everything in it."""
    file = tmp_path / "pose.json"
    file.write_bytes(ask(format="openpose", dialect="skelmap", parts="body,feet,hands,face").content)
    return file


def test_render_draws(run: Run, document: Path, tmp_path: Path, ask: Ask) -> None:
    assert run("render", document, "-o", tmp_path / "map.PNG") == Finished(0, "", "")
    assert (tmp_path / "map.PNG").read_bytes() == ask(format="png").content
    assert run("render", document, "-o", tmp_path / "map.svg", "--width", "80", "--style", "dwpose").code == 0
    assert (tmp_path / "map.svg").read_text() == ask(format="svg", width=80, style="dwpose").text


@pytest.mark.parametrize("dialect", DIALECTS)
def test_convert_writes_every_dialect(run: Run, document: Path, tmp_path: Path, dialect: str) -> None:
    assert run("convert", document, "-o", tmp_path / "new.json", "--to", dialect) == Finished(0, "", "")
    assert recognise(json.loads((tmp_path / "new.json").read_text())) == dialect


def test_convert_keeps_all_parts_unless_told(run: Run, document: Path, tmp_path: Path) -> None:
    for options, feet in (((), True), (("--parts", "body"), False)):
        assert run("convert", document, "-o", tmp_path / "new.json", "--to", "comfy", *options).code == 0
        (frame,) = json.loads((tmp_path / "new.json").read_text())
        assert any(frame["people"][0]["foot_keypoints_2d"]) == feet


def test_documents_with_options(run: Run, document: Path, tmp_path: Path) -> None:
    options = ("--from", "skelmap", "--frame", "0", "--resolution", "240", "--fit", "stretch")
    assert run("convert", document, "-o", tmp_path / "new.json", "--to", "a1111", *options).code == 0
    assert json.loads((tmp_path / "new.json").read_text())["canvas_height"] == 240
    silent = tmp_path / "silent.json"
    silent.write_text('{"people": []}')
    canvas = ("--canvas-width", "30", "--canvas-height", "20")
    assert run("render", silent, "-o", tmp_path / "map.png", *canvas).code == 0
    assert read_png((tmp_path / "map.png").read_bytes()).shape == (20, 30, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("render", "gone.json", "-o", "map.png"), "DOCUMENT: gone.json is not a readable JSON file: "),
        (("render", "text.json", "-o", "map.png"), "DOCUMENT: text.json is not a readable JSON file: "),
        (("render", "pose.json", "-o", "map.png", "--frame", "1"), "frame: 1 is out of range"),
        (("render", "pose.json", "-o", "map.jpg"), "--output: unknown value, got 'jpg'; valid: png, svg"),
        (("render", "pose.json", "-o", "map"), "--output: unknown value, got ''; valid: png, svg"),
        (("convert", "pose.json", "-o", "new.json", "--to", "x"), "--to: unknown value, got 'x'; valid: skelmap, "),
        (
            ("convert", "pose.json", "-o", "n", "--to", "comfy", "--from", "x"),
            "--from: unknown value, got 'x'; valid: ",
        ),
    ],
)
def test_mistakes_with_documents_end_with_2(run: Run, document: Path, arguments: tuple[str, ...], message: str) -> None:
    (document.parent / "text.json").write_text("people")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert written(document.parent) == {"pose.json", "text.json"}


@pytest.mark.parametrize("command", [("render",), ("convert", "--to", "comfy")])
def test_a_place_that_cannot_be_written_is_one_line(run: Run, document: Path, command: tuple[str, ...]) -> None:
    code, _, err = run(*command, document, "-o", "no/such/folder/map.png")
    assert code == 1
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_a_bad_variable_is_one_line(run: Run, document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKELMAP_WORKERS", "many")
    code, _, err = run("render", document, "-o", "map.png")
    assert code == 2
    assert "SKELMAP_WORKERS: " in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SKELMAP_API_KEYS", "", "SKELMAP_API_KEYS: holds no key; leave it out to serve without keys"),
        ("SKELMAP_API_KEYS", "alice:hidden,bob:", "SKELMAP_API_KEYS: holds an empty key"),
        ("SKELMAP_API_KEYS_FILE", "/no/such/file", "SKELMAP_API_KEYS_FILE: [Errno 2] No such file or directory"),
        ("SKELMAP_MAX_QUEUE", "-1", "SKELMAP_MAX_QUEUE: Input should be greater than or equal to 0, got '-1'"),
        ("SKELMAP_CORS_ORIGINS", "here", "SKELMAP_CORS_ORIGINS: 'here' is no origin"),
        ("SKELMAP_MAX_QUEU", "5", "SKELMAP_MAX_QUEU: is no setting; valid: SKELMAP_MAX_QUEUE"),
    ],
)
def test_a_server_with_a_setting_that_cannot_be_does_not_listen(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: pytest.fail("it listens"))
    code, _, err = run("serve")
    assert code == 2
    assert err.startswith(f"error: {said}")
    assert err.count("\n") == 1
    assert "hidden" not in err


# doctor, models, serve


def test_doctor_is_content(run: Run) -> None:
    code, out, err = run("doctor")
    assert (code, err) == (0, "")
    lines = [line.split(maxsplit=2) for line in out.splitlines()]
    assert {state for state, *_ in lines} == {"ok"}
    assert ["ok", "skelmap", __version__] in lines
    assert ["ok", "estimator", "figure on CPUExecutionProvider"] in lines
    assert ["ok", "detector", "three people on CPUExecutionProvider"] in lines
    assert [subject for _, subject, _ in lines] == [
        *("skelmap", "python", "opencv", "onnxruntime", "provider", "weights", "estimator", "detector"),
    ]


def test_doctor_says_what_is_missing(run: Run, empty_home: Path) -> None:
    code, out, _ = run("doctor", "--estimator", "dwpose-l", "--detector", "whole-image")
    assert code == 1
    assert f"in {empty_home}" in out
    assert "TROUBLE models        not usable\n" in out
    assert "skelmap models pull dwpose-l`" in out


def test_doctor_knows_detectors_without_a_network(run: Run) -> None:
    assert "whole-image on no network" in run("doctor", "--detector", "whole-image").out


without_cuda = pytest.mark.skipif(CUDA in runtime_description()["built_for"], reason="this onnxruntime can use CUDA")


@without_cuda
def test_doctor_sees_that_a_device_is_not_there(run: Run) -> None:
    code, out, _ = run("doctor", "--device", "cuda")
    assert code == 1
    assert "TROUBLE provider      none\n" in out
    assert "device=cuda was asked for but" in out


@without_cuda
def test_serve_refuses_to_replace_a_device(run: Run) -> None:
    code, out, err = run("serve", "--device", "cuda")
    assert (code, out) == (3, "")
    assert err.startswith("error: device=cuda was asked for but")


@pytest.mark.parametrize("options", [("--port", "65536"), ("--port", "http"), ("--device", "gpu"), ("--threads", "-1")])
def test_serve_refuses_options(run: Run, options: tuple[str, ...]) -> None:
    assert run("serve", *options).code == 2


def test_serve_refuses_a_broken_network(run: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    code, _, err = run("serve", "--port", "0", "--estimator", "./broken.onnx")
    assert code == 3
    assert "broken.onnx cannot be loaded" in err


def test_models_list(run: Run, networks: Networks) -> None:
    code, out, _ = run("models", "list")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[: len(WEIGHTS)]] == list(WEIGHTS)
    assert sum("not installed" in line for line in lines) == len(WEIGHTS) - 4
    assert any(line.startswith(f"{OTHER_ESTIMATOR} ") and str(networks.home) in line for line in lines)
    assert "\nskelmap-t: trained on LSP Extended" in out
    assert "\ndwpose-t, dwpose-s, dwpose-m, dwpose-l, dwpose-l-384, dwpose-l-384-openmmlab: trained on" in out
    assert f"Inside the package: {EMBEDDED}, with its LICENSE" in lines
    assert lines[-1] == f"Folder: {networks.home}"


def test_models_verify(run: Run, networks: Networks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = WEIGHTS["yolox-tiny-humanart"]
    copytree(networks.home, tmp_path / "home")
    copyfile(networks.detector, tmp_path / "home" / wrong.file_name)
    monkeypatch.setenv("SKELMAP_HOME", str(tmp_path / "home"))
    code, out, err = run("models", "verify")
    assert code == 1
    right = ["skelmap-t", "skelmap-det", OTHER_ESTIMATOR, OTHER_DETECTOR]
    assert [line.partition(":")[0] for line in out.splitlines()] == right
    assert str(tmp_path / "home") in out
    assert f"{wrong.name}: " in err
    assert f"expected {wrong.sha256}" in err
    assert run("models", "verify", OTHER_ESTIMATOR).code == 0
    assert "no file in" in run("models", "verify", "yolox-l").err


def test_models_verify_of_the_package_alone(run: Run, empty_home: Path) -> None:
    assert not empty_home.exists()
    code, out, err = run("models", "verify")
    assert (code, err) == (0, "")
    assert [line.partition(":")[0] for line in out.splitlines()] == ["skelmap-t", "skelmap-det"]


def test_models_pull_needs_a_known_name_and_leave(run: Run, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("models", "pull", "nobody").code == 2
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    code, _, err = run("models", "pull", "yolox-l")
    assert code == 3
    assert "HF_HUB_OFFLINE=1 forbids downloads" in err
    assert not empty_home.exists()
    assert os.environ["SKELMAP_HOME"] == str(empty_home)


def test_a_person_of_the_command_line_is_the_servers(run: Run, album: Path, tmp_path: Path) -> None:
    assert run("run", album / "one.png", "-o", tmp_path, "--json", "--max-people", "1").code == 0
    answer = json.loads((tmp_path / "one.json").read_text())
    np.testing.assert_allclose(answer["people"][0]["box"], MIDDLE, atol=1e-3)
    assert answer["warnings"] == ["max_people: 3 people found, 2 left out"]
