"""The unmodified `webuiapi` client (PyPI) against a running server, which it takes for an A1111."""

import base64
from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import Networks, drawn
from tests.app.test_server import options
from tests.live_server import listening
from tests.server_process import serving

webuiapi = pytest.importorskip("webuiapi", reason="needs the client webuiapi of the extra `test`")


@pytest.fixture(scope="module")
def api(networks: Networks) -> Iterator[Any]:
    """The client, connected."""
    with serving(*options(networks)) as server:
        client = webuiapi.WebUIApi(host="127.0.0.1", port=server.port)
        yield client
        client.session.close()


@pytest.fixture
def picture(photo: Image) -> PIL.Image.Image:
    """The drawn photo."""
    return PIL.Image.fromarray(photo)


def test_it_finds_controlnet(api: Any) -> None:
    assert api.has_controlnet
    assert api.controlnet_version() == 3


def test_its_lists(api: Any) -> None:
    assert {"none", "openpose_full", "dw_openpose_full", "dw_openpose"} <= set(api.controlnet_module_list())
    assert api.controlnet_model_list() == ["None"]


def test_it_detects(api: Any, picture: PIL.Image.Image) -> None:
    half = picture.crop((0, 0, 80, 120))
    answer = api.controlnet_detect([picture, half], module="dw_openpose_full", processor_res=240)
    assert answer.info == "Success"
    assert [image.size for image in answer.images] == [(320, 240), (240, 360)]
    for image, pose in zip(answer.images, answer.json["poses"], strict=True):
        assert (pose["canvas_width"], pose["canvas_height"]) == image.size
        assert len(pose["people"]) == 3
        assert np.array(image).shape == (image.height, image.width, 3)
        assert np.array(image).any()


def test_it_draws_what_it_detected(api: Any, picture: PIL.Image.Image) -> None:
    detected = api.controlnet_detect([picture], module="openpose_hand", processor_res=200)
    rendered = api.custom_post("controlnet/render_openpose_json", payload=detected.json["poses"])
    assert rendered.info == "Success"
    np.testing.assert_array_equal(np.array(rendered.image), np.array(detected.image))


def test_its_map_is_that_of_our_own_route(api: Any, picture: PIL.Image.Image) -> None:
    detected = api.controlnet_detect([picture], module="openpose_full", processor_res=120)
    body = {"image": webuiapi.raw_b64_img(picture)}
    ours = api.session.post(api.get_endpoint("pose", baseurl=False), json=body).json()
    np.testing.assert_array_equal(np.array(detected.image), drawn(ours))


@pytest.mark.parametrize(("images", "module", "said"), [(0, "openpose", "No image"), (1, "INVALID", "Module not")])
def test_its_errors(api: Any, picture: PIL.Image.Image, images: int, module: str, said: str) -> None:
    with pytest.raises(RuntimeError, match=said) as caught:
        api.controlnet_detect([picture] * images, module=module)
    assert caught.value.args[0] == 422


def guarded(app: ASGIApp, wanted: str) -> ASGIApp:
    """A server behind a proxy that wants this Authorization."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        refused = scope["type"] == "http" and Request(scope).headers.get("Authorization") != wanted
        await (JSONResponse({"detail": "no"}, 401) if refused else app)(scope, receive, send)

    return guard


@pytest.mark.parametrize(("key", "let_in"), [("sesame", True), ("wrong", False)])
def test_its_key_is_a_basic_password(settings: Settings, picture: PIL.Image.Image, key: str, *, let_in: bool) -> None:
    wanted = "Basic " + base64.b64encode(b"me:sesame").decode()
    with listening(guarded(create_app(settings), wanted)) as server:
        api = webuiapi.WebUIApi(port=int(server.url.rpartition(":")[2]), username="me", password=key)
        assert api.has_controlnet == let_in
        if let_in:
            assert api.controlnet_detect([picture], module="openpose").info == "Success"
        else:
            with pytest.raises(RuntimeError) as caught:
                api.controlnet_detect([picture], module="openpose")
            assert caught.value.args[0] == 401
        api.session.close()


def test_a_map_is_saved_as_it_came(api: Any, picture: PIL.Image.Image) -> None:
    (image,) = api.controlnet_detect([picture], module="openpose").json["images"]
    assert base64.b64decode(image, validate=True).startswith(b"\x89PNG")
