"""Model files that are not what they should be, and folders that cannot be written to."""

from collections.abc import Callable
from pathlib import Path
from shutil import copyfile, copytree

import pytest

from app.settings import Settings
from pose_core.errors import ModelError, WeightsCorrupt
from pose_core.weights import WEIGHTS
from tests.app.scenery import OTHER_ESTIMATOR
from tests.app.test_bad_requests import refusal
from tests.faults.conftest import running


def flip_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:500])


def become_a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [cut_off, lambda file: file.write_bytes(b"")], ids=["cut off", "empty"])
def test_a_file_that_is_no_network_is_fatal_and_named(
    settings: Settings, png: bytes, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    file = tmp_path / "mine.onnx"
    copyfile(settings.estimator, file)
    damage(file)
    with running(settings, png, estimator=str(file)) as server:
        assert "mine.onnx cannot be loaded" in server.client.get("/readyz").json()["reason"]
        assert isinstance(server.app.state.engine.readiness.fatal, ModelError)


@pytest.mark.parametrize("damage", [Path.unlink, become_a_folder], ids=["missing", "a folder"])
def test_a_file_that_is_not_there_can_come_later(
    settings: Settings, png: bytes, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    file = tmp_path / "mine.onnx"
    copyfile(settings.estimator, file)
    damage(file)
    with running(settings, png, estimator=str(file)) as server:
        assert "mine.onnx: no such file" in server.client.get("/readyz").json()["reason"]
        refusal(server.ask(), 503)
        if file.is_dir():
            file.rmdir()
        copyfile(settings.estimator, file)
        server.still_serves()


@pytest.mark.parametrize("damage", [flip_a_byte, cut_off])
def test_a_known_name_whose_file_has_another_sha256_is_never_loaded(
    settings: Settings, png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    row = WEIGHTS["yolox-tiny-humanart"]
    file = tmp_path / row.file_name
    copyfile(settings.detector, file)
    damage(file)
    monkeypatch.setenv("SKELMAP_HOME", str(tmp_path))
    with running(settings, png, detector=row.name) as server:
        reason = server.client.get("/readyz").json()["reason"]
        assert f"expected {row.sha256}" in reason
        assert f"{row.file_name} has sha256 " in reason
        assert isinstance(server.app.state.engine.readiness.fatal, WeightsCorrupt)


def test_a_wrong_file_behind_a_name_that_a_request_asks_for_is_its_own_affair(
    settings: Settings, png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = WEIGHTS["yolox-tiny-humanart"]
    copyfile(settings.detector, tmp_path / row.file_name)
    monkeypatch.setenv("SKELMAP_HOME", str(tmp_path))
    with running(settings, png) as server:
        refusal(server.client.post(f"/pose?detector={row.name}", content=png), 500)
        assert f"expected {row.sha256}" in caplog.text
        server.still_serves()


def test_a_folder_that_cannot_be_written_to_is_enough(
    settings: Settings, png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    copyfile(settings.estimator, copytree(Path(settings.estimator).parent / "home", home) / "more.onnx")
    before = sorted(home.rglob("*"))
    for path in (*before, home):
        path.chmod(0o555 if path.is_dir() else 0o444)
    monkeypatch.setenv("SKELMAP_HOME", str(home))
    with running(settings, png, estimator=OTHER_ESTIMATOR) as server:
        server.still_serves()
    home.chmod(0o755)
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("offline", ["0", "1"])
def test_the_server_never_downloads(
    settings: Settings, png: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offline: str
) -> None:
    """So a hub that cannot be reached changes nothing: what is cached is served, what is not is named."""
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with running(settings, png, estimator=OTHER_ESTIMATOR) as server:
        server.still_serves()
    monkeypatch.setenv("SKELMAP_HOME", str(tmp_path))
    with running(settings, png, estimator=OTHER_ESTIMATOR) as server:
        assert f"skelmap models pull {OTHER_ESTIMATOR}" in server.client.get("/readyz").json()["reason"]
        refusal(server.ask(), 503)
