"""POST /pose, as a caller sees it: every way to send a photo, every parameter, every format of the answer."""

import io
import json
from base64 import b64decode, b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import PIL.Image
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from app.formats import FORMATS
from app.main import create_app
from app.settings import Settings
from pose_core.dialects import DIALECTS, read_scene, recognise
from pose_core.geometry import Fit
from pose_core.legacy import resize_shorter_side
from pose_core.openpose import coco_keypoints
from pose_core.skeleton import PARTS, Part
from pose_core.styles import STYLES
from pose_core.types import Image, Size
from tests.app.bad_images import exif_block, saved
from tests.app.conftest import Ask
from tests.app.scenery import (
    LEFT,
    LONELY,
    MIDDLE,
    OTHER_DETECTOR,
    OTHER_ESTIMATOR,
    PHOTO,
    RIGHT,
    SCORES,
    drawn,
    keypoints_in,
    read_png,
    write_png,
)

Box = tuple[int, int, int, int]


def boxes(answer: Response) -> list[Box]:
    """The people of an answer, in its order."""
    assert answer.status_code == 200, answer.text
    return [tuple(round(side) for side in person["box"]) for person in answer.json()["people"]]


def problem(answer: Response) -> dict[str, Any]:
    """The first finding of an error."""
    assert answer.status_code == 422, answer.text
    finding: dict[str, Any] = answer.json()["errors"][0]
    return finding


# Sending a photo


def as_multipart(client: TestClient, data: bytes, **fields: Any) -> Response:
    return client.post("/pose", files={"image": ("näh/er ✓.jpg", data, "image/png")}, data=fields)


def as_base64(client: TestClient, data: bytes, **fields: Any) -> Response:
    return client.post("/pose", json={"image": b64encode(data).decode(), **fields})


def as_data_url(client: TestClient, data: bytes, **fields: Any) -> Response:
    return client.post("/pose", json={"image": f"data:image/png;base64,{b64encode(data).decode()}", **fields})


@pytest.mark.parametrize("send", [as_multipart, as_base64, as_data_url])
def test_a_photo_comes_in_a_form_or_in_json(client: TestClient, ask: Ask, png: bytes, send: Any) -> None:
    assert send(client, png).json()["people"] == ask().json()["people"]


@pytest.mark.parametrize(
    "content_type",
    ["image/png", "IMAGE/PNG; q=1", "image/jpeg", "application/octet-stream", "application/x-www-form-urlencoded", ""],
)
def test_a_photo_comes_as_the_body_and_its_content_decides(
    client: TestClient, ask: Ask, png: bytes, content_type: str
) -> None:
    answer = client.post("/pose", content=png, headers={"Content-Type": content_type})
    assert answer.json()["people"] == ask().json()["people"]


GIVEN: dict[str, Any] = {
    "order": "left_to_right",
    "max_people": 2,
    "parts": ["body", "feet"],
    "boxes": [LEFT, RIGHT],
    "width": 80,
}


@pytest.mark.parametrize("send", [as_multipart, as_base64])
def test_parameters_mean_the_same_in_query_form_and_json(client: TestClient, ask: Ask, png: bytes, send: Any) -> None:
    written = GIVEN | {"parts": "body, feet", "boxes": json.dumps(GIVEN["boxes"])}
    expected = ask(**written).json()
    answer = send(client, png, **(GIVEN if send is as_base64 else written)).json()
    assert answer["people"] == expected["people"]
    assert answer["canvas_width"] == expected["canvas_width"] == 80


def test_half_of_the_parameters_may_come_in_the_query(client: TestClient, png: bytes) -> None:
    answer = client.post("/pose?order=area", files={"image": png}, data={"max_people": "1"})
    assert boxes(answer) == [RIGHT]


# What JSON says


def test_json_says_everything(ask: Ask) -> None:
    answer = ask().json()
    assert list(answer) == [
        *("width", "height", "people", "canvas_width", "canvas_height", "dialect"),
        *("estimator", "detector", "provider", "timings_ms", "warnings"),
    ]
    assert (answer["width"], answer["height"]) == (answer["canvas_width"], answer["canvas_height"]) == (160, 120)
    assert (answer["estimator"], answer["detector"]) == ("figure", "three people")
    assert answer["provider"] == "CPUExecutionProvider"
    assert answer["dialect"] == "a1111"
    assert answer["warnings"] == []
    stages = {"queue", "decode", "letterbox", "detector", "nms", "crop", "pose", "decode_pose"}
    assert set(answer["timings_ms"]) == stages
    assert all(duration >= 0 for duration in answer["timings_ms"].values())


