"""POST /render and POST /convert: pose documents in, maps and other documents out."""

import json
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from pose_core.dialects import DIALECTS, read_scene, recognise
from pose_core.styles import STYLES
from pose_core.types import Size
from tests.app.conftest import Ask
from tests.app.scenery import read_png
from tests.app.test_bad_requests import refusal
from tests.app.test_pose_route import problem

ALL_PARTS = "body,feet,hands,face"
EMPTY = {"people": [], "canvas_width": 64, "canvas_height": 48}
HOLDS = {
    "skelmap": {"body", "feet", "face", "left_hand", "right_hand"},
    "fkunn1326": {"body"},
    "openpose": {"body", "feet", "face", "left_hand", "right_hand"},
    "comfy": {"body", "feet", "face", "left_hand", "right_hand"},
    "a1111": {"body", "face", "left_hand", "right_hand"},
    "comfy-aux": {"body", "face", "left_hand", "right_hand"},
}
"""Which parts each dialect has room for."""


def document_of(ask: Ask, dialect: str, **parameters: Any) -> Any:
    """The pose document of the photo."""
    return ask(format="openpose", dialect=dialect, parts=ALL_PARTS, **parameters).json()


def noses(document: object) -> list[list[float]]:
    """Where everybody's nose is."""
    people = read_scene(document).people
    return [person.body[0, :2].tolist() for person in people if person.body is not None]


def convert(client: TestClient, document: object, **parameters: Any) -> Any:
    """The converted document."""
    answer = client.post("/convert", json=document, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


# Drawing


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_document_draws_the_map_that_the_photo_got(client: TestClient, ask: Ask, dialect: str, style: str) -> None:
    parts = "body" if dialect == "fkunn1326" else "body,hands,face"
    answer = client.post("/render", json=document_of(ask, dialect), params={"style": style, "parts": parts})
    assert answer.headers["Content-Type"] == "image/png"
    expected = read_png(ask(format="png", style=style, parts=parts).content)
    np.testing.assert_array_equal(read_png(answer.content), expected)


def test_the_answer_of_pose_is_a_document_too(client: TestClient, ask: Ask) -> None:
    answer = client.post("/render", json=ask().json())
    np.testing.assert_array_equal(read_png(answer.content), read_png(ask(format="png").content))


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, (64, 48)),
        ({"resolution": 96}, (128, 96)),
        ({"width": 32}, (32, 24)),
        ({"width": 10, "height": 90}, (10, 90)),
    ],
)
def test_the_map_has_the_asked_for_size(client: TestClient, asked: dict[str, Any], size: tuple[int, int]) -> None:
    pixels = read_png(client.post("/render", json=EMPTY, params=asked).content)
    assert pixels.shape[1::-1] == size
    assert not pixels.any()


def test_a_document_scales_like_a_photo(client: TestClient, ask: Ask) -> None:
    sizes: list[dict[str, Any]] = [{"resolution": 360}, {"width": 300, "height": 300, "fit": "cover"}]
    for asked in sizes:
        answer = client.post("/render", json=document_of(ask, "skelmap"), params=asked)
        expected = read_png(ask(format="png", **asked).content)
        np.testing.assert_array_equal(read_png(answer.content), expected)


def test_the_canvas_of_a_silent_document(client: TestClient) -> None:
    silent: dict[str, Any] = {"people": []}
    finding = problem(client.post("/render", json=silent))
    assert "pass its canvas along" in finding["message"]
    answer = client.post("/render", json=silent, params={"canvas_width": 30, "canvas_height": 20})
    assert read_png(answer.content).shape == (20, 30, 3)


def test_half_a_canvas_is_none(client: TestClient) -> None:
    finding = problem(client.post("/render", json=EMPTY, params={"canvas_width": 30}))
    assert finding["field"] == "canvas_height"


def test_one_picture_of_several(client: TestClient, ask: Ask) -> None:
    frames = [EMPTY, *document_of(ask, "comfy")]
    assert not read_png(client.post("/render?frame=0", json=frames).content).any()
    assert read_png(client.post("/render?frame=1", json=frames).content).any()
    finding = problem(client.post("/render?frame=2", json=frames))
    assert finding == {"field": "frame", "message": "2 is out of range, the document has 2 frames"}


@pytest.mark.parametrize(
    ("accept", "asked", "media_type"),
    [
        ("*/*", "", "image/png"),
        ("application/json", "", "image/png"),
        ("image/svg+xml", "", "image/svg+xml"),
        ("image/svg+xml, image/png;q=0.5", "", "image/svg+xml"),
        ("image/png", "?format=svg", "image/svg+xml"),
    ],
)
def test_png_or_svg(client: TestClient, ask: Ask, accept: str, asked: str, media_type: str) -> None:
    answer = client.post(f"/render{asked}", json=document_of(ask, "a1111"), headers={"Accept": accept})
    assert answer.headers["Content-Type"] == media_type
    if media_type == "image/svg+xml":
        assert ET.fromstring(answer.content).get("width") == "160"  # noqa: S314 - our own output


# Converting


