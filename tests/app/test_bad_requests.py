"""Requests that cannot be answered get a 4xx problem document that says what to change; never a 5xx."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from app.bodies import MAX_FIELD_BYTES, MAX_FIELDS
from app.formats import FORMATS
from app.main import create_app
from app.settings import Settings
from pose_core.detectors import WHOLE_IMAGE
from pose_core.dialects import DIALECTS
from pose_core.legacy import LEGACY_RESIZES
from pose_core.skeleton import PARTS
from pose_core.styles import STYLES
from pose_core.types import Image
from pose_core.weights import WEIGHTS
from tests import tiny_onnx
from tests.app.bad_images import CORPUS, Specimen
from tests.app.conftest import Ask
from tests.app.scenery import OTHER_DETECTOR, OTHER_ESTIMATOR, PICKY, Networks, white_png, write_png
from tests.app.test_pose_route import problem
from tests.app.waiting import wait_until

PROBLEM = "application/problem+json"


def refusal(answer: Response, status: int) -> dict[str, Any]:
    """The problem document of an answer, whose shape never varies."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == PROBLEM
    body: dict[str, Any] = answer.json()
    assert list(body)[:6] == ["type", "title", "status", "detail", "instance", "request_id"]
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert body["title"]
    assert body["detail"]
    return body


# Photos


@pytest.mark.parametrize("specimen", CORPUS, ids=lambda specimen: specimen.name)
def test_every_file_is_answered_or_refused(ask: Ask, specimen: Specimen) -> None:
    answer = ask(specimen.build(), format="png", boxes="[[1,1,30,30]]")
    if answer.status_code == 200:
        assert answer.headers["X-Pose-People"] == "1"
        return
    assert answer.status_code in {413, 415, 422}
    assert refusal(answer, answer.status_code)["errors"][0]["field"] == "image"


def test_an_unknown_format_is_told_the_known_ones(ask: Ask) -> None:
    body = refusal(ask(b"GIF89a" + bytes(100)), 415)
    assert body["title"] == "Unsupported image format"
    assert body["errors"][0]["choices"] == ["JPEG", "PNG", "WEBP"]


@pytest.mark.parametrize(
    ("limit", "detail"),
    [
        ({"max_pixels": 160 * 120 - 1}, "160 x 120 pixels; at most 19,199 pixels"),
        ({"max_side_px": 159}, "and 159 per side are allowed"),
        ({"max_bytes": 1024}, "bytes; at most 1,024 are allowed"),
    ],
)
def test_limits_are_the_settings(settings: Settings, png: bytes, limit: dict[str, int], detail: str) -> None:
    with TestClient(create_app(settings.model_copy(update=limit))) as client:
        body = refusal(client.post("/pose", content=png + bytes(1024)), 413)
    assert body["title"] == "Image too large"
    assert detail in body["detail"]


# Bodies


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", ""])
def test_an_empty_body_is_no_photo(client: TestClient, content_type: str) -> None:
    answer = client.post("/pose", headers={"Content-Type": content_type})
    assert refusal(answer, 422)["detail"] == "image: no image: the body is empty"


@pytest.mark.parametrize(
    "content_type", ["text/plain", "video/mp4", "application/xml", "nonsense", "application/json5"]
)
def test_other_bodies_are_told_the_usable_ones(client: TestClient, png: bytes, content_type: str) -> None:
    body = refusal(client.post("/pose", content=png, headers={"Content-Type": content_type}), 415)
    assert body["errors"][0]["choices"] == [
        *("multipart/form-data", "image/*", "application/octet-stream", "application/json"),
    ]


def test_a_lying_content_type(client: TestClient, png: bytes) -> None:
    refusal(client.post("/pose", content=b"%PDF-1.7", headers={"Content-Type": "image/jpeg"}), 415)
    refusal(client.post("/pose", content=png, headers={"Content-Type": "application/json"}), 400)
    refusal(client.post("/pose", content=png, headers={"Content-Type": "multipart/form-data; boundary=x"}), 400)


