"""Remote Pose, run in an old and in a new ComfyUI against the real server."""

import base64
import json
import socket
import sys
import time
from email.utils import formatdate
from threading import Event
from typing import Any

import httpx2
import numpy as np
import pytest
import torch
from starlette.datastructures import Headers
from starlette.responses import Response

from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import (
    LEFT,
    LONELY,
    MIDDLE,
    OTHER_DETECTOR,
    RIGHT,
    SCORES,
    Networks,
    drawn,
    keypoints_in,
    write_png,
)
from tests.deploy.comfyui.host import MODULE, Host, Interrupted
from tests.deploy.comfyui.live import Front, listening, problem

NODE = "SkelmapRemotePose"

PIXEL = "data:image/png;base64," + base64.b64encode(write_png(np.zeros((1, 1, 3), np.uint8))).decode()
"""A map as the server sends it."""

pytestmark = pytest.mark.usefixtures("front")


def levels(image: torch.Tensor) -> np.ndarray:
    """An IMAGE in 8 bits."""
    assert image.dtype == torch.float32
    return (image * 255).round().to(torch.uint8).numpy()


def box(corners: tuple[int, int, int, int]) -> dict[str, int]:
    """A box as ComfyUI's nodes write it."""
    left, top, right, bottom = corners
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def corners(found: dict[str, float]) -> tuple[int, ...]:
    """And back, in whole pixels."""
    x, y, width, height = (found[side] for side in ("x", "y", "width", "height"))
    return tuple(round(side) for side in (x, y, x + width, y + height))


# What comes out


def test_a_photo_gives_a_map_poses_boxes_and_json(host: Host, front: Front, image: torch.Tensor, photo: Image) -> None:
    maps, poses, boxes, text = host.run(NODE, image=image).values
    answer = httpx2.post(f"{front.url}/pose", content=write_png(photo)).json()
    np.testing.assert_array_equal(levels(maps), drawn(answer)[None])
    assert [corners(one) for one in boxes[0]] == [MIDDLE, RIGHT, LEFT]
    assert [one["score"] for one in boxes[0]] == pytest.approx([SCORES[MIDDLE], SCORES[RIGHT], SCORES[LEFT]])
    (frame,) = poses
    assert (frame["canvas_width"], frame["canvas_height"], len(frame["people"])) == (160, 120, 3)
    document = json.loads(text)
    np.testing.assert_allclose(document["people"][0]["keypoints"], keypoints_in(MIDDLE), atol=2e-3)
    assert "map" not in document


def test_what_krita_and_the_history_read(host: Host, image: torch.Tensor) -> None:
    ran = host.run(NODE, image=image)
    (text,) = ran.ui["openpose_json"]
    assert json.loads(text) == ran.values[1]


def test_the_strictest_readers_can_read_the_poses(host: Host, image: torch.Tensor) -> None:
    poses = host.run(NODE, image=image, detector=OTHER_DETECTOR, hands=False, face=False).values[1]
    for person in poses[0]["people"]:
        lengths = {"pose": 18, "foot": 6, "face": 70, "hand_left": 21, "hand_right": 21}
        parts = {part: np.array(person[f"{part}_keypoints_2d"]).reshape(count, 3) for part, count in lengths.items()}
        assert set(np.concatenate([*parts.values()])[:, 2]) == {0.0, 1.0}, "less than 1 is dropped by most readers"
        assert parts["pose"][0].tolist() != [0, 0, 0]
        assert not parts["face"].any()


def test_one_person(host: Host, image: torch.Tensor) -> None:
    maps, poses, boxes, _ = host.run(NODE, image=image, max_people=1, order="area").values
    assert [corners(one) for one in boxes[0]] == [RIGHT]
    assert len(poses[0]["people"]) == 1
    assert maps.any()


def test_nobody_is_no_error(host: Host, image: torch.Tensor) -> None:
    maps, poses, boxes, text = host.run(NODE, image=image, person_threshold=1.0).values
    assert maps.shape == (1, 120, 160, 3)
    assert not maps.any()
    assert poses == [{"people": [], "canvas_width": 160, "canvas_height": 120}]
    assert boxes == [[]]
    assert json.loads(text)["people"] == []


def test_widgets_reach_the_server(host: Host, front: Front, image: torch.Tensor, photo: Image) -> None:
    widgets: dict[str, Any] = {"resolution": 240, "style": "xinsir", "face": False, "feet": True}
    maps, poses, *_ = host.run(NODE, image=image, detector=OTHER_DETECTOR, keypoint_threshold=0.65, **widgets).values
    query: dict[str, str | int] = {"resolution": 240, "detector": OTHER_DETECTOR}
    answer = httpx2.post(f"{front.url}/pose", params=query, content=write_png(photo)).json()
    expected = drawn(answer, style="xinsir", parts={"body", "hands", "feet"}, threshold=0.65)
    np.testing.assert_array_equal(levels(maps), expected[None])
    assert (poses[0]["canvas_width"], poses[0]["canvas_height"]) == (320, 240)


