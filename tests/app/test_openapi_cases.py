"""Generated requests, right and wrong ones, from the server's own OpenAPI description: none is answered with a 5xx."""

from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx2
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st
from pydantic import SecretStr
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from app.generation.job import Generation
from app.generation.limits import GenerationLimits
from app.jobs.settings import JobSettings
from app.main import create_app
from app.settings import Settings
from tests.app.tiny_generator import TinyGenerator
from tests.live_server import listening

SCHEMA = schemathesis.openapi.from_dict(create_app(Settings()).openapi())
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}
ANSWERS = {200, 202, 304, 400, 403, 404, 405, 413, 415, 422}


@pytest.fixture(scope="module")
def url(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that draws only small maps and makes only tiny pictures."""
    small = {"max_canvas_pixels": 250_000, "max_pixels": 250_000}
    jobs = JobSettings(url=SecretStr(f"sqlite:///{tmp_path_factory.mktemp('jobs')}/jobs.db"), max_waiting=10_000)
    generation = Generation(TinyGenerator(), GenerationLimits(max_steps=50, max_images=3), jobs)
    with listening(create_app(settings.model_copy(update=small), generation)) as server:
        server.wait_until_ready()
        yield server.url


DOCUMENT = {"people": [{"pose_keypoints_2d": [8, 6, 1] * 18}], "canvas_width": 64, "canvas_height": 48}
HARDLY_EVER_RIGHT = ("estimator", "detector", "source_dialect", "resolution", "legacy_resize")
"""Parameters that a generated text never names, or that go with few others."""


def set_right(case: Any, png: bytes) -> None:
    """Give a generated request a body that can be answered, and keep the rest of it."""
    text = b64encode(png).decode()
    if (case.media_type or "").startswith("image/"):
        case.body = png
    elif case.path in {"/render", "/convert"}:
        case.body = DOCUMENT
    elif case.path == "/controlnet/render_openpose_json":
        case.body = [DOCUMENT]
    elif case.path == "/generate":
        case.body = {
            "pose": orjson.dumps(DOCUMENT) if case.media_type == "multipart/form-data" else DOCUMENT,
            "prompt": "x",
        }
    elif isinstance(case.body, dict):
        name = "controlnet_input_images" if case.path == "/controlnet/detect" else "image"
        case.body[name] = {"multipart/form-data": png}.get(case.media_type or "", [text] if "images" in name else text)
        if case.path == "/sdapi/v1/preprocess":
            case.body.update(model="DWPose", params={})
    for parameters in (case.query, case.body):
        for name in HARDLY_EVER_RIGHT if isinstance(parameters, dict) else ():
            parameters.pop(name, None)


def ask_many(url: str, operation: Any, png: bytes, examples: int) -> Counter[int]:
    """How often which status came; half of the bodies can be answered."""
    statuses = Counter[int]()
    modes = st.sampled_from((GenerationMode.POSITIVE, GenerationMode.NEGATIVE))

    @budget(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(modes.flatmap(operation.as_strategy), st.booleans())
    def ask(case: Any, is_right: bool) -> None:  # noqa: FBT001 - drawn
        if is_right:
            set_right(case, png)
        answer = case.call(base_url=url)
        statuses[answer.status_code] += 1
        assert answer.status_code in ANSWERS, case.as_curl_command()

    ask()
    return statuses


@pytest.mark.parametrize("label", OPERATIONS)
def test_no_generated_request_breaks_the_server(url: str, label: str, png: bytes) -> None:
    assert ask_many(url, OPERATIONS[label], png, examples=12)
    assert httpx2.get(f"{url}/readyz").json()["ready"] is True


@pytest.mark.long
def test_nor_do_thousands(url: str, png: bytes) -> None:
    posts = {label: operation for label, operation in OPERATIONS.items() if label.startswith("POST")}
    statuses = sum((ask_many(url, operation, png, 2400 // len(posts)) for operation in posts.values()), Counter[int]())
    assert statuses.total() >= 2000, statuses
    assert statuses[200] > 100, statuses
    assert httpx2.get(f"{url}/readyz").json()["ready"] is True
