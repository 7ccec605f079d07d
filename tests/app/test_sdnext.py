"""SD.Next's preprocessing routes, as its clients see them."""

import io
import json
from base64 import b64decode, b64encode
from typing import Any

import numpy as np
import PIL.Image
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from app.main import create_app
from app.protocols.sdnext import PREPROCESSORS
from app.settings import Settings
from tests.app.conftest import Ask
from tests.app.scenery import read_png


def refused(answer: Response, status: int) -> dict[str, Any]:
    """The error as SD.Next's clients read it: under `error` from a route, else under `detail`."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert list(body) == ["error", "code", "detail", "body", "errors"]
    assert body["code"] == status
    assert body["error"]
    assert body["detail"]
    return body


@pytest.fixture
def picture(png: bytes) -> str:
    """The drawn photo as clients send it."""
    return b64encode(png).decode()


def preprocess(client: TestClient, picture: str, model: str, **params: Any) -> Response:
    """POST /sdapi/v1/preprocess."""
    return client.post("/sdapi/v1/preprocess", json={"image": picture, "model": model, "params": params})


def map_of(answer: Response) -> np.ndarray:
    """The pixels of an answer."""
    assert answer.status_code == 200, answer.text
    return read_png(b64decode(answer.json()["image"]))


def test_every_preprocessor_with_its_settings(client: TestClient) -> None:
    listed = client.get("/sdapi/v1/preprocessors").json()
    assert [entry["name"] for entry in listed] == list(PREPROCESSORS)
    assert {entry["group"] for entry in listed} == {"Pose"}
    assert {"name": "DWPose (Legacy)", "group": "Pose", "params": {"min_confidence": 0.3}} in listed


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("OpenPose", "body"),
        ("DWPose", "body,hands,face"),
        ("DWPose (ONNX)", "body,hands,face"),
        ("DWPose (Legacy)", "body,hands,face"),
        ("RTMW", "body,hands,face"),
        ("RTMO", "body"),
        ("ViTPose", "body"),
    ],
)
def test_a_preprocessor_is_a_choice_of_parts(
    client: TestClient, ask: Ask, picture: str, model: str, parts: str
) -> None:
    answer = preprocess(client, picture, model)
    assert answer.json()["model"] == model
    np.testing.assert_array_equal(map_of(answer), read_png(ask(format="png", parts=parts).content))


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({"model": "DWPose", "params": {"min_confidence": 0.7}}, {"keypoint_threshold": 0.7}),
        ({"model": "DWPose", "params": {"min_confidence": 1}}, {"keypoint_threshold": 1}),
        ({"model": "RTMW", "params": {"draw_hand_pose": False}}, {"parts": "body,face"}),
        (
            {"model": "RTMW", "params": {"draw_body_pose": False, "draw_face_pose": False, "min_confidence": 0.55}},
            {"parts": "hands", "keypoint_threshold": 0.55},
        ),
        ({"model": "OpenPose", "params": {"include_hand": True, "include_face": True}}, {}),
    ],
)
def test_settings_decide_what_shows(
    client: TestClient, ask: Ask, picture: str, body: dict[str, Any], asked: dict[str, Any]
) -> None:
    answer = client.post("/sdapi/v1/preprocess", json={"image": picture, **body})
    np.testing.assert_array_equal(map_of(answer), read_png(ask(format="png", **asked).content))


@pytest.mark.parametrize("body", [{}, {"params": None}, {"params": {}, "colour": "red"}])
def test_settings_may_be_left_out(client: TestClient, picture: str, body: dict[str, Any]) -> None:
    answer = client.post("/sdapi/v1/preprocess", json={"image": picture, "model": "DWPose", **body})
    np.testing.assert_array_equal(map_of(answer), map_of(preprocess(client, picture, "DWPose")))


def test_the_map_is_a_plain_rgb_png_of_the_photos_size(client: TestClient, picture: str) -> None:
    image = preprocess(client, f"data:image/png;base64,{picture}", "RTMW").json()["image"]
    opened = PIL.Image.open(io.BytesIO(b64decode(image)))
    assert (opened.format, opened.mode, opened.size) == ("PNG", "RGB", (160, 120))


# Mistakes


@pytest.mark.parametrize("model", ["Canny", "", "dwpose", "None"])
def test_an_unknown_model_is_told_the_known_ones(client: TestClient, picture: str, model: str) -> None:
    error = refused(preprocess(client, picture, model), 400)["error"]
    assert error.startswith(f"Processor model not found: id={model}; valid: OpenPose, DWPose, ")


@pytest.mark.parametrize(
    ("model", "params", "error"),
    [
        ("DWPose", {"draw_body_pose": True}, "id=DWPose draw_body_pose=True; expected one of min_confidence"),
        ("RTMW", {"": 1}, "id=RTMW =1; expected one of min_confidence, draw_body_pose, "),
        ("RTMW", {"min_confidence": "high"}, "id=RTMW min_confidence=high; expected a number from 0 to 1"),
        ("RTMW", {"min_confidence": True}, "id=RTMW min_confidence=True; expected a number"),
        ("RTMW", {"min_confidence": 1.01}, "id=RTMW min_confidence=1.01; expected a number"),
        ("RTMW", {"min_confidence": -1}, "id=RTMW min_confidence=-1; expected a number"),
        ("RTMW", {"min_confidence": None}, "id=RTMW min_confidence=None; expected a number"),
        ("RTMW", {"draw_face_pose": 1}, "id=RTMW draw_face_pose=1; expected true or false"),
        ("OpenPose", {"include_body": False}, "id=OpenPose: nothing is left to draw"),
    ],
)
def test_a_setting_that_cannot_be_used(
    client: TestClient, picture: str, model: str, params: dict[str, Any], error: str
) -> None:
    said = refused(preprocess(client, picture, model, **params), 400)["error"]
    assert said.startswith(f"Processor invalid parameter: {error}")


@pytest.mark.parametrize(
    ("sent", "status", "error"),
    [
        ("", 422, "image: empty base64 text"),
        ("nothing!", 422, "image: not base64"),
        ("https://example.org/a.png", 422, "image: not base64 but a URL, which is not loaded"),
        (b64encode(b"%PDF-1.7").decode(), 415, "image: not a readable image"),
    ],
)
def test_what_is_no_picture(client: TestClient, sent: str, status: int, error: str) -> None:
    assert refused(preprocess(client, sent, "RTMW"), status)["error"].startswith(error)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "image"),
        ({"image": 7, "model": "RTMW"}, "image"),
        ({"image": "AAAA"}, "model"),
        ({"image": "AAAA", "model": "RTMW", "params": []}, "params"),
        ([], "body"),
    ],
)
def test_values_of_wrong_types(client: TestClient, body: object, field: str) -> None:
    """Like FastAPI, to which SD.Next leaves this."""
    error = refused(client.post("/sdapi/v1/preprocess", json=body), 422)
    assert error["error"].startswith(f"{field}: ")
    assert error["detail"][0]["loc"] == ["body", field]


def test_a_picture_and_a_body_that_are_too_large(settings: Settings, png: bytes) -> None:
    with TestClient(create_app(settings.model_copy(update={"max_bytes": 1024}))) as client:
        picture = b64encode(png + bytes(1024)).decode()
        assert "at most 1,024 are allowed" in refused(preprocess(client, picture, "RTMW"), 413)["error"]
        refused(client.post("/sdapi/v1/preprocess", content=b"x" * 2**21), 413)


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers())
PARAMS = st.sampled_from(["min_confidence", "draw_body_pose", "draw_hand_pose", "draw_face_pose", "include_body"])


@budget(deadline=None, max_examples=100)
@given(
    st.fixed_dictionaries(
        {"model": st.sampled_from([*PREPROCESSORS, "Canny"]) | JUNK},
        optional={"params": st.dictionaries(PARAMS | st.text(max_size=5), JUNK, max_size=3) | JUNK},
    )
)
def test_whatever_is_sent_the_answer_is_no_5xx(client: TestClient, png: bytes, body: dict[str, object]) -> None:
    sent = json.dumps({"image": b64encode(png).decode(), **body})
    answer = client.post("/sdapi/v1/preprocess", content=sent, headers={"Content-Type": "application/json"})
    if answer.status_code != 200:
        assert answer.status_code in {400, 422}
        refused(answer, answer.status_code)
