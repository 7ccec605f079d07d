"""A picture over HTTP, from a real pipeline of tiny size: environment, route, queue, diffusers, store, result."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from app.main import create_app
from app.settings import Settings
from tests.app.scenery import read_png
from tests.app.test_job_events import read_events
from tests.live_server import listening

GIVEN = {"prompt": "a dancer", "seed": "7", "steps": "3", "width": "64", "height": "64", "model": "sd15"}


@pytest.fixture
def server(
    settings: Settings, tiny_models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[httpx2.Client]:
    """A live server whose environment names the tiny pipelines."""
    monkeypatch.setenv("SKELMAP_GENERATION_MODELS", str(tiny_models / "models.toml"))
    monkeypatch.setenv("SKELMAP_GENERATION_DEVICE", "cpu")
    monkeypatch.setenv("SKELMAP_JOBS_URL", f"sqlite:///{tmp_path}/jobs.db")
    monkeypatch.setenv("SKELMAP_JOBS_PREVIEW_S", "0")
    monkeypatch.setenv("SKELMAP_JOBS_POLL_S", "0.02")
    with listening(create_app(settings)) as running, httpx2.Client(base_url=running.url, timeout=60) as client:
        yield client


def test_from_a_photo_to_a_picture(server: httpx2.Client, png: bytes) -> None:
    answer = server.post("/generate", files={"photo": png}, data=GIVEN)
    assert answer.status_code == 202, answer.text
    with server.stream("GET", answer.json()["events"]) as stream:
        *steps, end = read_events(stream.iter_lines())
    job = end["data"]
    assert (job["state"], job["reason"], job["result"]["seed"]) == ("done", None, 7)
    assert job["progress"] == {"done": 3, "total": 3}
    assert any("preview_image" in event["data"] for event in steps)
    made = {result["name"]: server.get(result["url"]).content for result in job["results"]}
    assert set(made) == {"image-1.png", "map.png", "pose.json"}
    assert read_png(made["image-1.png"]).shape == read_png(made["map.png"]).shape == (64, 64, 3)

    waited = server.post(
        "/generate", files={"photo": png}, data={**GIVEN, "wait": "1"}, headers={"Accept": "image/png"}
    )
    assert waited.content == made["image-1.png"]  # same seed, same bytes
    from_map = server.post(
        "/generate",
        files={"map": made["map.png"]},
        data={**GIVEN, "wait": "1"},
        headers={"Accept": "image/png"},
    )
    assert (read_png(from_map.content) == read_png(made["image-1.png"])).all()


def test_cancelling_stops_the_pipeline_between_two_steps(server: httpx2.Client, png: bytes) -> None:
    job = server.post("/generate", files={"photo": png}, data={**GIVEN, "steps": "100"}).json()
    with server.stream("GET", job["events"]) as stream:
        events = read_events(stream.iter_lines())
        next(event for event in events if event["data"]["progress"]["done"] > 0)
        assert server.delete(f"/jobs/{job['id']}").json()["cancelling"] is True
        end = list(events)[-1]["data"]
    assert (end["state"], end["results"]) == ("cancelled", [])
    assert 0 < end["progress"]["done"] < 100
    assert server.post("/generate", files={"photo": png}, data={**GIVEN, "wait": "1"}).status_code == 200


def test_what_the_generator_refuses(server: httpx2.Client, png: bytes) -> None:
    answer = server.post("/generate", files={"photo": png}, data={**GIVEN, "model": "sd9"})
    assert answer.status_code == 422
    assert "sd15" in answer.json()["errors"][0]["choices"]