def form(*parts: bytes, ending: bytes = b"--x--\r\n") -> bytes:
    """A multipart body with the boundary x."""
    return b"".join(b"--x\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + ending


FILE = b'name="image"; filename="a.png"\r\n\r\nnot a photo'


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 422, "got no such field"),
        (form(), 422, "got no such field"),
        (form(b'name="image"\r\n\r\nQUJD'), 422, "got a text field"),
        (form(b'name="photo"; filename="a.png"\r\n\r\nabc'), 422, "photo: is a file"),
        (form(b'name="photo"\r\n\r\nabc'), 422, "got no such field"),
        (form(FILE, FILE), 400, "Too many files"),
        (form(b'name="order"\r\n\r\narea', ending=b""), 422, "got no such field"),
        (form(b'name="order"\r\n\r\narea', ending=b"--y--\r\n"), 422, "got no such field"),
        (form(b'name="image"; filename="a.png"\r\n\r\n'), 422, "the body is empty"),
        (form(b"\r\n\r\nabc"), 400, ""),
        (b"no boundary at all", 400, ""),
    ],
)
def test_malformed_multipart(client: TestClient, body: bytes, status: int, detail: str) -> None:
    answer = client.post("/pose", content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert detail in refusal(answer, status)["detail"]


@pytest.mark.parametrize("boundary", ["", "; boundary=", "; boundary=y", "; boundary=" + "x" * 5000])
def test_multipart_with_the_wrong_boundary(client: TestClient, boundary: str) -> None:
    answer = client.post("/pose", content=form(FILE), headers={"Content-Type": f"multipart/form-data{boundary}"})
    refusal(answer, 400)


def test_multipart_has_limits(client: TestClient, png: bytes) -> None:
    files = {"image": png}
    assert client.post("/pose", files=files, data={"parts": "body" + " " * (MAX_FIELD_BYTES - 4)}).status_code == 200
    refusal(client.post("/pose", files=files, data={"parts": " " * (MAX_FIELD_BYTES + 1)}), 400)
    refusal(client.post("/pose", files=files, data={f"field{i}": "" for i in range(MAX_FIELDS + 1)}), 400)
    two = [("image", ("a", png)), ("image", ("b", png))]
    refusal(client.post("/pose", files=two), 400)


@pytest.mark.parametrize(
    "part",
    [
        b'name="image"; filename="a.png"\r\nX-Long: ' + b"x" * 2**20 + b"\r\n\r\n",
        b'name="image"; filename="' + b"x" * 2**20 + b'"\r\n\r\n',
        b'name="image"; filename="a.png"\r\n' + b"X: y\r\n" * 10_000 + b"\r\n",
    ],
)
def test_a_part_with_endless_headers(client: TestClient, part: bytes) -> None:
    answer = client.post("/pose", content=form(part), headers={"Content-Type": "multipart/form-data; boundary=x"})
    refusal(answer, 400)


@pytest.mark.parametrize(
    "name", ["bücher.png", "写真.jpg", "../../etc/passwd", "C:\\a.png", "a" * 250, "\x01", "a.jpg"]
)
def test_the_name_of_a_file_means_nothing(client: TestClient, png: bytes, name: str) -> None:
    assert client.post("/pose", files={"image": (name, png, "text/html")}).status_code == 200


def test_uploads_need_no_disk(client: TestClient, photo: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.TemporaryFile", lambda *_, **__: pytest.fail("a temporary file was made"))
    large = write_png(photo) + bytes(3 * 2**20)
    assert client.post("/pose", files={"image": large}).status_code == 200


CHARSETS = ["unicode_escape", "utf-7", "idna", "punycode", "utf-16", "undefined", "hex", "no-such-charset"]


@pytest.mark.parametrize("charset", CHARSETS)
def test_multipart_in_a_strange_charset(client: TestClient, charset: str) -> None:
    field = b'name="order"\r\n\r\n' + {"unicode_escape": rb"\ud800", "utf-7": b"+2AA-"}.get(charset, b"\xff\xfe-a")
    kind = f"multipart/form-data; boundary=x; charset={charset}"
    answer = client.post("/pose", content=form(field, FILE), headers={"Content-Type": kind})
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"", 400, "not JSON"),
        (b"{", 400, "not JSON"),
        (b"\xff\xfe", 400, "not JSON"),
        (b'{"image": NaN}', 400, "not JSON"),
        (b'{"image": "AAAA", "width": 1e999}', 400, "not JSON"),
        (b"[" * 100_000, 400, "not JSON"),
        (b"[]", 422, "expected a JSON object, got list"),
        (b"null", 422, "expected a JSON object, got NoneType"),
        (b"{}", 422, "expected base64 text or a data URL, got NoneType"),
        (b'{"image": 7}', 422, "expected base64 text or a data URL, got int"),
        (b'{"image": {"url": "x"}}', 422, "expected base64 text or a data URL, got dict"),
        (b'{"image": ""}', 422, "empty base64 text"),
        (b'{"image": "http://127.0.0.1/a.png"}', 422, "not base64"),
        (b'{"image": "file:///etc/passwd"}', 422, "not base64"),
        (b'{"image": "data:image/png,abc"}', 422, "data URL"),
    ],
)
def test_json_that_holds_no_photo(client: TestClient, body: bytes, status: int, detail: str) -> None:
    answer = client.post("/pose", content=body, headers={"Content-Type": "application/json"})
    assert detail in refusal(answer, status)["detail"]


