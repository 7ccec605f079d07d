"""The client against a real server: every route, every kind of photo, and the same answers from asyncio."""

import asyncio
import io
import json
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx2
import numpy as np
import pytest
from PIL import Image as PillowImage
from skelmap_client import AsyncClient, Client, InvalidDocument, InvalidPhoto, Photo
from skelmap_client.parameters import DocumentParameters, PoseParameters
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.parameters import ConvertParameters, RenderParameters
from app.parameters import PoseParameters as ServerPoseParameters
from pose_core.types import Image
from tests.app.scenery import LEFT, MIDDLE, RIGHT, drawn, keypoints_in
from tests.live_server import LiveServer, listening


def test_everybody_in_a_photo(client: Client, png: bytes) -> None:
    answer = client.pose(png, order="left_to_right")
    np.testing.assert_allclose([person.box for person in answer.people], [LEFT, MIDDLE, RIGHT], atol=1e-3)
    assert [round(person.box_score, 2) for person in answer.people] == [0.5, 0.9, 0.7]
    assert answer.people[0].keypoints.dtype == np.float32
    np.testing.assert_allclose(answer.people[0].keypoints, keypoints_in(LEFT), atol=0.05)
    assert answer.size == answer.canvas_size == (160, 120)
    assert answer.map is None
    assert answer.warnings == ()
    assert set(answer.people[0].openpose) >= {"pose_keypoints_2d", "face_keypoints_2d"}


def test_the_answer_is_the_servers(client: Client, server: LiveServer, png: bytes) -> None:
    raw = httpx2.post(f"{server.url}/pose", content=png, params={"include": "map", "resolution": 60}).json()
    answer = client.pose(png, include="map", resolution=60)
    assert answer.document.keys() == raw.keys()
    assert answer.document["people"] == raw["people"]
    assert answer.canvas_size == (80, 60)
    assert answer.map is not None
    assert np.array_equal(np.asarray(answer.map), drawn(raw))


def test_parameters_reach_the_server(client: Client, png: bytes) -> None:
    boxes = [[0.0, 0, 40, 100], [50.5, 10, 90, 110]]
    answer = client.pose(png, boxes=boxes, parts=["body", "feet"], dialect="comfy", keypoint_threshold=0.65)
    assert [list(person.box) for person in answer.people] == boxes
    assert answer.dialect == "comfy"
    assert answer.detector == ""
    left_hand_sees = answer.people[0].openpose["hand_left_keypoints_2d"]
    assert not any(left_hand_sees)
    assert len(client.pose(png, max_people=1).people) == 1


def test_numbers_may_be_those_of_numpy(client: Client, png: bytes) -> None:
    boxes = np.array([[0.0, 0, 40, 100], [50.5, 10, 90, 110]])
    numbers: dict[str, Any] = {"resolution": np.int64(60), "keypoint_threshold": np.float32(0.25)}
    answer = client.pose(png, boxes=boxes, **numbers)
    assert [list(person.box) for person in answer.people] == boxes.tolist()
    assert answer.canvas_size == (80, 60)
    again = client.pose(png, boxes=list(boxes))
    assert again.people == answer.people
    document = {"people": [{"pose_keypoints_2d": np.zeros(54)}], "canvas_width": 8, "canvas_height": 6}
    assert client.render(document).size == (8, 6)


def test_no_boxes_are_no_mistake(client: Client, png: bytes) -> None:
    assert len(client.pose(png, boxes=[]).people) == len(client.pose(png).people) == 3


def test_the_map_alone(client: Client, png: bytes) -> None:
    answer = client.pose(png, include="map", style="xinsir")
    assert answer.map is not None
    assert np.array_equal(np.asarray(client.skeleton_map(png, style="xinsir")), np.asarray(answer.map))
    assert client.skeleton_map(png, width=320).size == (320, 240)


def test_the_overlay_shows_the_photo(client: Client, png: bytes, photo: Image) -> None:
    shown = np.asarray(client.overlay(png))
    skeletons = np.asarray(client.skeleton_map(png)).any(-1)
    assert np.array_equal(shown[~skeletons], photo[~skeletons])
    assert not np.array_equal(shown, photo)


def test_documents(client: Client, png: bytes) -> None:
    document = client.openpose(png)
    assert document["canvas_width"] == 160
    assert len(document["people"]) == 3
    assert np.array_equal(np.asarray(client.render(document)), np.asarray(client.skeleton_map(png)))
    frames = client.convert(document, dialect="comfy")
    assert len(frames[0]["people"][0]["hand_left_keypoints_2d"]) == 63
    assert np.array_equal(np.asarray(client.render(frames)), np.asarray(client.render(document)))


def test_an_answer_is_a_document(client: Client, png: bytes) -> None:
    answer = client.pose(png)
    assert np.array_equal(np.asarray(client.render(answer)), np.asarray(client.skeleton_map(png)))
    assert client.convert(answer, dialect="a1111")["people"] == client.openpose(png)["people"]


def test_what_the_server_is(client: Client) -> None:
    assert "whole-image" in client.models()["detectors"]
    assert "models" in client.version()


# Photos


def as_bytes(photo: Image, _folder: Path) -> Photo:
    file = io.BytesIO()
    PillowImage.fromarray(photo).save(file, "PNG")
    return file.getvalue()


def as_path(photo: Image, folder: Path) -> Photo:
    path = folder / "photo.png"
    PillowImage.fromarray(photo).save(path)
    return path


def as_string(photo: Image, folder: Path) -> Photo:
    return str(as_path(photo, folder))


def as_pillow(photo: Image, _folder: Path) -> Photo:
    return PillowImage.fromarray(photo)


def as_array(photo: Image, _folder: Path) -> Photo:
    return photo


