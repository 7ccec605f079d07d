"""The ControlNet routes, as clients of A1111 and Forge see them."""

import io
import json
from base64 import b64decode, b64encode
from pathlib import Path
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
from app.protocols.a1111 import MAX_IMAGES, MODULES, RESIZE_MODES
from app.settings import Settings
from pose_core.dialects import DIALECTS
from pose_core.types import Image
from tests import tiny_onnx
from tests.app.bad_images import exif_block, saved
from tests.app.conftest import Ask
from tests.app.scenery import PICKY, read_png, white_png, write_png

OPENPOSE = [name for name in MODULES if name != "none"]
EMPTY = {"people": [], "canvas_width": 64, "canvas_height": 48}


def refused(answer: Response, status: int) -> dict[str, Any]:
    """The error as both programs' clients read it, whose shape never varies."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert list(body) == ["error", "detail", "body", "errors"]
    assert body["error"] == "HTTPException"
    assert body["detail"]
    assert body["errors"]
    return body


def text(data: bytes) -> str:
    """A file as clients send it."""
    return b64encode(data).decode()


@pytest.fixture
def picture(png: bytes) -> str:
    """The drawn photo, 160 x 120 pixels."""
    return text(png)


def detect(client: TestClient, *pictures: str, module: str = "dw_openpose_full", **given: Any) -> Any:
    """The answer of /controlnet/detect."""
    body = {"controlnet_module": module, "controlnet_input_images": pictures, **given}
    answer = client.post("/controlnet/detect", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def sizes(answer: Any) -> list[tuple[int, int]]:
    """Width and height of each picture, which each pose document names as its canvas."""
    opened = [PIL.Image.open(io.BytesIO(b64decode(image))).size for image in answer["images"]]
    if "poses" in answer:
        assert [(pose["canvas_width"], pose["canvas_height"]) for pose in answer["poses"]] == opened
    return opened


# What there is


def test_the_number_of_the_interface(client: TestClient) -> None:
    assert client.get("/controlnet/version").json() == {"version": 3}


def test_there_is_no_model_to_choose(client: TestClient) -> None:
    assert client.get("/controlnet/model_list?update=true").json() == {"model_list": ["None"]}


@pytest.mark.parametrize("alias", ["", "?alias_names=false", "?alias_names=true"])
def test_every_module_with_its_slider_and_network(client: TestClient, alias: str) -> None:
    body = client.get(f"/controlnet/module_list{alias}").json()
    assert body["module_list"] == ["none", *OPENPOSE]
    assert list(body["module_detail"]) == body["module_list"]
    assert body["module_detail"]["none"] == {"model_free": False, "sliders": [], "backend": None}
    for name in OPENPOSE:
        assert body["module_detail"][name] == {
            "model_free": False,
            "sliders": [{"name": "Resolution", "value": 512, "min": 64, "max": 2048, "step": 8}],
            "backend": "figure",
        }


def test_modules_stand_in_the_order_of_the_user_interface() -> None:
    """`openpose_full` has priority, the rest goes from z to a."""
    assert OPENPOSE[0] == "openpose_full"
    assert OPENPOSE[1:] == sorted(OPENPOSE[1:], reverse=True)
    assert all("openpose" in name for name in OPENPOSE)  # clients look for that before they read poses


def test_control_types(client: TestClient) -> None:
    types = client.get("/controlnet/control_types").json()["control_types"]
    assert list(types) == ["All", "OpenPose"]
    for name, option in (("All", "none"), ("OpenPose", "openpose_full")):
        assert types[name] == {
            "module_list": list(MODULES),
            "model_list": ["None"],
            "default_option": option,
            "default_model": "None",
        }


def test_settings_under_both_names(client: TestClient) -> None:
    body = client.get("/controlnet/settings").json()
    assert body == {"control_net_unit_count": 3, "control_net_max_models_num": 3}


def test_whoever_looks_for_controlnet_finds_it(client: TestClient) -> None:
    body = client.get("/sdapi/v1/scripts").json()
    assert "controlnet m2m" in body["txt2img"]
    assert "controlnet" in body["img2img"]


# Detection


@pytest.mark.parametrize("module", OPENPOSE)
def test_a_module_is_a_choice_of_parts(client: TestClient, ask: Ask, picture: str, module: str) -> None:
    parts = ",".join(MODULES[module])
    answer = detect(client, picture, module=module, controlnet_processor_res=300)
    assert list(answer) == ["images", "info", "poses"]
    assert answer["info"] == "Success"
    expected = read_png(ask(format="png", resolution=300, parts=parts).content)
    np.testing.assert_array_equal(read_png(b64decode(answer["images"][0])), expected)
    assert answer["poses"] == [ask(format="openpose", dialect="a1111", resolution=300, parts=parts).json()]


def test_the_map_is_a_plain_rgb_png(client: TestClient, picture: str) -> None:
    """Clients take the array of the opened picture for colours, which a palette would spoil."""
    (image,) = detect(client, picture)["images"]
    assert image.startswith("iVBORw0KGgo")  # no data URL around it
    opened = PIL.Image.open(io.BytesIO(b64decode(image)))
    assert (opened.format, opened.mode) == ("PNG", "RGB")


def test_maps_come_in_the_order_of_the_pictures(client: TestClient, photo: Image, picture: str) -> None:
    narrow, flat = text(write_png(photo[:, :60])), text(write_png(photo[:60]))
    answer = detect(client, picture, narrow, flat, picture, controlnet_processor_res=120)
    assert sizes(answer) == [(160, 120), (120, 240), (320, 120), (160, 120)]
    assert answer["images"][0] == answer["images"][3]


@pytest.mark.parametrize("key", ["controlnet_input_images", "controlnet_images"])
@pytest.mark.parametrize(
    "head", ["", "data:image/png;base64,", "data:image/jpeg;base64, ", " \ndata:image/png;base64,"]
)
def test_every_way_to_send_a_picture(client: TestClient, picture: str, key: str, head: str) -> None:
    answer = client.post("/controlnet/detect", json={"controlnet_module": "openpose", key: [head + picture]}).json()
    assert answer["images"] == detect(client, picture, module="openpose")["images"]


@pytest.mark.parametrize(
    ("first", "second", "seen"), [([], ["own"], 1), (["own"], [], 1), (["own"], ["own", "own"], 1)]
)
def test_a_client_of_old_and_new_programs_sends_both_keys(
    client: TestClient, picture: str, first: list[str], second: list[str], seen: int
) -> None:
    keys = {"controlnet_input_images": [picture for _ in first], "controlnet_images": [picture for _ in second]}
    answer = client.post("/controlnet/detect", json={"controlnet_module": "openpose", **keys})
    assert len(answer.json()["images"]) == seen


@pytest.mark.parametrize("asked", [300.0, 300.9, "300"])
def test_a_resolution_that_a_slider_computed(client: TestClient, picture: str, asked: object) -> None:
    assert sizes(detect(client, picture, controlnet_processor_res=asked)) == [(400, 300)]


@pytest.mark.parametrize(
    ("asked", "shorter"), [(-1, 512), (0, 512), (63, 512), (64, 64), (300, 300), (2048, 2048), (2304, 2304)]
)
def test_the_resolution_is_the_shorter_side(client: TestClient, picture: str, asked: int, shorter: int) -> None:
    ((_, height),) = sizes(detect(client, picture, module="openpose", controlnet_processor_res=asked))
    assert height == shorter


def test_512_unless_asked(client: TestClient, picture: str) -> None:
    assert sizes(detect(client, picture)) == [(683, 512)]


@pytest.mark.parametrize(
    ("mode", "size"),
    [
        ("Resize and Fill", (512, 384)),  # the whole photo on 512 x 768
        ("Envelope (Outer Fit)", (512, 384)),
        (2, (512, 384)),
        ("Crop and Resize", (1024, 768)),  # the photo over all of 512 x 768
        (1, (1024, 768)),
        ("Just Resize", (1024, 768)),
        (0, (1024, 768)),
        (None, (1024, 768)),  # A1111's default
    ],
)
def test_pixel_perfect(client: TestClient, picture: str, mode: str | int | None, size: tuple[int, int]) -> None:
    asked: dict[str, Any] = {"pixel_perfect": True, "target_W": 512, "target_H": 768, "controlnet_processor_res": 64}
    if mode is not None:
        asked["resize_mode"] = mode
    assert sizes(detect(client, picture, module="openpose", **asked)) == [size]


@pytest.mark.parametrize("module", ["none", "None"])
def test_no_module_hands_the_picture_back(client: TestClient, photo: Image, picture: str, module: str) -> None:
    answer = detect(client, picture, module=module)
    assert list(answer) == ["images", "info"]
    np.testing.assert_array_equal(read_png(b64decode(answer["images"][0])), photo)


def test_a_turned_photo_is_turned_upright(client: TestClient, photo: Image) -> None:
    turned = saved(PIL.Image.fromarray(photo), "PNG", exif=exif_block(6))
    assert sizes(detect(client, text(turned), module="none")) == [(120, 160)]


def test_what_the_other_programs_ignore_is_ignored(client: TestClient, picture: str) -> None:
    ignored: dict[str, Any] = {
        "controlnet_threshold_a": 64,
        "controlnet_threshold_b": 0.5,
        "controlnet_masks": [picture],
    }
    assert detect(client, picture, low_vram=True, colour="red", **ignored) == detect(client, picture)


def test_a_body_without_a_content_type_is_json(client: TestClient, picture: str) -> None:
    body = json.dumps({"controlnet_module": "openpose", "controlnet_input_images": [picture]})
    assert client.post("/controlnet/detect", content=body).status_code == 200


def test_nobody_is_an_empty_map(settings: Settings, picture: str, tmp_path: Path) -> None:
    blind = tiny_onnx.yolox(tmp_path / "blind.onnx", np.array([[1.0, 1, 9, 9]]), np.array([0.01]))
    with TestClient(create_app(settings.model_copy(update={"detector": str(blind)}))) as client:
        answer = detect(client, picture)
    assert answer["poses"] == [{"people": [], "animals": [], "canvas_height": 512, "canvas_width": 683}]
    assert not read_png(b64decode(answer["images"][0])).any()


# Drawing pose documents


def test_no_document_is_told_so(client: TestClient) -> None:
    assert client.post("/controlnet/render_openpose_json", json=[]).json() == {"info": "No pose data detected."}


def test_a_detected_pose_is_drawn_as_its_map(client: TestClient, picture: str) -> None:
    detected = detect(client, picture, picture, controlnet_processor_res=200)
    drawn = client.post("/controlnet/render_openpose_json", json=detected["poses"]).json()
    assert drawn == {"images": detected["images"], "info": "Success"}


@pytest.mark.parametrize("dialect", ["a1111", "comfy", "comfy-aux", "openpose", "skelmap"])
def test_documents_of_every_dialect_are_drawn(client: TestClient, ask: Ask, dialect: str) -> None:
    document = ask(format="openpose", dialect=dialect, parts="body,hands,face").json()
    frames = document if isinstance(document, list) else [document]
    (image,) = client.post("/controlnet/render_openpose_json", json=frames).json()["images"]
    np.testing.assert_array_equal(read_png(b64decode(image)), read_png(ask(format="png").content))
    assert PIL.Image.open(io.BytesIO(b64decode(image))).mode == "RGB"
    assert dialect in DIALECTS


def test_what_the_editor_leaves_out_is_absent(client: TestClient, ask: Ask) -> None:
    document = ask(format="openpose", dialect="a1111", parts="body").json()
    for person in document["people"]:
        for part in ("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"):
            assert person.pop(part) is None
    (image,) = client.post("/controlnet/render_openpose_json", json=[document]).json()["images"]
    np.testing.assert_array_equal(read_png(b64decode(image)), read_png(ask(format="png", parts="body").content))


def test_animals_are_drawn(client: TestClient) -> None:
    """As A1111's own test posts them; one line goes from the neck to the root of the tail."""
    points = [[0.0, 0.0, 0.0]] * 3 + [[10.0, 30.0, 1.0], [50.0, 30.0, 1.0]] + [[0.0, 0.0, 0.0]] * 12
    animals = [[number for point in points for number in point]]
    body = [{"version": "ap10k", "animals": animals, "canvas_width": 64, "canvas_height": 48}]
    (image,) = client.post("/controlnet/render_openpose_json", json=body).json()["images"]
    pixels = read_png(b64decode(image))
    assert {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()} == {(0, 0, 0), (255, 0, 255)}
    assert pixels[28:33, 30].any(axis=1).all()
    assert not pixels[:25].any()