@pytest.mark.parametrize(
    ("parameter", "field"),
    [
        ({"width": "wide"}, "width"),
        ({"width": 10.5}, "width"),
        ({"width": 10**25}, "width"),
        ({"width": [10]}, "width"),
        ({"order": 7}, "order"),
        ({"order": None}, "order"),
        ({"parts": 7}, "parts"),
        ({"parts": ["legs"]}, "parts[0]"),
        ({"parts": None}, "parts"),
        ({"style": ["controlnet"]}, "style"),
        ({"estimator": {"name": "x"}}, "estimator"),
        ({"boxes": 3}, "boxes"),
        ({"boxes": [[1, 2, 3]]}, "boxes[0]"),
        ({"boxes": [[1, 2, 3, "x"]]}, "boxes[0][3]"),
        ({"boxes": {"left": 1}}, "boxes"),
        ({"include": ["photo"]}, "include[0]"),
        ({"": 1}, ""),
    ],
)
def test_json_of_wrong_types(client: TestClient, parameter: dict[str, Any], field: str) -> None:
    body = refusal(client.post("/pose", json={"image": "AAAA", **parameter}), 422)
    assert body["title"] == "Invalid parameters"
    assert body["errors"][0]["field"].startswith(field)


# Parameters


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("style", list(STYLES)),
        ("dialect", list(DIALECTS)),
        ("format", list(FORMATS)),
        ("legacy_resize", list(LEGACY_RESIZES)),
        ("fit", ["contain", "cover", "stretch"]),
        ("order", ["score", "area", "left_to_right"]),
        ("on_empty", ["blank", "full_frame", "error"]),
        ("parts", list(PARTS)),
        ("include", ["map"]),
        ("estimator", ["figure", "skelmap-t", OTHER_ESTIMATOR]),
        ("detector", ["three people", WHOLE_IMAGE, "skelmap-det", OTHER_DETECTOR]),
    ],
)
def test_an_unknown_name_is_told_the_known_ones(ask: Ask, name: str, choices: list[str]) -> None:
    finding = problem(ask(**{name: "nothing"}))
    assert finding["field"].startswith(name)
    assert "unknown value" in finding["message"]
    assert finding["choices"] == choices
    assert finding.get("value", "nothing") == "nothing"


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("width", ["0", "-1", "16385", "1.5", "nan", "", "9x"]),
        ("height", ["0", "16385", "inf"]),
        ("resolution", ["0", "16385", "1e3"]),
        ("max_people", ["0", "1001", "many"]),
        ("person_threshold", ["-0.1", "101", "nan", "inf", "-inf", "x", ""]),
        ("keypoint_threshold", ["-1", "1e3", "nan", "infinity"]),
        ("parts", ["", ",", " "]),
        ("boxes", ["x", "[[1,2,3]]", "[[1,2,3,4,5]]", "[1,2,3,4]", "{}", "[[0,0,NaN,9]]", "[[0,0,Infinity,9]]"]),
        ("boxes", ["[[9,0,1,9]]", "[[0,9,9,1]]", "[[0,0,0,0]]", "[[0,0,1e7,9]]", "[" * 9000, "9" * 5000]),
        ("boxes", [json.dumps([[0, 0, 9, 9]] * 1001), json.dumps([["x"] * 4] * 1000)]),
    ],
)
def test_values_out_of_range(ask: Ask, name: str, values: list[str]) -> None:
    for value in values:
        finding = problem(ask(**{name: value}))
        assert finding["field"].startswith(name)
        assert finding["message"]
        assert len(str(finding.get("value", ""))) <= 100


