"""The list of 59 uploads that a server has to survive, by category, and faults of the bodies around them.

Every file is sent to a real server as a form, and must be answered with exactly the status that its entry stands for,
after which the server is as ready as before.
"""

from collections.abc import Iterator

import httpx2
import pytest

from app.main import create_app
from app.settings import Settings
from pose_core.errors import ImageTooLarge, InvalidImage, UnsupportedImage
from pose_core.types import Size
from tests.app.bad_images import CORPUS, Specimen, photo, saved
from tests.live_server import listening

LIST: dict[str, tuple[str, ...]] = {
    "EXIF orientation": tuple(f"orientation-{number}" for number in range(1, 9)),
    "colour and depth": (
        *("colour-cmyk-jpeg", "colour-grey-jpeg", "colour-I;16-png", "colour-alpha-0-png", "colour-LA-png"),
        *("colour-P-png", "colour-palette-alpha-png", "colour-1-png", "colour-progressive-jpeg"),
    ),
    "other containers": ("colour-RGB-webp", "colour-RGBA-webp", "format-BMP", "format-TIFF", "format-avif"),
    "extreme shapes": ("shape-1x1-PNG", "shape-1x8000-PNG", "shape-8000x1-PNG"),
    "animations": ("animated-gif", "animated-webp", "animated-png", "animated-gif-2000-frames"),
    "not an image": (
        *("nothing-empty", "format-byte", "format-text", "format-html", "format-svg", "format-postscript"),
        *("nothing-jpeg-start", "nothing-png-start"),
    ),
    "truncated": (
        *(f"truncated-{kind}-{share}" for kind in ("jpeg", "png") for share in ("10.0%", "50.0%", "90.0%", "99.9%")),
        "truncated-jpeg-end-marker",
    ),
    "damaged": ("damaged-jpeg-middle", "damaged-png-byte"),
    "junk, wrong name": ("junk-behind-jpeg", "colour-RGB-png"),
    "pixel bombs": (
        *("bomb-pixels-16000-png", "bomb-pixels-30000-png", "bomb-pixels-12000-rgb-png", "bomb-side-65500-jpeg"),
    ),
    "lies about size": ("lie-0-png", "lie-2147483647-png", "lie-60000-png"),
    "bombs beside pixels": ("bomb-text-png", "bomb-profile-png"),
}
"""Names of the corpus in the twelve categories; the corpus holds further files."""

SPECIMENS = {specimen.name: specimen for specimen in CORPUS}
STATUSES: dict[type[InvalidImage], int] = {ImageTooLarge: 413, UnsupportedImage: 415, InvalidImage: 422}


@pytest.fixture(scope="module")
def server(settings: Settings) -> Iterator[httpx2.Client]:
    """A client of a server that listens."""
    with listening(create_app(settings)) as running, httpx2.Client(base_url=running.url, timeout=30) as client:
        yield client


def test_the_list_is_whole() -> None:
    assert [len(names) for names in LIST.values()] == [8, 9, 5, 3, 4, 8, 9, 2, 2, 4, 3, 2]
    names = {name for row in LIST.values() for name in row}
    assert len(names) == 59
    assert names <= SPECIMENS.keys()


def expected(specimen: Specimen) -> set[int]:
    """The statuses that are right."""
    if specimen.outcome is None:
        return {200, 422}
    return {200} if isinstance(specimen.outcome, Size) else {STATUSES[specimen.outcome]}


@pytest.mark.parametrize("name", SPECIMENS)
def test_each_file_gets_its_answer_and_the_server_goes_on(server: httpx2.Client, name: str) -> None:
    specimen = SPECIMENS[name]
    form = {"boxes": "[[1,1,30,30]]", "format": "png", "resolution": "48"}
    answer = server.post("/pose", files={"image": ("wrong.gif", specimen.build(), "image/gif")}, data=form)
    if "8000" in name:  # a strip of one pixel has no map of 48
        assert answer.status_code == 422
    else:
        assert answer.status_code in expected(specimen), answer.text
    assert server.get("/readyz").json()["ready"] is True


def test_a_jpeg_by_the_name_of_a_png_is_a_jpeg(server: httpx2.Client) -> None:
    jpeg = saved(photo(), "JPEG")
    assert server.post("/pose", files={"image": ("photo.png", jpeg, "image/png")}).status_code == 200


# Forms and JSON that are no proper ones


def form(head: bytes, body: bytes = b"x") -> bytes:
    """A form of one part."""
    return b"--x\r\n" + head + b"\r\n\r\n" + body + b"\r\n--x--\r\n"


FILE = b'Content-Disposition: form-data; name="image"; filename="a.png"'
FORMS: dict[str, tuple[str, bytes]] = {
    "no boundary": ("", form(FILE)),
    "wrong boundary": ("; boundary=y", form(FILE)),
    "no file name": ("; boundary=x", form(b'Content-Disposition: form-data; name="image"')),
    "two files": ("; boundary=x", form(FILE).removesuffix(b"--\r\n") + b"\r\n" + form(FILE)[5:]),
    "1001 fields": (
        "; boundary=x",
        b"".join(form(b'Content-Disposition: form-data; name="f%d"' % i)[:-7] for i in range(1001)) + b"--x--\r\n",
    ),
    "a header of a megabyte": ("; boundary=x", form(FILE + b"\r\nX: " + b"x" * 2**20)),
    "a name in other letters": ("; boundary=x", form(FILE.replace(b"a.png", "фото.png".encode()))),
    "a name that is a path": ("; boundary=x", form(FILE.replace(b"a.png", b"../../../etc/passwd"))),
}
DOCUMENTS: dict[str, bytes] = {
    "nothing": b"",
    "half an object": b'{"image": "AAAA"',
    "no UTF-8": b'{"image": "\xff\xfe"}',
    "a number no machine holds": b'{"image": "AAAA", "width": 1e999}',
    "nested a hundred thousand times": b"[" * 100_000,
    "a list": b"[]",
    "an image that is a number": b'{"image": 7}',
    "a field twice, and half a surrogate pair": b'{"image": "AAAA", "style": "\\ud800", "style": "\\ud800"}',
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_is_none_is_refused(server: httpx2.Client, name: str) -> None:
    boundary, body = FORMS[name]
    answer = server.post("/pose", content=body, headers={"Content-Type": f"multipart/form-data{boundary}"})
    assert answer.status_code in {400, 415, 422}, answer.text
    assert answer.json()["status"] == answer.status_code
    assert server.get("/readyz").json()["ready"] is True


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("path", ["/pose", "/render", "/convert", "/controlnet/detect", "/sdapi/v1/preprocess"])
def test_json_that_is_none_is_refused(server: httpx2.Client, path: str, name: str) -> None:
    answer = server.post(path, content=DOCUMENTS[name], headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 422}, answer.text
    assert server.get("/readyz").json()["ready"] is True