# Batches


def test_a_batch_keeps_its_order_whoever_is_answered_first(host: Host, front: Front, image: torch.Tensor) -> None:
    front.delays_s = (0.3, 0.1)
    people = [[box(one)] for one in (LEFT, MIDDLE, RIGHT)]
    maps, poses, boxes, text = host.run(NODE, image=image.expand(3, -1, -1, -1), boxes=people).values
    assert [corners(one) for (one,) in boxes] == [LEFT, MIDDLE, RIGHT]
    assert len(maps) == len(poses) == len(json.loads(text)) == 3
    assert host.progress == (3, 3)


def test_cancel_ends_a_batch(host: Host, front: Front, image: torch.Tensor) -> None:
    front.delays_s = (0.3,) * 100

    def refuse(number: int, _headers: Headers) -> None:
        host.cancelled = host.cancelled or number == 3

    front.refuse = refuse
    with pytest.raises(Interrupted):
        host.run(NODE, image=image.expand(100, -1, -1, -1))
    asked = len(front.seen)
    time.sleep(0.5)
    assert len(front.seen) <= asked + 1 < 40
    assert host.progress[0] < 40


def test_cancel_does_not_wait_for_a_busy_server(host: Host, front: Front, image: torch.Tensor) -> None:
    def refuse(_number: int, _headers: Headers) -> Response:
        host.cancelled = True
        return problem(503, "busy", {"Retry-After": "20"})

    front.refuse = refuse
    started = time.monotonic()
    with pytest.raises(Interrupted):
        host.run(NODE, image=image)
    assert time.monotonic() - started < 10


def test_an_error_in_the_middle_ends_a_batch(host: Host, front: Front, image: torch.Tensor) -> None:
    """Whoever waits to ask a busy server again does not ask any more."""
    front.refuse = lambda number, _: problem(500 if number == 1 else 503, "out", {"Retry-After": "3"})
    assert "500 Internal Server Error: out" in error_of(host, image.expand(20, -1, -1, -1))
    time.sleep(3.5)
    assert len(front.seen) <= 9


def test_several_photos_are_asked_about_at_the_same_time(host: Host, front: Front, image: torch.Tensor) -> None:
    under_way: list[int] = []
    front.delays_s = (0.3,) * 8
    front.refuse = lambda number, _: under_way.append(len(front.seen) - number)
    host.run(NODE, image=image.expand(8, -1, -1, -1))
    assert max(under_way) > 0, "further ones came while the first waited"


# What goes in


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (box(LEFT), [[LEFT], [LEFT]]),
        ([box(LEFT), box(RIGHT)], [[LEFT, RIGHT]] * 2),
        ([[box(LEFT)], [box(MIDDLE)]], [[LEFT], [MIDDLE]]),
        ([[box(LEFT)]], [[LEFT], [LEFT]]),
        ([[box(LEFT)], []], [[LEFT], []]),
        ([], [[LONELY]] * 2),
        (None, [[LONELY]] * 2),
    ],
)
def test_boxes_of_other_nodes(host: Host, image: torch.Tensor, given: Any, expected: Any) -> None:
    boxes = host.run(NODE, image=image.expand(2, -1, -1, -1), boxes=given, detector=OTHER_DETECTOR).values[2]
    assert [[corners(one) for one in found] for found in boxes] == expected


@pytest.mark.parametrize("given", [[[{"x": 1}]], [[1, 2]], [None], "boxes"])
def test_boxes_that_are_none(host: Host, image: torch.Tensor, given: Any) -> None:
    with pytest.raises(ValueError, match=r"boxes\[0\]: expected a list of \{x, y, width, height\}, got "):
        host.run(NODE, image=image, boxes=given)


def test_grey_and_transparent_images(host: Host, image: torch.Tensor) -> None:
    opaque = torch.cat([image, torch.ones(1, 120, 160, 1)], dim=-1)
    expected = levels(host.run(NODE, image=image).values[0])
    for other in (opaque, image[..., :1], image * float("nan"), image * 300 - 100):
        np.testing.assert_array_equal(levels(host.run(NODE, image=other).values[0]), expected)


def test_what_the_server_sees_is_rounded_not_cut(host: Host, image: torch.Tensor) -> None:
    pack_image = (image * 255 - 0.4) / 255  # cut, every level would be one less
    white = torch.ones_like(image) - 0.4 / 255
    seen = [
        json.loads(host.run(NODE, image=one, estimator="dwpose-t", detector="whole-image").values[3])
        for one in (white, torch.ones_like(image), pack_image, image)
    ]
    assert seen[0]["people"] == seen[1]["people"]
    assert seen[2]["people"] == seen[3]["people"]