def test_a_number_no_machine_holds(ask: Ask) -> None:
    assert problem(ask(boxes=f"[[0, 0, 1, {10**30}]]"))["field"] == "boxes[0][3]"


def test_every_finding_is_listed(ask: Ask) -> None:
    body = refusal(ask(width=0, style="x", colour="red"), 422)
    assert body["errors"] == [
        {"field": "style", "message": "unknown value", "value": "x", "choices": list(STYLES)},
        {"field": "width", "message": "Input should be greater than or equal to 1", "value": "0"},
        {"field": "colour", "message": "unknown parameter", "value": "red"},
    ]
    assert body["detail"].startswith("style: unknown value, got 'x'; valid: controlnet, ")


def test_sizes_that_contradict_each_other(ask: Ask) -> None:
    message = "cannot be combined with width or height"
    assert problem(ask(resolution=5, width=5)) == {"field": "resolution", "message": message}


def test_a_parameter_given_twice(client: TestClient, ask: Ask, png: bytes) -> None:
    message = "given more than once; lists are written with commas"
    assert problem(ask(parts=["body", "face"])) == {"field": "parts", "message": message}
    twice = client.post("/pose", files={"image": png}, data={"parts": ["body", "face"]})
    assert problem(twice) == {"field": "parts", "message": message}
    both = client.post("/pose?order=area", files={"image": png}, data={"order": "area"})
    assert problem(both) == {"field": "order", "message": "given in the query and in the body"}
    both = client.post("/pose?order=area", json={"image": "AAAA", "order": "area"})
    assert problem(both) == {"field": "order", "message": "given in the query and in the body"}


def test_the_photo_is_no_query_parameter(ask: Ask) -> None:
    assert problem(ask(image="AAAA")) == {"field": "image", "message": "unknown parameter", "value": "AAAA"}


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "figure.onnx", "./figure", "", ".", "figure\0"])
@pytest.mark.parametrize("role", ["estimator", "detector"])
def test_a_request_never_names_a_path(ask: Ask, role: str, name: str) -> None:
    finding = problem(ask(**{role: name}))
    assert finding["field"] == role
    assert not any("/" in choice for choice in finding["choices"])


def test_not_even_the_path_of_a_network(ask: Ask, networks: Networks) -> None:
    for file in [*networks.home.glob("*.onnx"), networks.detector]:
        assert problem(ask(estimator=str(file)))["field"] == "estimator"


