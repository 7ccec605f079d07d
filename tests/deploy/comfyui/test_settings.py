"""Where the pack finds the server and its key."""

import json
import re
from pathlib import Path

import pytest
import torch

from tests.deploy.comfyui.host import PACK, Host, running
from tests.deploy.comfyui.live import Front, problem

NODE = "SkelmapRemotePose"
KEY = "s3cret"


@pytest.fixture
def guarded(front: Front) -> Front:
    """The server behind a proxy that wants to see a key."""
    wanted = f"Bearer {KEY}"
    front.refuse = lambda _number, headers: (
        None if headers.get("authorization") == wanted else problem(401, "the key is missing or wrong")
    )
    return front


def choose(host: Host, **settings: object) -> None:
    """What the user entered on ComfyUI's settings page."""
    chosen = {f"Skelmap.Server.{name}": value for name, value in settings.items()}
    (host.folder / "user/default/comfy.settings.json").write_text(json.dumps(chosen))


@pytest.mark.usefixtures("guarded")
def test_a_key_in_the_environment(host: Host, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_API_KEY", KEY)
    assert host.run(NODE, image=image).values[0].any()


def test_everything_on_the_settings_page(
    host: Host, guarded: Front, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POSE_SERVER_URL")
    choose(host, URL=guarded.url + "/", Key=KEY, Timeout=30)
    assert host.run(NODE, image=image).values[0].any()


@pytest.mark.usefixtures("guarded")
def test_the_environment_goes_first(host: Host, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_API_KEY", KEY)
    choose(host, URL="http://127.0.0.1:9", Key="another")
    assert host.run(NODE, image=image).values[0].any()


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_refused_key_is_not_repeated(
    host: Host, guarded: Front, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("POSE_API_KEY", key)
    with pytest.raises(RuntimeError) as caught:
        host.run(NODE, image=image)
    assert str(caught.value) == f"POST {guarded.url}/pose: 401 Unauthorized: the key is missing or wrong"
    assert len(guarded.seen) == 1


def test_a_key_that_may_not(host: Host, front: Front, image: torch.Tensor) -> None:
    front.refuse = lambda _number, _headers: problem(403, "not with this key")
    with pytest.raises(RuntimeError) as caught:
        host.run(NODE, image=image)
    assert str(caught.value) == f"POST {front.url}/pose: 403 Forbidden: not with this key"
    assert len(front.seen) == 1


@pytest.mark.parametrize("path", ["poses", "dänze", "two words"])
def test_a_server_behind_a_path(
    host: Host, front: Front, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("POSE_SERVER_URL", f"{front.url}/{path}/")
    with pytest.raises(RuntimeError, match=f"POST {front.url}/{path}/pose: 404 Not Found"):
        host.run(NODE, image=image)


@pytest.mark.usefixtures("front")
def test_a_setting_that_was_cleared_is_none(host: Host, image: torch.Tensor) -> None:
    choose(host, Key=None, Timeout=None)
    assert host.run(NODE, image=image).values[0].any()


@pytest.mark.usefixtures("front")
def test_a_settings_file_that_cannot_be_read_is_ignored(host: Host, image: torch.Tensor) -> None:
    (host.folder / "user/default/comfy.settings.json").mkdir()
    assert host.run(NODE, image=image).values[0].any()


@pytest.mark.parametrize("text", ["{", "[]", "\ufeff"])
@pytest.mark.usefixtures("front")
def test_a_damaged_settings_file_is_ignored(host: Host, image: torch.Tensor, text: str) -> None:
    (host.folder / "user/default/comfy.settings.json").write_text(text)
    assert host.run(NODE, image=image).values[0].any()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (("POSE_SERVER_URL", "localhost:8000"), "POSE_SERVER_URL: expected a URL such as .*, got 'localhost:8000'"),
        (("POSE_SERVER_URL", "ftp://here"), "POSE_SERVER_URL: expected a URL"),
        (("POSE_SERVER_URL", "http://"), "POSE_SERVER_URL: expected a URL"),
        (("POSE_SERVER_URL", "http://here:port"), "POSE_SERVER_URL: Port could not be cast"),
        (("POSE_SERVER_URL", "http://["), "POSE_SERVER_URL: Invalid IPv6"),
        (("POSE_SERVER_URL", f"http://me:{KEY}@here"), "POSE_SERVER_URL: must not contain a name or password"),
        (("POSE_API_KEY", f"{KEY}\nX: 1"), "POSE_API_KEY: only visible ASCII"),
        (("POSE_TIMEOUT_S", "soon"), "POSE_TIMEOUT_S: expected seconds above 0, got 'soon'"),
        (("POSE_TIMEOUT_S", "-1"), "POSE_TIMEOUT_S: expected seconds above 0"),
        (("POSE_TIMEOUT_S", "nan"), "POSE_TIMEOUT_S: expected seconds above 0"),
    ],
)
def test_settings_that_cannot_be_used(
    host: Host, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch, setting: tuple[str, str], message: str
) -> None:
    monkeypatch.setenv(*setting)
    with pytest.raises(ValueError, match=message) as caught:
        host.run(NODE, image=image)
    assert KEY not in str(caught.value)


def test_neither_url_nor_key_is_saved_with_a_workflow(host: Host) -> None:
    for name in host.classes:
        assert not [widget for widget in host.sockets(name) if re.search("url|key$|token|server", widget)]


def test_the_settings_page_offers_what_is_read() -> None:
    settings = (PACK / "settings.py").read_text()
    offered = re.findall(r'id: "(.*)"', (PACK / "web/settings.js").read_text())
    assert offered == re.findall(r'"(Skelmap\..*)"', settings)


# Standing in for another pack


def test_no_name_of_another_pack_is_taken_unasked(host: Host) -> None:
    assert all(name.startswith("Skelmap") for name in host.classes)


@pytest.mark.parametrize("chosen", ["1", True, "yes", "replace"])
def test_dwpreprocessor_is_there_when_the_settings_page_says_so(schema: str, tmp_path: Path, chosen: object) -> None:
    (tmp_path / "user/default").mkdir(parents=True)
    choose(Host(schema, tmp_path), DWPreprocessor=chosen)
    with running(schema, tmp_path) as host:
        assert "DWPreprocessor" in host.classes


@pytest.mark.parametrize(
    ("chosen", "more"), [("1", {"DWPreprocessor"}), ("replace", {"DWPreprocessor"}), ("no", set())]
)
def test_dwpreprocessor_is_there_when_the_environment_says_so(
    schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, more: set[str]
) -> None:
    monkeypatch.setenv("POSE_DWPREPROCESSOR", chosen)
    with running(schema, tmp_path) as host:
        assert {name for name in host.classes if not name.startswith("Skelmap")} == more


THEIRS = {"DWPreprocessor": object(), "InpaintPreprocessor": object()}
"""Nodes of comfyui_controlnet_aux, without which Krita AI Diffusion does not start."""


@pytest.mark.parametrize("order", ["taken", "later"])
def test_dwpreprocessor_of_another_pack_is_replaced_on_demand(
    schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, order: str
) -> None:
    monkeypatch.setenv("POSE_DWPREPROCESSOR", "replace")
    with running(schema, tmp_path, **{order: THEIRS}) as host:
        assert "pose_estimator" in host.sockets("DWPreprocessor")
        assert host.classes["InpaintPreprocessor"] is THEIRS["InpaintPreprocessor"]
    assert "DWPreprocessor of another pack is replaced" in caplog.text


def test_dwpreprocessor_of_another_pack_stays(schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_DWPREPROCESSOR", "1")
    with running(schema, tmp_path, THEIRS) as host:
        assert host.classes["DWPreprocessor"] is THEIRS["DWPreprocessor"]