def as_strided_array(photo: Image, _folder: Path) -> Photo:
    return np.asfortranarray(photo)


def as_rgba(photo: Image, _folder: Path) -> Photo:
    return np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize("kind", [as_bytes, as_path, as_string, as_pillow, as_array, as_strided_array, as_rgba])
def test_the_photo_arrives_whatever_holds_it(client: Client, photo: Image, tmp_path: Path, kind: Any) -> None:
    shown = np.asarray(client.overlay(kind(photo, tmp_path), boxes=[[0, 0, 1, 1]], keypoint_threshold=100))
    assert np.array_equal(shown, photo)


def test_a_grey_photo(client: Client, photo: Image) -> None:
    shown = np.asarray(client.overlay(photo[..., 0], boxes=[[0, 0, 1, 1]], keypoint_threshold=100))
    assert np.array_equal(shown, np.dstack([photo[..., 0]] * 3))


def test_a_photo_is_turned_upright_whatever_holds_it(client: Client, photo: Image, tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    PillowImage.fromarray(photo).save(tmp_path / "turned.jpg", exif=exif)
    with PillowImage.open(tmp_path / "turned.jpg") as opened:
        assert client.pose(opened).size == client.pose(tmp_path / "turned.jpg").size == (120, 160)


def test_a_photo_of_16_bits_whatever_holds_it(client: Client, photo: Image, tmp_path: Path) -> None:
    deep = photo[..., 0].astype(np.uint16) * 257
    PillowImage.fromarray(deep).save(tmp_path / "deep.png")
    with PillowImage.open(tmp_path / "deep.png") as opened:
        for held in (tmp_path / "deep.png", opened, opened.convert("I")):  # I: as older Pillow opens it
            shown = np.asarray(client.overlay(held, boxes=[[0, 0, 1, 1]], keypoint_threshold=100))
            assert np.array_equal(shown, np.dstack([photo[..., 0]] * 3))


def test_a_damaged_pillow_image_is_not_sent(photo: Image, tmp_path: Path) -> None:
    PillowImage.fromarray(photo).save(tmp_path / "cut.jpg")
    data = (tmp_path / "cut.jpg").read_bytes()
    with (
        PillowImage.open(io.BytesIO(data[: len(data) // 2])) as opened,
        pytest.raises(InvalidPhoto, match="a Pillow image that cannot be read: image file is truncated"),
    ):
        Client("http://127.0.0.1:9").pose(opened)


@pytest.mark.parametrize("document", [{"people": [float("nan")]}, {"people": {1, 2}}])
def test_what_json_cannot_hold_is_not_sent(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidDocument, match="document: "):
        Client("http://127.0.0.1:9").render(document)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), r"float32 \(4, 4, 3\)"),
        (np.zeros((4, 4, 2), np.uint8), r"uint8 \(4, 4, 2\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), r"uint8 \(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), r"without pixels: \(0, 4, 3\)"),
        ("no such file.png", "no such file.png: No such file"),
        ("no\0path.png", "null"),
        (None, "got NoneType"),
    ],
)
def test_what_is_no_photo_is_not_sent(photo: Any, message: str) -> None:
    with pytest.raises(InvalidPhoto, match=message):
        Client("http://127.0.0.1:9").pose(photo)


# The same parameters as the server's, the same methods in both clients


def test_parameters_are_those_of_the_server() -> None:
    assert set(PoseParameters.__annotations__) == set(ServerPoseParameters.model_fields) - {"format"}
    server = set(RenderParameters.model_fields) | set(ConvertParameters.model_fields)
    assert set(DocumentParameters.__annotations__) == server - {"format"}


def test_both_clients_have_the_same_methods() -> None:
    public = [{name for name in vars(client) if not name.startswith("_")} for client in (Client, AsyncClient)]
    assert public[0] == public[1]


def test_the_same_from_asyncio(server: LiveServer, client: Client, png: bytes) -> None:
    async def ask() -> list[Any]:
        async with AsyncClient(server.url) as asynchronous:
            document = await asynchronous.openpose(png)
            return [
                (await asynchronous.pose(png)).document["people"],
                np.asarray(await asynchronous.skeleton_map(png)).tolist(),
                np.asarray(await asynchronous.overlay(png)).tolist(),
                document,
                np.asarray(await asynchronous.render(document)).tolist(),
                await asynchronous.convert(document, dialect="comfy"),
                await asynchronous.models(),
                await asynchronous.version(),
            ]

    document = client.openpose(png)
    assert json.loads(json.dumps(asyncio.run(ask()))) == [
        client.pose(png).document["people"],
        np.asarray(client.skeleton_map(png)).tolist(),
        np.asarray(client.overlay(png)).tolist(),
        document,
        np.asarray(client.render(document)).tolist(),
        client.convert(document, dialect="comfy"),
        client.models(),
        client.version(),
    ]


def test_as_many_at_the_same_time_as_there_are_connections() -> None:
    """A server that answers nobody before the third one has asked."""
    met = Barrier(3, timeout=20)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await asyncio.to_thread(met.wait)
            await Response("{}")(scope, receive, send)

    async def ask(url: str) -> list[Any]:
        async with AsyncClient(url, connections=3) as client:
            return list(await asyncio.gather(*(client.models() for _ in range(3))))

    with listening(app) as server:
        assert asyncio.run(ask(server.url)) == [{}, {}, {}]


def test_many_at_once_do_not_mix(server: LiveServer, png: bytes) -> None:
    async def ask() -> list[float]:
        async with AsyncClient(server.url, connections=4) as client:
            answers = [client.pose(png, boxes=[[left, 10, left + 40, 110]]) for left in range(20)]
            return [answer.people[0].box[0] for answer in await asyncio.gather(*answers)]

    assert asyncio.run(ask()) == list(range(20))