@pytest.mark.parametrize("source", DIALECTS)
@pytest.mark.parametrize("target", DIALECTS)
def test_every_dialect_becomes_every_other(client: TestClient, ask: Ask, source: str, target: str) -> None:
    converted = convert(client, document_of(ask, source), dialect=target, parts=ALL_PARTS)
    assert recognise(converted) == target
    scene, original = read_scene(converted), read_scene(document_of(ask, source))
    assert scene.size == original.size == Size(160, 120)
    assert len(scene.people) == 3
    for part in HOLDS[source] & HOLDS[target]:
        for person, before in zip(scene.people, original.people, strict=True):
            shown = getattr(before, part)[:, 2] >= 0.3
            np.testing.assert_allclose(getattr(person, part)[shown, :2], getattr(before, part)[shown, :2], atol=0.01)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_becomes_itself(client: TestClient, ask: Ask, dialect: str) -> None:
    document = document_of(ask, dialect)
    for frame in document if dialect == "comfy" else [document] if dialect == "openpose" else []:
        for person in frame["people"]:
            del person["box"], person["box_score"]  # additions of ours that no reader looks for
    assert convert(client, document, dialect=dialect, parts=ALL_PARTS) == document


def test_nothing_is_lost_unless_asked(client: TestClient, ask: Ask) -> None:
    (person,) = convert(client, document_of(ask, "skelmap", max_people=1), dialect="comfy")[0]["people"]
    assert any(person["foot_keypoints_2d"])


def test_a_converted_document_follows_its_canvas(client: TestClient, ask: Ask) -> None:
    document = document_of(ask, "a1111")
    converted = convert(client, document, dialect="openpose", resolution=240)
    assert (converted["canvas_width"], converted["canvas_height"]) == (320, 240)
    np.testing.assert_allclose(noses(converted), 2 * np.array(noses(document)))


def test_the_source_may_be_named(client: TestClient, ask: Ask) -> None:
    document = document_of(ask, "a1111")
    assert convert(client, document, source_dialect="comfy") == convert(client, document)
    finding = problem(client.post("/convert?source_dialect=skelmap", json=document))
    assert finding["field"] == "width"


# Mistakes


@pytest.mark.parametrize("path", ["/render", "/convert"])
@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "not JSON"),
        (b"people", 400, "not JSON"),
        (b"[" * 5000, 400, "not JSON"),
        (b'{"people": [NaN]}', 400, "not JSON"),
        (b"7", 422, "document: expected an object, got 7"),
        (b"[]", 422, "frame: 0 is out of range, the document has 0 frames"),
        (b"{}", 422, "document: expected people or keypoints in it"),
        (b'{"people": 3, "canvas_width": 9, "canvas_height": 9}', 422, "people: expected a list, got 3"),
        (b'{"people": [], "canvas_width": 0, "canvas_height": 9}', 422, "canvas_width: expected a whole number"),
        (b'{"people": [], "canvas_width": 9e9, "canvas_height": 9}', 422, "canvas_width: expected a number"),
        (b'{"people": [{"pose_keypoints_2d": [1]}], "canvas_width": 9, "canvas_height": 9}', 422, "has 1 numbers"),
    ],
)
def test_documents_that_cannot_be_read(client: TestClient, path: str, body: bytes, status: int, detail: str) -> None:
    assert detail in refusal(client.post(path, content=body), status)["detail"]


@pytest.mark.parametrize(
    ("path", "asked", "field"),
    [
        ("/render", "style=x", "style"),
        ("/render", "format=json", "format"),
        ("/render", "frame=-1", "frame"),
        ("/render", "source_dialect=x", "source_dialect"),
        ("/render", "resolution=9&height=9", "resolution"),
        ("/render", "canvas_width=0", "canvas_width"),
        ("/render", "colour=red", "colour"),
        ("/render", "boxes=[]", "boxes"),
        ("/convert", "dialect=x", "dialect"),
        ("/convert", "format=png", "format"),
        ("/convert", "width=0", "width"),
    ],
)
def test_parameters_that_cannot_be_used(client: TestClient, path: str, asked: str, field: str) -> None:
    assert problem(client.post(f"{path}?{asked}", json=EMPTY))["field"] == field


def test_a_canvas_that_is_too_large_is_the_documents(client: TestClient) -> None:
    huge = {"people": [], "canvas_width": 100_000, "canvas_height": 100_000}
    finding = problem(client.post("/render", json=huge))
    assert finding["field"] == "canvas"
    assert "100000x100000 pixels; at most 50000000 are allowed" in finding["message"]
    assert client.post("/render?width=10", json=huge).status_code == 200


def ok_or_refused(answer: Response) -> bool:
    """Nothing else may become of a document."""
    return answer.status_code == 200 or bool(refusal(answer, 422)["errors"])


NUMBER = st.sampled_from([0, 1, -1, 0.5, 30, 63.9, 1e-9, -1e6, 1e6, 1e7]) | st.floats(-100, 100)
JUNK = st.recursive(
    st.none() | st.booleans() | NUMBER | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PEOPLE = st.lists(
    st.fixed_dictionaries(
        {
            "pose_keypoints_2d": st.lists(NUMBER, min_size=54, max_size=54) | JUNK,
            "hand_left_keypoints_2d": st.lists(NUMBER, min_size=63, max_size=63) | st.none(),
        }
    ),
    max_size=3,
)
SIDE = st.sampled_from([1, 2, 64, 640, 5000]) | JUNK
DOCUMENTS = JUNK | st.fixed_dictionaries({"people": PEOPLE | JUNK, "canvas_width": SIDE, "canvas_height": SIDE})


@budget(deadline=None, max_examples=150)
@given(DOCUMENTS, st.sampled_from(list(STYLES)), st.sampled_from(list(DIALECTS)))
def test_whatever_the_document_the_answer_is_no_5xx(
    client: TestClient, document: object, style: str, dialect: str
) -> None:
    body = json.dumps(document)
    assert ok_or_refused(client.post("/render", content=body, params={"style": style, "parts": ALL_PARTS}))
    assert ok_or_refused(client.post("/convert", content=body, params={"dialect": dialect, "keypoint_threshold": 0}))
