"""What has not changed is not computed twice: ETags, 304, and a bounded memory of answers."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from app.cache import ResultCache, StoredAnswer, names
from app.main import create_app
from app.settings import Settings
from pose_core.weights import WEIGHTS
from tests.app.conftest import Ask
from tests.app.scenery import OTHER_DETECTOR, OTHER_ESTIMATOR, Networks


def photos_computed(client: TestClient, **headers: str) -> float:
    """In how many photos the server looked for people."""
    families = text_string_to_metric_families(client.get("/metrics", headers=headers).text)
    return next(s.value for family in families for s in family.samples if s.name == "pose_persons_count")


def tag(answer: Any) -> str:
    """The ETag of an answer that is one."""
    assert answer.status_code == 200, answer.text
    return str(answer.headers["ETag"])


# Names of answers


def test_the_same_question_has_the_same_tag(ask: Ask) -> None:
    assert tag(ask()) == tag(ask())
    assert tag(ask(style="controlnet")) == tag(ask())
    assert tag(ask()).startswith('W/"')


@pytest.mark.parametrize(
    "asked",
    [
        {"format": "png"},
        {"accept": "image/png"},
        {"style": "xinsir"},
        {"resolution": 64},
        {"max_people": 1},
        {"boxes": "[[1,1,30,30]]"},
        {"estimator": OTHER_ESTIMATOR},
        {"detector": OTHER_DETECTOR},
        {"detector": "whole-image"},
    ],
)
def test_another_question_has_another_tag(ask: Ask, asked: dict[str, Any]) -> None:
    assert tag(ask(**asked)) != tag(ask())


def test_another_photo_has_another_tag(ask: Ask, png: bytes) -> None:
    assert tag(ask(png + b"\0")) != tag(ask())


def test_however_it_is_sent_it_is_the_same_photo(client: TestClient, ask: Ask, png: bytes) -> None:
    form = client.post("/pose", files={"image": png}, data={"style": "xinsir"})
    assert tag(form) == tag(ask(style="xinsir"))


def test_other_networks_or_limits_have_another_tag(
    settings: Settings, networks: Networks, png: bytes, tmp_path: Path
) -> None:
    another = shutil.copy(networks.home / WEIGHTS[OTHER_ESTIMATOR].file_name, tmp_path / networks.estimator.name)
    others: list[dict[str, object]] = [
        {},
        {"max_people": 2},
        {"detector_channels": "rgb"},
        {"detector": "whole-image"},
        {"estimator": str(another)},  # under the same name
    ]
    tags = set()
    for update in others:
        with TestClient(create_app(settings.model_copy(update=update))) as client:
            tags.add(tag(client.post("/pose", content=png)))
    assert len(tags) == len(others)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('W/"a"', True),
        ('"a"', True),
        ('"x", W/"a" ,"y"', True),
        ("", False),
        ("*", False),
        ('"ab"', False),
        ("a", False),
        ('w/"a"', False),
    ],
)
def test_a_list_of_tags_is_compared_weakly(header: str, expected: bool) -> None:  # noqa: FBT001 - a column
    assert names(header, 'W/"a"') is expected


# 304


def test_an_answer_that_still_holds_is_not_computed_again(settings: Settings, png: bytes) -> None:
    with TestClient(create_app(settings)) as client:
        first = client.post("/pose?format=png", content=png)
        again = client.post("/pose?format=png", content=png, headers={"If-None-Match": tag(first)})
        assert photos_computed(client) == 1
        changed = client.post("/pose?format=png&style=xinsir", content=png, headers={"If-None-Match": tag(first)})
        assert photos_computed(client) == 2
    assert (again.status_code, again.content) == (304, b"")
    assert {again.headers[name] for name in ("ETag", "Cache-Control", "Vary")} == {
        *(tag(first), "private, no-cache", "Accept")
    }
    assert changed.status_code == 200


def test_a_question_that_cannot_be_answered_is_an_error_whatever_tag_it_carries(client: TestClient, png: bytes) -> None:
    answer = client.post("/pose?width=0", content=png, headers={"If-None-Match": "*"})
    assert answer.status_code == 422
    assert "ETag" not in answer.headers
    assert answer.headers["Cache-Control"] == "no-store"


# Memory of answers


@contextmanager
def remembering(settings: Settings, **update: object) -> Iterator[TestClient]:
    """A server that keeps a megabyte of answers."""
    with TestClient(create_app(settings.model_copy(update={"result_cache_bytes": 2**20, **update}))) as client:
        yield client


def test_off_by_default(settings: Settings, png: bytes) -> None:
    with TestClient(create_app(settings)) as client:
        for _ in range(2):
            client.post("/pose", content=png)
        assert photos_computed(client) == 2


def test_switched_on_the_second_answer_is_the_first_one(settings: Settings, png: bytes) -> None:
    with remembering(settings) as client:
        first, second = (client.post("/pose?format=png", content=png) for _ in range(2))
        assert photos_computed(client) == 1
    assert second.content == first.content
    assert second.headers["X-Pose-People"] == first.headers["X-Pose-People"] == "3"
    assert second.headers["Content-Type"] == "image/png"
    assert second.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert "pose;dur=" in first.headers["Server-Timing"]
    assert "pose;dur=" not in second.headers["Server-Timing"]


def test_errors_are_not_remembered(settings: Settings) -> None:
    with remembering(settings) as client:
        ids = {client.post("/pose", content=b"no photo").json()["request_id"] for _ in range(2)}
    assert len(ids) == 2


def test_nobody_is_given_what_another_key_asked_for(settings: Settings, png: bytes) -> None:
    with remembering(settings, api_keys=SecretStr("alice:a,bob:b")) as client:
        for key, computed in (("a", 1), ("b", 2), ("a", 2), ("b", 2)):
            client.post("/pose", content=png, headers={"X-API-Key": key})
            assert photos_computed(client, **{"X-API-Key": key}) == computed


def stored(size: int) -> StoredAnswer:
    """An answer of so many bytes."""
    return StoredAnswer(bytes(size), {})


def kept(cache: ResultCache) -> list[str]:
    """Which of the answers a to d are there, without using them."""
    return [tag for owner, tag in cache._answers if not owner]


def test_what_was_not_used_for_longest_goes_first() -> None:
    cache = ResultCache(10)
    for name in "abc":
        cache.store("", name, stored(3))
    assert cache.find("", "a") == stored(3)
    cache.store("", "d", stored(3))
    assert kept(cache) == ["c", "a", "d"]
    cache.store("", "e", stored(10))
    assert kept(cache) == ["e"]


def test_what_does_not_fit_is_not_kept() -> None:
    cache = ResultCache(10)
    cache.store("", "a", stored(10))
    cache.store("", "b", stored(11))
    assert kept(cache) == ["a"]
    cache.store("", "a", stored(4))
    cache.store("", "b", stored(6))
    assert kept(cache) == ["a", "b"]
    assert ResultCache(0).find("", "a") is None


def test_many_threads_do_not_lose_count() -> None:
    cache = ResultCache(1000)

    def work(number: int) -> None:
        cache.store("", str(number % 50), stored(number % 90))
        cache.find("", str(number % 7))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(5000)))
    assert cache._bytes == sum(len(answer.body) for answer in cache._answers.values()) <= 1000
