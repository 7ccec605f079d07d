"""What both web UIs show where the server gives no map, and what the settings make of it."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.main import create_app
from app.settings import Settings
from pose_core.types import Image
from tests.deploy.a1111.conftest import Host
from tests.live_server import LiveServer, busy, listening

NOBODY_LISTENS = "http://127.0.0.1:9"


def told(ask: Any, *arguments: Any, **sliders: Any) -> str:
    """The message that the UI shows: one line."""
    with pytest.raises(RuntimeError) as caught:
        ask(*arguments, **sliders)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def answering(answer: ASGIApp, *, key: str | None = None) -> ASGIApp:
    """A server that says one thing only, where it wants a key to whoever has it."""
    refusal = JSONResponse({"detail": "a valid API key is needed"}, 401)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            given = Request(scope).headers.get("X-API-Key")
            await (answer if key in {None, given} else refusal)(scope, receive, send)

    return app


@pytest.fixture
def guarded() -> Iterator[LiveServer]:
    """A server that wants the key `sesame`, and says welcome then."""
    with listening(answering(PlainTextResponse("welcome"), key="sesame")) as server:
        yield server


def test_nobody_there(host: Host, photo: Image) -> None:
    host.options["skelmap_url"] = NOBODY_LISTENS
    assert (
        told(host.preprocessor("remote_dw_openpose"), photo)
        == f"Skelmap server {NOBODY_LISTENS}/pose cannot be reached: [Errno 111] Connection refused"
    )


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "http://", "ftp://here", "http://[", "nonsense"])
def test_an_address_that_is_none(host: Host, photo: Image, url: str) -> None:
    host.options["skelmap_url"] = url
    assert f"Skelmap server {url.rstrip('/')}/pose cannot be reached: " in told(
        host.preprocessor("remote_dw_openpose"), photo
    )


def test_too_slow(host: Host, photo: Image, settings: Settings) -> None:
    with busy(settings, max_queue=4) as server:
        host.options.update({"skelmap_url": server.url, "skelmap_timeout_s": 0.2})
        message = told(host.preprocessor("remote_dw_openpose"), photo)
    assert message == f"Skelmap server {server.url}/pose did not answer within 0.2 s"


def test_too_busy(host: Host, photo: Image, settings: Settings) -> None:
    with busy(settings, max_queue=0) as server:
        host.options["skelmap_url"] = server.url
        message = told(host.preprocessor("remote_dw_openpose"), photo)
    assert message.startswith(f"Skelmap server {server.url}/pose answered 503: 1 requests are waiting already")


def test_a_server_that_refuses_before_it_has_read_everything(host: Host, settings: Settings) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8)
    with listening(create_app(settings.model_copy(update={"max_bytes": 1024}))) as small:
        host.options["skelmap_url"] = small.url
        message = told(host.preprocessor("remote_dw_openpose"), noise)
    assert message.startswith(f"Skelmap server {small.url}/pose answered 413: ")


def test_a_resolution_that_the_server_refuses(host: Host, server: LiveServer, photo: Image) -> None:
    host.options["skelmap_url"] = server.url
    message = told(host.preprocessor("remote_dw_openpose"), photo, resolution=10**6)
    assert message.startswith(f"Skelmap server {server.url}/pose answered 422: resolution: ")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("skelmap_url", "http://me:s3cret@here", "Skelmap: the address must not contain a name or password"),
        ("skelmap_api_key", "s3cret\r\nX-Other: 1", "Skelmap: only visible ASCII characters of an API key can be sent"),
        ("skelmap_api_key", "s3cret\u2603", "Skelmap: only visible ASCII characters"),
        ("skelmap_timeout_s", -1, "Skelmap: expected seconds to wait above 0, got -1"),
        ("skelmap_timeout_s", "soon", "Skelmap: expected seconds to wait above 0, got nan"),
    ],
)
def test_settings_that_cannot_be_used(
    host: Host, photo: Image, caplog: pytest.LogCaptureFixture, option: str, value: object, message: str
) -> None:
    host.options[option] = value
    said = told(host.preprocessor("remote_dw_openpose"), photo)
    assert said.startswith(message)
    host.options["skelmap_on_failure"] = "black map"
    black, _ = host.preprocessor("remote_dw_openpose")(photo)
    assert not black.any()
    assert "s3cret" not in said + caplog.text


def test_a_key_that_is_refused(host: Host, photo: Image, guarded: LiveServer) -> None:
    host.options.update({"skelmap_url": guarded.url, "skelmap_api_key": "wrong"})
    ask = host.preprocessor("remote_dw_openpose")
    assert told(ask, photo) == f"Skelmap server {guarded.url}/pose answered 401: a valid API key is needed"


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, "<html>no entry</html>", "Forbidden"),
        (422, '{"detail": "one\\ntwo"}', "one two"),
        (500, '{"detail": "' + "long " * 1000 + '"}', "long long "),
        (599, "", "no reason given"),
        (500, "[" * 100_000, "Internal Server Error"),
    ],
)
def test_errors_that_others_wrote(host: Host, photo: Image, status: int, body: str, reason: str) -> None:
    with listening(answering(Response(body, status))) as server:
        host.options["skelmap_url"] = server.url
        message = told(host.preprocessor("remote_dw_openpose"), photo)
    assert message.startswith(f"Skelmap server {server.url}/pose answered {status}: {reason}")
    assert len(message) < 400


@pytest.mark.parametrize("body", ["[]", "{}", '{"map": null}', '{"map": "AAAA"}', "[" * 100_000])
def test_another_server_than_ours(host: Host, photo: Image, body: str) -> None:
    with listening(answering(Response(body))) as server:
        host.options["skelmap_url"] = server.url
        message = told(host.preprocessor("remote_dw_openpose"), photo)
    assert message == f"{server.url}/pose answered 200, but not as a Skelmap server does"


def test_a_redirection_is_not_followed(host: Host, server: LiveServer, photo: Image) -> None:
    away = RedirectResponse(f"{server.url}/pose", 307)
    with listening(answering(away)) as elsewhere:
        host.options.update({"skelmap_url": elsewhere.url, "skelmap_api_key": "sesame"})
        message = told(host.preprocessor("remote_dw_openpose"), photo)
    assert message == f"Skelmap server {elsewhere.url}/pose answered 307: Temporary Redirect"


@pytest.mark.parametrize("where", ["settings", "environment"])
def test_the_key_is_sent(
    host: Host, photo: Image, guarded: LiveServer, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    host.options["skelmap_url"] = f" {guarded.url} "
    if where == "settings":
        host.options["skelmap_api_key"] = "sesame\n"
    else:
        monkeypatch.setenv("SKELMAP_API_KEY", " sesame")
    ask = host.preprocessor("remote_dw_openpose")
    assert told(ask, photo) == f"{guarded.url}/pose answered 200, but not as a Skelmap server does"


def test_a_black_map_instead(host: Host, server: LiveServer, photo: Image, caplog: pytest.LogCaptureFixture) -> None:
    ask = host.preprocessor("remote_dw_openpose_full")
    host.options["skelmap_url"] = server.url
    drawn, document = ask(photo, resolution=300)
    host.options.update({"skelmap_url": NOBODY_LISTENS, "skelmap_on_failure": "black map"})
    black, nobody = ask(photo, resolution=300)
    assert black.shape == drawn.shape
    assert black.dtype == np.uint8
    assert not black.any()
    assert nobody == {**document, "people": []}
    assert "cannot be reached" in caplog.text


def test_the_local_preprocessor_instead(host: Host, photo: Image, caplog: pytest.LogCaptureFixture) -> None:
    base = type(host.registry["remote_dw_openpose"]).__mro__[1]

    class Local(base):  # type: ignore[misc, valid-type] # each host has its own
        """Draws a white map."""

        def __call__(self, input_image: Any, resolution: int, **kwargs: Any) -> Any:
            kwargs["json_pose_callback"]({"people": ["somebody"]})
            return np.full((resolution, resolution, 3), 255, np.uint8)

    host.add(Local("openpose_hand"))
    host.options.update({"skelmap_url": NOBODY_LISTENS, "skelmap_on_failure": "local preprocessor"})
    drawn, document = host.preprocessor("remote_dw_openpose_hand")(photo, resolution=64)
    assert drawn.shape == (64, 64, 3)
    assert drawn.all()
    assert document == {"people": ["somebody"]}
    assert "the local openpose_hand is used" in caplog.text


def test_no_local_preprocessor(host: Host, photo: Image) -> None:
    host.options.update({"skelmap_url": NOBODY_LISTENS, "skelmap_on_failure": "local preprocessor"})
    message = told(host.preprocessor("remote_dw_openpose_full"), photo)
    assert message.endswith("Connection refused; and there is no local dw_openpose_full")