def test_json_holds_every_person(ask: Ask) -> None:
    people = ask().json()["people"]
    assert [list(person) for person in people] == [["box", "box_score", "keypoints", "openpose"]] * 3
    for person, box in zip(people, (MIDDLE, RIGHT, LEFT), strict=True):
        np.testing.assert_allclose(person["box"], box, atol=1e-3)
        assert person["box_score"] == pytest.approx(SCORES[box])
        np.testing.assert_allclose(person["keypoints"], keypoints_in(box), atol=2e-3)


def test_scores_are_never_thresholded_in_keypoints(ask: Ask) -> None:
    bold = ask(keypoint_threshold=0.99, parts="face").json()
    assert [person["keypoints"] for person in bold["people"]] == [
        person["keypoints"] for person in ask().json()["people"]
    ]
    assert not any(bold["people"][0]["openpose"]["pose_keypoints_2d"])


# Who


@pytest.mark.parametrize(
    ("order", "first"),
    [("score", [MIDDLE, RIGHT, LEFT]), ("area", [RIGHT, LEFT, MIDDLE]), ("left_to_right", [LEFT, MIDDLE, RIGHT])],
)
def test_order(ask: Ask, order: str, first: Sequence[Box]) -> None:
    assert boxes(ask(order=order)) == first


@pytest.mark.parametrize(
    ("order", "kept"), [("score", [MIDDLE, RIGHT]), ("area", [RIGHT, LEFT]), ("left_to_right", [MIDDLE, RIGHT])]
)
def test_max_people_keeps_the_largest_or_the_most_certain(ask: Ask, order: str, kept: Sequence[Box]) -> None:
    answer = ask(max_people=2, order=order)
    assert boxes(answer) == kept
    assert answer.json()["warnings"] == ["max_people: 3 people found, 1 left out"]


def test_the_server_has_a_most_of_its_own(settings: Settings, png: bytes) -> None:
    with TestClient(create_app(settings.model_copy(update={"max_people": 1}))) as client:
        for asked in ("", "?max_people=3"):
            answer = client.post(f"/pose{asked}", content=png)
            assert boxes(answer) == [MIDDLE]
            assert answer.json()["warnings"] == ["max_people: 3 people found, 2 left out"]


@pytest.mark.parametrize(("threshold", "found"), [(0, 3), (0.49, 3), (0.55, 2), (0.8, 1), (0.95, 0)])
def test_person_threshold(ask: Ask, threshold: float, found: int) -> None:
    assert len(boxes(ask(person_threshold=threshold))) == found


def test_given_boxes_replace_the_detector(ask: Ask) -> None:
    given: list[list[float]] = [[5, 5, 45.5, 90], [-20, -20, 300, 200]]
    answer = ask(boxes=json.dumps(given))
    body = answer.json()
    assert [person["box"] for person in body["people"]] == given
    assert [person["box_score"] for person in body["people"]] == [1.0, 1.0]
    assert body["detector"] == answer.headers["X-Pose-Detector"] == ""
    assert "detector" not in body["timings_ms"]
    for person, box in zip(body["people"], given, strict=True):
        np.testing.assert_allclose(person["keypoints"], keypoints_in(box), atol=2e-3)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("three people", [MIDDLE, RIGHT, LEFT]),
        (OTHER_DETECTOR, [LONELY]),
        ("whole-image", [(0, 0, PHOTO.width, PHOTO.height)]),
    ],
)
def test_detector_by_name(ask: Ask, name: str, found: Sequence[Box]) -> None:
    answer = ask(detector=name)
    assert boxes(answer) == found
    assert answer.json()["detector"] == name


def test_estimator_by_name(ask: Ask) -> None:
    default, other = ask(estimator="figure"), ask(estimator=OTHER_ESTIMATOR)
    assert default.json()["people"] == ask().json()["people"] != other.json()["people"]
    assert other.json()["estimator"] == other.headers["X-Pose-Estimator"] == OTHER_ESTIMATOR