def test_a_known_name_that_is_not_installed_says_how_to_get_it(ask: Ask) -> None:
    here = ("skelmap-t", OTHER_ESTIMATOR)
    missing = next(name for name, row in WEIGHTS.items() if row.role == "estimator" and name not in here)
    finding = problem(ask(estimator=missing))
    assert f"skelmap models pull {missing}" in finding["message"]
    assert finding["choices"] == ["figure", *here]


def test_thousands_of_parameters_get_a_short_answer(client: TestClient) -> None:
    many = {f"parameter{i}": i for i in range(20_000)}
    answer = client.post("/pose", json={"image": "AAAA", **many})
    assert len(refusal(answer, 422)["detail"]) < 10_000


# Sizes


def test_a_canvas_that_is_too_large(settings: Settings, png: bytes) -> None:
    with TestClient(create_app(settings.model_copy(update={"max_canvas_pixels": 160 * 120}))) as client:
        assert client.post("/pose", content=png).status_code == 200
        for asked, field in (("width=161", "width"), ("resolution=121", "resolution"), ("height=121", "height")):
            finding = problem(client.post(f"/pose?{asked}", content=png))
            assert finding["field"] == field
            assert "at most 19200 are allowed" in finding["message"]


def test_the_largest_canvas_of_a_request(ask: Ask) -> None:
    assert "268435456" not in problem(ask(width=16384, height=16384, person_threshold=1))["message"]


@pytest.mark.parametrize(
    "asked", [{"format": "png"}, {"format": "overlay"}, *({"legacy_resize": name} for name in LEGACY_RESIZES)]
)
def test_a_sliver_scaled_beyond_what_can_be_drawn(ask: Ask, photo: Image, asked: dict[str, Any]) -> None:
    sliver = write_png(photo[:1].repeat(50, axis=1))
    finding = problem(ask(sliver, detector="whole-image", resolution=50, **asked))
    assert finding["field"] == "resolution"
    assert "the map would be 400000x50 pixels; at most 16384 per side are allowed" in finding["message"]


KIBIBYTE = 1024


@pytest.fixture(scope="module")
def small(settings: Settings) -> Iterator[TestClient]:
    """A server that takes photos of a kilobyte."""
    with TestClient(create_app(settings.model_copy(update={"max_bytes": KIBIBYTE}))) as client:
        yield client


def in_chunks(data: bytes) -> Iterator[bytes]:
    """The body without its length being announced."""
    for start in range(0, len(data), KIBIBYTE):
        yield data[start : start + KIBIBYTE]


@pytest.mark.parametrize("announce", [bytes, in_chunks])
@pytest.mark.parametrize("path", ["/pose", "/render", "/convert"])
def test_a_body_over_the_limit_ends_the_connection(
    small: TestClient, path: str, announce: Callable[[bytes], bytes | Iterator[bytes]]
) -> None:
    most = int(1.4 * KIBIBYTE) + 2**20
    assert small.post(path, content=announce(b"x" * most)).status_code in {400, 413, 415}
    answer = small.post(path, content=announce(b"x" * (most + 1)))
    body = refusal(answer, 413)
    assert (body["title"], body["instance"]) == ("Body too large", path)
    assert answer.headers["Connection"] == "close"


def test_multipart_over_the_limit(small: TestClient) -> None:
    answer = small.post("/pose", files={"image": b"x" * 2**21})
    assert refusal(answer, 413)["title"] == "Body too large"


def test_base64_over_the_limit_of_a_photo(small: TestClient) -> None:
    body = refusal(small.post("/pose", json={"image": "A" * 1400}), 413)
    assert body["title"] == "Image too large"
    assert "base64 of 1,050 bytes; at most 1,024" in body["detail"]


# The framework's own errors


def test_unknown_paths_and_methods_are_problems_too(client: TestClient) -> None:
    assert refusal(client.get("/nothing"), 404)["instance"] == "/nothing"
    answer = client.get("/pose")
    assert refusal(answer, 405)["title"] == "Method Not Allowed"
    assert answer.headers["Allow"] == "POST"