# Mistakes


@pytest.mark.parametrize("name", ["INVALID", "", "canny", "densepose", "openpose\0", "OPENPOSE", "x" * 1000])
def test_an_unknown_module_is_told_the_known_ones(client: TestClient, picture: str, name: str) -> None:
    body = {"controlnet_module": name, "controlnet_input_images": [picture]}
    error = refused(client.post("/controlnet/detect", json=body), 422)
    assert error["detail"] == "Module not available"
    assert error["errors"].startswith(f"controlnet_module: Module not available, got {name[:100]!r}; valid: none, ")
    assert len(error["errors"]) < 500


@pytest.mark.parametrize("body", [{}, {"controlnet_input_images": []}, {"controlnet_module": "openpose"}])
def test_no_picture(client: TestClient, body: dict[str, Any]) -> None:
    error = refused(client.post("/controlnet/detect", json=body), 422)
    assert error["detail"] == "No image selected"
    assert error["errors"] == "controlnet_input_images: No image selected"


@pytest.mark.parametrize(
    ("sent", "status", "detail"),
    [
        ("", 422, "empty base64 text"),
        ("not a picture!", 422, "not base64"),
        ("data:image/png,abc", 422, "data URL"),
        ("http://example.org/a.png", 422, "a URL, which is not loaded"),
        ("https://example.org/a.png", 422, "a URL, which is not loaded"),
        ("file:///etc/passwd", 422, "not base64"),
        (text(b"no picture"), 415, "not a readable image"),
        (text(b"GIF89a" + bytes(50)), 415, "not a readable image"),
        (text(b"\x89PNG\r\n\x1a\n" + bytes(50)), 422, "the PNG is truncated"),
    ],
)
def test_what_is_no_picture(client: TestClient, picture: str, sent: str, status: int, detail: str) -> None:
    body = {"controlnet_module": "openpose", "controlnet_input_images": [picture, sent]}
    error = refused(client.post("/controlnet/detect", json=body), status)
    assert detail in error["detail"]
    assert error["errors"].startswith("controlnet_input_images[1]: ")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"controlnet_module": 7}, "controlnet_module"),
        ({"controlnet_module": None}, "controlnet_module"),
        ({"controlnet_input_images": "AAAA"}, "controlnet_input_images"),
        ({"controlnet_input_images": [7]}, "controlnet_input_images"),
        ({"controlnet_images": {"a": 1}}, "controlnet_images"),
        ({"controlnet_input_images": ["A"] * (MAX_IMAGES + 1)}, "controlnet_input_images"),
        ({"controlnet_processor_res": "wide"}, "controlnet_processor_res"),
        ({"controlnet_processor_res": 10**30}, "controlnet_processor_res"),
        ({"controlnet_processor_res": 16385}, "controlnet_processor_res"),
        ({"controlnet_threshold_a": []}, "controlnet_threshold_a"),
        ({"controlnet_masks": "AAAA"}, "controlnet_masks"),
        ({"low_vram": "maybe"}, "low_vram"),
        ({"resize_mode": "Squeeze"}, "resize_mode"),
        ({"resize_mode": {}}, "resize_mode"),
        ({"resize_mode": True}, "resize_mode"),
        ({"pixel_perfect": True, "target_H": 9}, "target_W"),
        ({"pixel_perfect": True, "target_W": 9}, "target_H"),
        ({"target_W": 0}, "target_W"),
    ],
)
def test_values_of_wrong_types(client: TestClient, given: dict[str, Any], field: str) -> None:
    """Like FastAPI, to which both programs leave this."""
    error = refused(client.post("/controlnet/detect", json=given), 422)
    assert set(error["detail"][0]) == {"loc", "msg", "type"}
    assert error["detail"][0]["loc"][0] == "body"
    assert error["detail"][0]["loc"][1].startswith(field)
    assert error["errors"].startswith(field)