def test_nobody_is_a_black_map_and_a_warning(ask: Ask) -> None:
    answer = ask(person_threshold=0.95)
    assert answer.json()["people"] == []
    assert answer.json()["warnings"] == ["three people found nobody above person_threshold 0.95"]
    blank = ask(person_threshold=0.95, format="png", on_empty="blank")
    assert blank.headers["X-Pose-People"] == "0"
    assert read_png(blank.content).shape == (120, 160, 3)
    assert not read_png(blank.content).any()


def test_nobody_may_mean_the_whole_photo(ask: Ask) -> None:
    answer = ask(person_threshold=0.95, on_empty="full_frame")
    assert boxes(answer) == [(0, 0, 160, 120)]
    assert "the whole image was taken for one person" in answer.json()["warnings"][0]


def test_nobody_may_be_an_error(ask: Ask) -> None:
    finding = problem(ask(person_threshold=0.95, on_empty="error"))
    assert finding == {"field": "image", "message": "three people found nobody above person_threshold 0.95"}
    assert boxes(ask(on_empty="error")) == [MIDDLE, RIGHT, LEFT]


# What is drawn


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("parts", [("body", "hands", "face"), PARTS, ("feet",), ("hands",)])
def test_the_map_is_what_the_keypoints_say(ask: Ask, style: str, parts: tuple[Part, ...]) -> None:
    asked = {"style": style, "parts": ",".join(parts)}
    pixels = read_png(ask(format="png", **asked).content)
    np.testing.assert_array_equal(pixels, drawn(ask(**asked).json(), style=style, parts=parts))
    assert pixels.any()


def test_feet_are_drawn_only_when_asked_for(ask: Ask) -> None:
    plain, footed = ask(format="png"), ask(format="png", parts="body,hands,face,feet")
    assert plain.content == ask(format="png", parts="body,hands,face").content != footed.content


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.55, 0.65, 0.85, 0.91, 100.0])
def test_keypoint_threshold(ask: Ask, threshold: float) -> None:
    pixels = read_png(ask(format="png", keypoint_threshold=threshold).content)
    np.testing.assert_array_equal(pixels, drawn(ask().json(), threshold=threshold))
    assert pixels.any() == (threshold < 0.9)


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, (160, 120)),
        ({"resolution": 512}, (683, 512)),
        ({"resolution": 1}, (1, 1)),
        ({"width": 100}, (100, 75)),
        ({"height": 60}, (80, 60)),
        ({"width": 100, "height": 200}, (100, 200)),
    ],
)
def test_the_map_has_the_asked_for_size(ask: Ask, asked: dict[str, Any], size: tuple[int, int]) -> None:
    pixels = read_png(ask(format="png", **asked).content)
    body = ask(**asked).json()
    assert pixels.shape[1::-1] == (body["canvas_width"], body["canvas_height"]) == size
    assert (body["width"], body["height"]) == (160, 120)
    np.testing.assert_array_equal(pixels, drawn(body))


@pytest.mark.parametrize(("fit", "corner"), [("contain", (0, 60)), ("cover", (-80, 0)), ("stretch", (0, 0))])
def test_fit(ask: Ask, fit: Fit, corner: tuple[int, int]) -> None:
    scale = {"contain": (1, 1), "cover": (2, 2), "stretch": (1, 2)}[fit]
    asked: dict[str, Any] = {"width": 160, "height": 240, "fit": fit, "dialect": "skelmap"}
    body = ask(**asked).json()
    raw = np.array(body["people"][0]["keypoints"])
    placed = np.array(body["people"][0]["openpose"]["keypoints"])
    np.testing.assert_allclose(placed[:17, :2], raw[:17, :2] * scale + corner, atol=1e-3)
    np.testing.assert_array_equal(read_png(ask(format="png", **asked).content), drawn(body, fit=fit))


# In which format