def test_a_network_that_fails_is_told_to_the_log_alone(
    settings: Settings, tmp_path: Path, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    picky = tiny_onnx.picky_colour(tmp_path / "picky.onnx", PICKY)
    with TestClient(create_app(settings.model_copy(update={"estimator": str(picky)}))) as client:
        assert client.post("/pose", content=png).status_code == 200
        body = refusal(client.post("/pose", content=white_png()), 500)
        wait_until(lambda: client.get("/readyz").status_code == 200)
    assert body["title"] == "Model failed"
    assert body["detail"] == "the server's log has the reason under this request_id"
    assert body["request_id"] in caplog.text
    assert "picky.onnx failed on CPUExecutionProvider" in caplog.text


def test_errors_of_ours_are_hidden_from_the_caller(
    settings: Settings, png: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings)
    with TestClient(app, raise_server_exceptions=False) as client:
        app.state.models = None
        body = refusal(client.post("/pose", content=png), 500)
    assert body["detail"] == "the server's log has the reason under this request_id"
    assert "errors" not in body
    assert body["request_id"] in caplog.text


# Anything at all

TEXT = st.text(max_size=20)
NUMBERS = st.sampled_from(
    ["0", "1", "2", "64", "500", "16384", "16385", "-1", "0.5", "1e3", "nan", "", "\N{FULLWIDTH DIGIT ONE}", "1_0"]
)
SIDE = st.sampled_from([-1e6, -1.0, 0.0, 1e-300, 1e-9, 0.1, 1.0, 50.5, 120.0, 160.0, 999999.9, 1e6])
BOXES = st.lists(st.lists(SIDE, min_size=4, max_size=4), max_size=3).map(json.dumps)
VALUES: dict[str, st.SearchStrategy[str]] = {
    "keypoint_threshold": NUMBERS,
    "parts": st.lists(st.sampled_from(PARTS)).map(",".join),
    "style": st.sampled_from(list(STYLES)),
    "resolution": NUMBERS,
    "width": NUMBERS,
    "height": NUMBERS,
    "fit": st.sampled_from(["contain", "cover", "stretch"]),
    "dialect": st.sampled_from(list(DIALECTS)),
    "estimator": st.sampled_from(["figure", OTHER_ESTIMATOR]),
    "detector": st.sampled_from(["three people", WHOLE_IMAGE, OTHER_DETECTOR]),
    "boxes": BOXES,
    "max_people": NUMBERS,
    "order": st.sampled_from(["score", "area", "left_to_right"]),
    "person_threshold": NUMBERS,
    "on_empty": st.sampled_from(["blank", "full_frame", "error"]),
    "format": st.sampled_from(list(FORMATS)),
    "include": st.sampled_from(["map", ""]),
    "legacy_resize": st.sampled_from(list(LEGACY_RESIZES)),
}


@st.composite
def queries(draw: st.DrawFn) -> dict[str, str]:
    """Some parameters, mostly with values they can take."""
    names = draw(st.lists(st.sampled_from(list(VALUES)), max_size=5, unique=True))
    asked = {name: draw(VALUES[name]) for name in names}
    if draw(st.integers(0, 9)) == 0:
        asked[draw(st.sampled_from(list(VALUES)) | TEXT)] = draw(TEXT)
    return asked


PHOTOS = st.sampled_from([(160, 120), (1, 1), (1, 300), (300, 1), (33, 64)])


@budget(deadline=None, max_examples=150)
@given(queries(), PHOTOS)
def test_whatever_is_asked_the_answer_is_no_5xx(ask: Ask, query: dict[str, str], size: tuple[int, int]) -> None:

    answer = ask(write_png(np.full((size[1], size[0], 3), 90, np.uint8)), **query)
    assert answer.status_code in {200, 422}
    if answer.status_code == 422:
        assert problem(answer)["field"] is not None
