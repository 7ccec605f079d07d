"""The extension in both web UIs: what it adds to ControlNet, and that its maps are the server's."""

import sys
from typing import Any

import httpx2
import numpy as np
import pytest

from pose_core.types import Image
from tests.app.scenery import read_png, write_png
from tests.deploy.a1111.conftest import Host, start_extension
from tests.live_server import LiveServer

PARTS = {
    "remote_dw_openpose_full": "body,hands,face",
    "remote_dw_openpose_hand": "body,hands",
    "remote_dw_openpose_face": "body,face",
    "remote_dw_openpose_faceonly": "face",
    "remote_dw_openpose": "body",
}


@pytest.fixture
def connected(host: Host, server: LiveServer) -> Host:
    """A web UI whose settings name the server."""
    host.options["skelmap_url"] = server.url
    return host


def asked(server: LiveServer, photo: Image, **parameters: Any) -> httpx2.Response:
    """What the server itself answers."""
    return httpx2.post(f"{server.url}/pose", content=write_png(photo), params=parameters)


def test_the_family_in_the_ui(host: Host) -> None:
    assert set(host.registry) == set(PARTS)
    for name, preprocessor in host.registry.items():
        assert preprocessor.name == name
        assert preprocessor.tags == ["OpenPose"]
        assert "openpose" in name  # what the "Edit" and "JSON" buttons look for


def test_forge_finds_models_by_a_part_of_their_names(host: Host) -> None:
    filters = [getattr(preprocessor, "model_filename_filters", None) for preprocessor in host.registry.values()]
    assert filters in ([["openpose"]] * len(PARTS), [None] * len(PARTS))
    assert (["openpose"] in filters) == ("modules_forge" in sys.modules)


def test_its_sliders(host: Host) -> None:
    for preprocessor in host.registry.values():
        for slider, label in ((preprocessor.slider_1, "Person"), (preprocessor.slider_2, "Keypoint")):
            shown = slider.gradio_update_kwargs
            assert shown.pop("label").startswith(f"{label} threshold")
            assert shown == {"minimum": 0, "maximum": 1, "step": 0.01, "value": 0, "visible": True}
        assert not preprocessor.slider_3.gradio_update_kwargs["visible"]


def test_reloading_the_ui(host: Host) -> None:
    start_extension()
    assert set(host.registry) == set(PARTS)


@pytest.mark.parametrize(("name", "parts"), PARTS.items())
def test_the_map_and_the_document_are_the_servers(
    connected: Host, server: LiveServer, photo: Image, name: str, parts: str
) -> None:
    drawn, document = connected.preprocessor(name)(photo, resolution=256)
    assert drawn.dtype == np.uint8
    assert drawn.flags.c_contiguous
    assert np.array_equal(drawn, read_png(asked(server, photo, parts=parts, resolution=256, format="png").content))
    assert document == asked(server, photo, parts=parts, resolution=256, format="openpose").json()
    assert (document["canvas_height"], document["canvas_width"]) == drawn.shape[:2] == (256, 341)


def test_thresholds(connected: Host, photo: Image) -> None:
    ask = connected.preprocessor("remote_dw_openpose_full")
    assert len(ask(photo, slider_1=0.6)[1]["people"]) == 2
    assert len(ask(photo, slider_1=0.8)[1]["people"]) == 1
    everything, no_hands = ask(photo)[1]["people"][0], ask(photo, slider_2=0.65)[1]["people"][0]
    assert everything["hand_left_keypoints_2d"]
    assert no_hands["hand_left_keypoints_2d"] is None
    assert no_hands["face_keypoints_2d"]


@pytest.mark.parametrize("filled_in", [0, 0.0, None, -1, 64])
def test_the_servers_own_thresholds(connected: Host, photo: Image, filled_in: float | None) -> None:
    ask = connected.preprocessor("remote_dw_openpose_full")
    assert ask(photo, slider_1=filled_in, slider_2=filled_in)[1] == ask(photo)[1]


def test_while_pictures_are_generated_nobody_wants_the_document(connected: Host, photo: Image) -> None:
    preprocessor = connected.registry["remote_dw_openpose"]
    generated = preprocessor(photo, 256, 0, 0, 0, None, model=None)
    assert np.array_equal(generated, connected.preprocessor("remote_dw_openpose")(photo, resolution=256)[0])


def test_transparent_and_grey_pictures(connected: Host, photo: Image) -> None:
    ask = connected.preprocessor("remote_dw_openpose")
    opaque = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    assert np.array_equal(ask(opaque)[0], ask(photo)[0])
    assert ask(photo[..., 0])[0].shape == ask(photo)[0].shape


def test_a_flipped_view_of_a_picture(connected: Host, photo: Image) -> None:
    ask = connected.preprocessor("remote_dw_openpose")
    assert np.array_equal(ask(photo[:, ::-1])[0], ask(photo[:, ::-1].copy())[0])


def test_the_settings_page(host: Host) -> None:
    page = host.build_settings_pages()
    assert {option.section for option in page.values()} == {("skelmap", "Skelmap")}
    assert {name: option.default for name, option in page.items()} == {
        "skelmap_url": "http://127.0.0.1:8000",
        "skelmap_api_key": "",
        "skelmap_timeout_s": 60,
        "skelmap_on_failure": "error",
    }
    assert page["skelmap_api_key"].component_args == {"type": "password"}
    assert page["skelmap_on_failure"].component_args == {"choices": ["error", "black map", "local preprocessor"]}


def test_settings_count_from_the_next_picture_on(connected: Host, server: LiveServer, photo: Image) -> None:
    ask = connected.preprocessor("remote_dw_openpose")
    connected.options["skelmap_url"] = "http://127.0.0.1:9"
    with pytest.raises(RuntimeError, match="cannot be reached"):
        ask(photo)
    connected.options["skelmap_url"] = f"{server.url}/"
    assert len(ask(photo)[1]["people"]) == 3