def test_an_unknown_resize_mode_is_told_the_known_ones(client: TestClient) -> None:
    error = refused(client.post("/controlnet/detect", json={"resize_mode": "Squeeze"}), 422)
    assert "valid: " + ", ".join(map(str, RESIZE_MODES)) in error["errors"]


@pytest.mark.parametrize("path", ["/controlnet/detect", "/controlnet/render_openpose_json"])
@pytest.mark.parametrize("body", [b"", b"{", b"7", b"null", b"\xff\xfe", b'"[]"', b"[" * 100_000])
def test_bodies_that_are_none(client: TestClient, path: str, body: bytes) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    refused(answer, 400 if len(body) > 1000 else 422)


def test_a_map_that_would_be_too_large(client: TestClient, picture: str) -> None:
    body = {"controlnet_module": "openpose", "controlnet_input_images": [picture], "controlnet_processor_res": 16000}
    error = refused(client.post("/controlnet/detect", json=body), 422)
    assert error["errors"].startswith("controlnet_processor_res: the map would be 21333x16000 pixels; at most ")


@pytest.mark.parametrize(
    ("limit", "detail"), [({"max_bytes": 1024}, "base64 of"), ({"max_pixels": 160 * 120 - 1}, "160 x 120 pixels")]
)
def test_a_picture_that_is_too_large(settings: Settings, png: bytes, limit: dict[str, int], detail: str) -> None:
    body = {"controlnet_module": "openpose", "controlnet_input_images": [text(png + bytes(1024))]}
    with TestClient(create_app(settings.model_copy(update=limit))) as client:
        error = refused(client.post("/controlnet/detect", json=body), 413)
    assert error["detail"].startswith(detail)