@pytest.mark.parametrize("name", FORMATS)
def test_the_format_is_the_accept_headers_unless_it_is_named(ask: Ask, name: str) -> None:
    media_type = FORMATS[name].media_type
    named = ask(format=name, accept="text/html")
    assert named.headers["Content-Type"] == media_type
    if name != "overlay":  # a PNG like the map, which goes first
        assert ask(accept=media_type).headers["Content-Type"] == media_type
        assert ask(accept=f"text/html, {media_type.upper()};q=0.5, */*;q=0.1").headers["Content-Type"] == media_type


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,image/avif,image/webp,*/*;q=0.8", "application/json"),
        ("image/svg+xml;q=0.2, image/png;q=0.3", "image/png"),
        ("image/svg+xml, image/png", "image/svg+xml"),
        ("application/json;q=junk, image/png;q=0.1", "image/png"),
        ("application/json, image/png;q=nan", "application/json"),
    ],
)
def test_the_caller_weighs_formats(ask: Ask, accept: str, media_type: str) -> None:
    assert ask(accept=accept).headers["Content-Type"] == media_type


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [("image/*", "image/png"), ("image/png;q=0, */*", "application/json"), ("application/*", "application/json")],
)
def test_accept_may_be_a_range_or_a_refusal(ask: Ask, accept: str, media_type: str) -> None:
    assert ask(accept=accept).headers["Content-Type"] == media_type


def test_json_may_carry_the_map(ask: Ask) -> None:
    answer = ask(include="map", style="xinsir", resolution=90).json()
    head, _, encoded = answer["map"].partition(",")
    assert head == "data:image/png;base64"
    assert b64decode(encoded) == ask(format="png", style="xinsir", resolution=90).content
    assert {"draw", "encode"} < set(answer["timings_ms"])
    assert "map" not in ask(include="").json()


def test_maps_are_palette_pngs(ask: Ask) -> None:
    with PIL.Image.open(io.BytesIO(ask(format="png").content)) as opened:
        assert (opened.format, opened.mode, opened.size) == ("PNG", "P", (160, 120))


def test_svg_is_xml_of_the_maps_size(ask: Ask) -> None:
    root = ET.fromstring(ask(format="svg", width=80).content)  # noqa: S314 - our own output
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert (root.get("width"), root.get("height")) == ("80", "60")
    assert len(root) > 100


def test_npz_holds_raw_numbers(ask: Ask) -> None:
    body = ask().json()
    with np.load(io.BytesIO(ask(format="npz").content)) as arrays:
        assert sorted(arrays) == ["boxes", "keypoints", "size"]
        assert arrays["keypoints"].dtype == np.float32
        assert arrays["keypoints"].tolist() == [np.float32(person["keypoints"]).tolist() for person in body["people"]]
        assert arrays["boxes"].tolist() == [[*person["box"], person["box_score"]] for person in body["people"]]
        assert arrays["size"].tolist() == [160, 120]


def test_npz_of_nobody_has_empty_arrays(ask: Ask) -> None:
    with np.load(io.BytesIO(ask(format="npz", person_threshold=0.95).content)) as arrays:
        assert (arrays["keypoints"].shape, arrays["boxes"].shape) == ((0, 133, 3), (0, 5))


def test_the_overlay_is_the_photo_with_the_map_on_it(ask: Ask, photo: Image) -> None:
    pixels, skeletons = read_png(ask(format="overlay").content), read_png(ask(format="png").content)
    untouched = ~skeletons.any(axis=-1)
    np.testing.assert_array_equal(pixels[untouched], photo[untouched])
    np.testing.assert_array_equal(pixels[~untouched], skeletons[~untouched])
    assert read_png(ask(format="overlay", width=50, height=90).content).shape == (90, 50, 3)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_dialect(ask: Ask, dialect: str) -> None:
    asked: dict[str, Any] = {"dialect": dialect, "parts": "body,feet,hands,face", "resolution": 480}
    body, document = ask(**asked).json(), ask(format="openpose", **asked).json()
    assert recognise(document) == dialect
    scene = read_scene(document)
    assert scene.size == Size(640, 480)
    frame = document[0] if isinstance(document, list) else document
    entries = frame["keypoints"] if dialect == "fkunn1326" else frame["people"]
    assert [person["openpose"] for person in body["people"]] == entries
    for person, box in zip(scene.people, (MIDDLE, RIGHT, LEFT), strict=True):
        np.testing.assert_allclose(coco_keypoints(person)[0, :2], keypoints_in(box)[0, :2] * 4, atol=0.01)


# As the peers resize


@pytest.mark.parametrize(
    ("legacy", "size"), [("webui", (128, 96)), ("comfyui", (128, 96)), ("huggingface", (128, 128))]
)
def test_legacy_resize_has_the_peers_sizes(ask: Ask, legacy: str, size: tuple[int, int]) -> None:
    answer = ask(legacy_resize=legacy, resolution=96, format="png")
    pixels = read_png(answer.content)
    assert pixels.shape[1::-1] == size
    assert pixels.any()


def test_legacy_resize_of_comfyui_is_a_resized_map(ask: Ask) -> None:
    pixels = read_png(ask(legacy_resize="comfyui", resolution=90, format="png").content)
    whole = read_png(ask(format="png").content)
    np.testing.assert_array_equal(pixels, resize_shorter_side(whole, 90))


def test_legacy_resize_needs_a_resolution(ask: Ask) -> None:
    assert problem(ask(legacy_resize="webui")) == {"field": "legacy_resize", "message": "needs resolution"}


# Headers


def test_headers_tell_what_a_picture_cannot(ask: Ask) -> None:
    headers = ask(format="png").headers
    assert headers["X-Pose-People"] == "3"
    assert headers["X-Pose-Provider"] == "CPUExecutionProvider"
    assert headers["X-Pose-Estimator"] == "figure"
    assert headers["X-Pose-Detector"] == "three%20people"
    stages = dict(stage.split(";dur=") for stage in headers["Server-Timing"].split(", "))
    assert set(stages) >= {"decode", "detector", "pose", "draw", "encode"}
    assert all(float(duration) >= 0 for duration in stages.values())


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "x" * 64])
def test_a_harmless_request_id_comes_back(client: TestClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", "<script>", "ä"])
def test_any_other_request_id_is_replaced(client: TestClient, given: str) -> None:
    made = client.get("/healthz", headers={b"X-Request-ID": given.encode()}).headers["X-Request-ID"]
    assert len(made) == 32
    assert made.isalnum()


# Photos of all kinds


def test_a_turned_photo_is_answered_in_its_upright_frame(ask: Ask, photo: Image) -> None:
    jpeg = saved(PIL.Image.fromarray(photo), "JPEG", exif=b"Exif\0\0" + exif_block(6))
    body = ask(jpeg, detector="whole-image").json()
    assert (body["width"], body["height"]) == (120, 160)
    assert body["people"][0]["box"] == [0, 0, 120, 160]
    np.testing.assert_allclose(body["people"][0]["keypoints"], keypoints_in((0, 0, 120, 160)), atol=2e-3)


def test_networks_see_a_turned_photo_upright(ask: Ask) -> None:
    stored = np.zeros((120, 160, 3), np.uint8)
    stored[:, :80, 0] = 255  # red on the left as stored is red on top once turned clockwise
    turned = saved(PIL.Image.fromarray(stored), "PNG", exif=exif_block(6))
    halves = [[40, 10, 80, 60], [40, 100, 80, 150]]
    top, bottom = ask(turned, estimator=OTHER_ESTIMATOR, boxes=json.dumps(halves)).json()["people"]
    assert top["keypoints"][0][2] > 1 > bottom["keypoints"][0][2]


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 2)])
@pytest.mark.parametrize("name", FORMATS)
def test_the_smallest_photos_have_every_format(ask: Ask, name: str, size: tuple[int, int]) -> None:
    sliver = write_png(np.full((size[1], size[0], 3), 200, np.uint8))
    assert ask(sliver, format=name, detector="whole-image").status_code == 200
    assert ask(sliver, format=name, person_threshold=0.95, resolution=8).status_code == 200


@pytest.mark.shared
def test_people_are_found_in_photos(shared: Path) -> None:
    models, people = shared / "data" / "models", shared / "data" / "people"
    settings = Settings(
        estimator=str(models / "ultralight_nano_simplepose.onnx"), detector=str(models / "yolox_nano.onnx")
    )
    known = [image["file_name"] for image in json.loads((people / "val.json").read_text())["images"]]
    with TestClient(create_app(settings)) as client:
        for name in [name for name in known if "/ccp/" in name][:3]:
            answer = client.post("/pose?format=png", content=(people / name).read_bytes())
            assert answer.status_code == 200, answer.text
            assert int(answer.headers["X-Pose-People"]) >= 1, name
            lit = cv2.countNonZero(cv2.cvtColor(read_png(answer.content), cv2.COLOR_RGB2GRAY))
            assert lit > 300, name