@pytest.mark.parametrize("shape", [(0, 8, 8, 3), (1, 8, 8, 2), (8, 8, 3)])
def test_an_image_that_is_none(host: Host, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="image: expected"):
        host.run(NODE, image=torch.zeros(shape))


def test_all_parts_switched_off(host: Host, image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="at least one of body, hands, face, feet"):
        host.run(NODE, image=image, body=False, hands=False, face=False)


# When the server does not answer


def error_of(host: Host, image: torch.Tensor, **widgets: Any) -> str:
    """The message of a run that fails, which is one line."""
    with pytest.raises(RuntimeError) as caught:
        host.run(NODE, image=image, **widgets)
    message = str(caught.value)
    assert "\n" not in message
    return message


DOWN = "http://127.0.0.1:9"
"""Nobody listens there."""


def test_a_server_that_is_down(host: Host, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_SERVER_URL", DOWN)
    assert error_of(host, image).startswith(f"POST {DOWN}/pose: not reachable: ")


def test_a_server_that_is_too_slow(
    host: Host, front: Front, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSE_TIMEOUT_S", "0.2")
    front.delays_s = (1.0,)
    assert error_of(host, image) == f"POST {front.url}/pose: no answer within 0.2 s"


@pytest.mark.parametrize("host_name", ["a..b", "x" * 70 + ".invalid"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_host_that_cannot_be(
    host: Host, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch, scheme: str, host_name: str
) -> None:
    monkeypatch.setenv("POSE_SERVER_URL", f"{scheme}://{host_name}")
    assert error_of(host, image).startswith(f"POST {scheme}://{host_name}/pose: not reachable: ")
    assert not host.run(NODE, image=image, on_error="blank").values[0].any()


def test_https_is_spoken(host: Host, front: Front, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_SERVER_URL", front.url.replace("http:", "https:"))
    assert "not reachable: [SSL: " in error_of(host, image)


def test_a_server_that_refuses_a_parameter_says_why(host: Host, front: Front, image: torch.Tensor) -> None:
    message = error_of(host, image, estimator="nothing")
    assert message.startswith(f"POST {front.url}/pose: 422 Unprocessable ")
    assert "estimator" in message
    assert "'nothing'" in message
    assert len(front.seen) == 1, "what was refused is not asked for again"


def test_a_server_that_refuses_before_it_has_read_everything_says_why(
    host: Host, networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(estimator=str(networks.estimator), detector=str(networks.detector), max_bytes=1024)
    noise = torch.rand(1, 1200, 1200, 3)
    with listening(settings) as small:
        monkeypatch.setenv("POSE_SERVER_URL", small.url)
        assert error_of(host, noise).startswith(f"POST {small.url}/pose: 413 ")


def test_a_busy_server_is_asked_again(host: Host, front: Front, image: torch.Tensor) -> None:
    front.refuse = lambda number, _: problem(429, "too many", {"Retry-After": "0"}) if number < 4 else None
    assert host.run(NODE, image=image).values[0].any()
    assert len(front.seen) == 4


@pytest.mark.parametrize("header", [None, "soon"])
@pytest.mark.usefixtures("host")
def test_a_busy_server_that_does_not_say_when_is_asked_ever_later(front: Front, header: str | None) -> None:
    waits: list[float | None] = []

    class Impatient(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return False

    front.refuse = lambda _number, _: problem(429, "too many", {"Retry-After": header} if header else None)
    server = sys.modules[f"{MODULE}.server"]
    with pytest.raises(server.ServerError, match="429 Too Many Requests: too many"):
        server.post(server.Server(front.url), "/pose", {}, b"", content_type="", read=bytes, stop=Impatient())
    assert waits == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7.5 ", 7.5),
        ("Thu, 01 Jan 2026 00:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 00:00:00 -0000", 0),
        ("Thu, 01 Jan 2026 00:00:00 +99999999999999999999", None),
        ("soon", None),
        ("-1", None),
        (None, None),
    ],
)
@pytest.mark.usefixtures("host")
def test_when_a_busy_server_wants_to_be_asked_again(header: str | None, seconds: float | None) -> None:
    assert sys.modules[f"{MODULE}.server"]._retry_after(header) == seconds


@pytest.mark.usefixtures("host")
def test_a_date_to_come() -> None:
    wait_s = sys.modules[f"{MODULE}.server"]._retry_after(formatdate(time.time() + 600, usegmt=True))
    assert 590 < wait_s <= 600


def test_a_server_that_stays_busy(host: Host, front: Front, image: torch.Tensor) -> None:
    front.refuse = lambda _number, _: problem(429, "too many", {"Retry-After": "0"})
    assert error_of(host, image) == f"POST {front.url}/pose: 429 Too Many Requests: too many"
    assert len(front.seen) == 4


def test_a_server_that_is_busy_for_long_is_not_waited_for(host: Host, front: Front, image: torch.Tensor) -> None:
    front.refuse = lambda _number, _: problem(503, "closed", {"Retry-After": "3600"})
    assert error_of(host, image) == f"POST {front.url}/pose: 503 Service Unavailable: closed"
    assert len(front.seen) == 1


@pytest.mark.parametrize("body", ["", "<html>\n<p>gateway\n" * 1000, '"text"', "[1]", '{"detail": null}'])
def test_errors_that_others_wrote(host: Host, front: Front, image: torch.Tensor, body: str) -> None:
    front.refuse = lambda _number, _: Response(body, 404)
    message = error_of(host, image)
    assert message.startswith(f"POST {front.url}/pose: 404 Not Found")
    assert len(message) < 400


@pytest.mark.parametrize(
    "body",
    [
        *("<html>welcome</html>", "[]", '"text"', "{}", "[" * 100_000),
        *('{"map": "data:image/png;base64,AAAA"}', '{"map": null}', '{"map": 3}', f'{{"map": "{PIXEL}"}}'),
        f'{{"map": "{PIXEL}", "people": [{{}}], "canvas_width": 1, "canvas_height": 1}}',
    ],
)
def test_another_server_than_ours(host: Host, front: Front, image: torch.Tensor, body: str) -> None:
    front.refuse = lambda _number, _: Response(body)
    message = error_of(host, image)
    assert message.startswith(f"POST {front.url}/pose: 200, but not what a pose server answers: ")
    assert host.run(NODE, image=image, on_error="blank").values[0].shape == (1, 120, 160, 3)


def test_redirects_are_not_followed(host: Host, front: Front, image: torch.Tensor) -> None:
    front.refuse = lambda _number, _: Response("", 307, {"Location": "http://elsewhere.invalid/pose"})
    assert error_of(host, image) == f"POST {front.url}/pose: 307 Temporary Redirect"


def test_on_error_blank(host: Host, front: Front, image: torch.Tensor) -> None:
    front.refuse = lambda number, _: problem(500, "broken") if number == 2 else None
    batch = image.expand(3, -1, -1, -1)
    maps, poses, boxes, text = host.run(NODE, image=batch, resolution=50, on_error="blank").values
    assert maps.shape == (3, 50, 67, 3)
    blank = [not one.any() for one in maps]
    assert sum(blank) == 1
    assert [not frame["people"] for frame in poses] == [not found for found in boxes] == blank
    assert {(frame["canvas_width"], frame["canvas_height"]) for frame in poses} == {(67, 50)}
    warnings = [warning for document in json.loads(text) for warning in document["warnings"]]
    assert warnings == [f"POST {front.url}/pose: 500 Internal Server Error: broken"]


def test_on_error_original(host: Host, image: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSE_SERVER_URL", DOWN)
    maps = host.run(NODE, image=image, on_error="original").values[0]
    np.testing.assert_array_equal(levels(maps), levels(image))
    assert host.run(NODE, image=image, on_error="original", resolution=60).values[0].shape == (1, 60, 80, 3)


# The cache


def test_the_cache_does_not_wait_long_for_a_server(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = sys.modules[f"{MODULE}.photos"]
    monkeypatch.setattr(photos, "FINGERPRINT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("POSE_SERVER_URL", url)
        said = host.fingerprint(NODE, estimator="", detector="")
    assert said == f"GET {url}/version: no answer within 0.2 s"
    assert photos.FINGERPRINT_S < 10


def test_the_cache_knows_the_networks_of_the_server(host: Host, front: Front, image: torch.Tensor) -> None:
    first = host.fingerprint(NODE, estimator="", detector="")
    host.run(NODE, image=image, detector=OTHER_DETECTOR)
    assert host.fingerprint(NODE, estimator="", detector="") == first, "others may load what they like"
    models = httpx2.get(f"{front.url}/version").json()["models"]
    assert models["figure"] in first
    assert models["three people"] in first
    other = host.fingerprint(NODE, estimator="", detector=OTHER_DETECTOR)
    assert models[OTHER_DETECTOR] in other
    assert models["three people"] not in other


@pytest.mark.parametrize("url", [DOWN, "no url"])
def test_the_cache_can_do_without_a_server(host: Host, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("POSE_SERVER_URL", url)
    assert host.fingerprint(NODE, estimator="", detector="") == host.fingerprint(NODE, estimator="", detector="")