def test_a_body_that_is_too_large(settings: Settings) -> None:
    with TestClient(create_app(settings.model_copy(update={"max_bytes": 1024}))) as client:
        answer = client.post("/controlnet/detect", content=b"x" * 2**21)
    refused(answer, 413)
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize(
    ("documents", "errors"),
    [
        ([{"foo": 10, "bar": 100}], "[0].document: expected people or keypoints in it"),
        ([EMPTY, 7], "[1].document: expected an object, got 7"),
        ([EMPTY, {"people": []}], "[1].canvas_width: canvas_width and canvas_height are missing"),
        ([{**EMPTY, "people": [{"pose_keypoints_2d": [1]}]}], "[0].people[0].pose_keypoints_2d: has 1 numbers"),
        ([{**EMPTY, "canvas_width": 100_000, "canvas_height": 100_000}], "[0].canvas: the map would be"),
        ([EMPTY] * (MAX_IMAGES + 1), "body: List should have at most 64 items"),
        (EMPTY, "body: Input should be a valid list"),
    ],
)
def test_documents_that_cannot_be_drawn(client: TestClient, documents: object, errors: str) -> None:
    error = refused(client.post("/controlnet/render_openpose_json", json=documents), 422)
    assert error["errors"].startswith(errors)
    assert not {"info", "images"} & set(error)


def test_paths_and_methods_that_are_none(client: TestClient) -> None:
    assert refused(client.get("/controlnet/nothing"), 404)["detail"] == "Not Found"
    assert refused(client.get("/controlnet/detect"), 405)["detail"] == "Method Not Allowed"


def test_a_network_that_is_not_installed(empty_home: Path, picture: str) -> None:
    assert not empty_home.exists()
    with TestClient(create_app(Settings(estimator="dwpose-l-384", detector="yolox-l"))) as client:
        body = {"controlnet_module": "openpose", "controlnet_input_images": [picture]}
        error = refused(client.post("/controlnet/detect", json=body), 503)
    assert "skelmap models pull yolox-l dwpose-l-384" in error["detail"]


def test_a_network_that_fails_is_told_to_the_log_alone(settings: Settings, tmp_path: Path) -> None:
    picky = tiny_onnx.picky_colour(tmp_path / "picky.onnx", PICKY)
    with TestClient(create_app(settings.model_copy(update={"estimator": str(picky)}))) as client:
        white = {"controlnet_module": "openpose", "controlnet_input_images": [text(white_png())]}
        answer = client.post("/controlnet/detect", json=white)
    assert "the server's log" in refused(answer, 500)["detail"]
    assert answer.headers["X-Request-ID"]


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
VALUES = JUNK | st.sampled_from([*MODULES, "AAAA", ["AAAA"], [text(write_png(np.zeros((9, 7, 3), np.uint8)))], 64, 80])
KEYS = st.sampled_from(
    [
        *("controlnet_module", "controlnet_input_images", "controlnet_images", "controlnet_processor_res"),
        *("controlnet_masks", "low_vram", "pixel_perfect", "resize_mode", "target_W", "target_H"),
    ]
)


@budget(deadline=None, max_examples=150)
@given(JUNK | st.dictionaries(KEYS, VALUES, max_size=5))
def test_whatever_is_sent_the_answer_is_no_5xx(client: TestClient, body: object) -> None:
    for path in ("/controlnet/detect", "/controlnet/render_openpose_json"):
        answer = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        if answer.status_code == 200:
            assert set(answer.json()) <= {"images", "info", "poses"}
        else:
            assert answer.status_code in {413, 415, 422}
            refused(answer, answer.status_code)
