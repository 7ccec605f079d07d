"""POST /generate and /jobs over the app: jobs, waiting, results, owners, limits, and every bad input clear."""

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import Response
from pydantic import SecretStr

from app.generation.job import Generation
from app.generation.limits import GenerationLimits
from app.jobs.settings import JobSettings
from app.main import create_app
from app.settings import Settings
from tests.app.scenery import read_png
from tests.app.test_bad_requests import refusal
from tests.app.tiny_generator import PATIENCE_S, TinyGenerator, picture

POSE = {"people": [], "canvas_width": 64, "canvas_height": 48}


@pytest.fixture
def client(generating_app: FastAPI) -> Iterator[TestClient]:
    """The running server."""
    with TestClient(generating_app) as running:
        yield running


def ask(client: TestClient, prompt: str = "a dancer", *, key: str = "", **given: Any) -> Response:
    """POST /generate with a pose document."""
    headers = {"X-Test-Key": key} if key else {}
    return client.post("/generate", json={"pose": POSE, "prompt": prompt, **given}, headers=headers)


def finished(client: TestClient, job_id: str, *, key: str = "") -> dict[str, Any]:
    """The job once it has finished."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}", headers={"X-Test-Key": key} if key else {}).json()
        if job["state"] not in {"queued", "running"}:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.01)


# The way to a picture


def test_a_job_and_its_pictures(client: TestClient) -> None:
    answer = ask(client, seed=40, images=2)
    assert answer.status_code == 202
    accepted = answer.json()
    assert answer.headers["Location"] == f"/jobs/{accepted['id']}"
    assert (accepted["kind"], accepted["results"]) == ("generate", [])
    assert accepted["asked"] == {"request": {"prompt": "a dancer", "seed": 40, "images": 2}, "source": "pose"}

    job = finished(client, accepted["id"])
    assert (job["state"], job["progress"], job["warnings"]) == ("done", {"done": 4, "total": 4}, ["tiny"])
    assert (job["result"]["seed"], job["result"]["parameters"]["steps"]) == (40, 4)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"] < job["expires_at"]
    assert [job[field] for field in ("position", "preview", "reason", "fault", "cancelling")] == [None] * 4 + [False]
    assert [result["name"] for result in job["results"]] == ["image-1.png", "image-2.png", "map.png", "pose.json"]
    for result in job["results"]:
        file = client.get(result["url"])
        assert (file.status_code, file.headers["Content-Type"]) == (200, result["media_type"])
        assert len(file.content) == result["bytes"]
        assert "no-store" in file.headers["Cache-Control"]
    assert client.get(job["results"][1]["url"]).content == picture(41, 4)
    assert client.get(job["results"][3]["url"]).json() == [{"people": []}]


def test_waiting_for_the_job(client: TestClient) -> None:
    answer = ask(client, wait=True)
    assert answer.status_code == 200
    assert answer.json()["state"] == "done"
    assert answer.headers["Location"] == f"/jobs/{answer.json()['id']}"


@pytest.mark.parametrize("accept", ["image/png", "image/png, */*;q=0.1"])
def test_waiting_for_the_picture(client: TestClient, png: bytes, accept: str) -> None:
    files = {"photo": png}
    form = {"prompt": "a dancer", "wait": "true", "seed": "5", "steps": "3"}
    answer = client.post("/generate", files=files, data=form, headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert read_png(answer.content)[0, 0].tolist() == [5, 3, 0]
    assert client.get(answer.headers["Location"]).json()["state"] == "done"


def test_waiting_ends_with_the_time_for_it(settings: Settings, tiny: TinyGenerator, tmp_path: Path) -> None:
    jobs = JobSettings(url=SecretStr(f"sqlite:///{tmp_path}/jobs.db"), max_wait_s=1, poll_s=0.01, grace_s=0)
    with TestClient(create_app(settings, Generation(tiny, GenerationLimits(), jobs))) as client:
        answer = ask(client, "hold", wait=True)
        assert (answer.status_code, answer.json()["state"]) == (202, "running")
        tiny.release.set()
        assert finished(client, answer.json()["id"])["state"] == "done"


@pytest.mark.parametrize(
    ("files", "form"),
    [
        ({"photo": "PNG"}, {}),
        ({"map": "PNG"}, {}),
        ({"pose": json.dumps(POSE).encode()}, {}),
        ({"photo": "PNG", "init_image": "PNG"}, {"strength": "0.5"}),
        ({"init_image": "PNG"}, {"pose": json.dumps(POSE)}),
    ],
)
def test_sources_in_a_form(client: TestClient, png: bytes, files: dict[str, Any], form: dict[str, str]) -> None:
    sent = {name: png if data == "PNG" else data for name, data in files.items()}
    answer = client.post("/generate", files=sent, data={"prompt": "x", **form})
    assert answer.status_code == 202, answer.text
    assert finished(client, answer.json()["id"])["state"] == "done"


@pytest.mark.parametrize("head", ["", "data:image/png;base64,"])
def test_sources_in_json(client: TestClient, png: bytes, head: str) -> None:
    text = head + base64.b64encode(png).decode()
    pose = base64.b64encode(json.dumps(POSE).encode()).decode()
    for source in (
        {"photo": text},
        {"map": text, "init_image": text},
        {"pose": POSE},
        {"pose": [POSE]},
        {"pose": pose},
    ):
        answer = client.post("/generate", json={"prompt": "x", **source}, params={"steps": 2})
        assert answer.status_code == 202, answer.text
        assert finished(client, answer.json()["id"])["progress"]["total"] == 2


# The queue


def test_jobs_wait_for_their_turn(client: TestClient, tiny: TinyGenerator) -> None:
    jobs = [ask(client, "hold").json()]
    assert tiny.entered.wait(PATIENCE_S)
    jobs += [ask(client, prompt).json() for prompt in ("second", "third")]
    seen = [client.get(f"/jobs/{job['id']}").json() for job in jobs]
    assert [(job["state"], job["position"]) for job in seen] == [("running", None), ("queued", 1), ("queued", 2)]
    tiny.release.set()
    assert [finished(client, job["id"])["state"] for job in jobs] == ["done"] * 3
    assert tiny.made == ["hold", "second", "third"]


def test_a_full_queue_refuses_until_there_is_room(client: TestClient, tiny: TinyGenerator) -> None:
    held = ask(client, "hold").json()
    assert tiny.entered.wait(PATIENCE_S)
    waiting = [ask(client).json() for _ in range(2)]
    for _ in range(3):
        answer = ask(client)
        assert refusal(answer, 429)["title"] == "Queue full"
        assert answer.headers["Retry-After"] == "10"
    assert client.delete(f"/jobs/{waiting[0]['id']}").json()["state"] == "cancelled"
    assert ask(client).status_code == 202
    assert client.get(f"/jobs/{held['id']}").json()["state"] == "running"


def test_a_pose_request_never_waits_for_a_picture(client: TestClient, tiny: TinyGenerator, png: bytes) -> None:
    held = ask(client, "hold").json()
    assert tiny.entered.wait(PATIENCE_S)
    for _ in range(3):
        assert len(client.post("/pose", content=png).json()["people"]) == 3
    assert client.get(f"/jobs/{held['id']}").json()["state"] == "running"


def test_cancelling_what_waits_and_what_runs(client: TestClient, tiny: TinyGenerator) -> None:
    held, waiting, last = (ask(client, prompt).json()["id"] for prompt in ("hold", "never", "last"))
    assert tiny.entered.wait(PATIENCE_S)
    asked = client.delete(f"/jobs/{held}")
    assert (asked.status_code, asked.json()["state"], asked.json()["cancelling"]) == (200, "running", True)
    assert client.delete(f"/jobs/{waiting}").json()["state"] == "cancelled"
    tiny.release.set()
    assert finished(client, held)["state"] == "cancelled"
    assert finished(client, last)["state"] == "done"
    assert tiny.made == ["hold", "last"]
    for job_id, state in ((held, "cancelled"), (last, "done")):
        assert client.delete(f"/jobs/{job_id}").json()["state"] == state  # what has finished stays


def test_somebody_cancels_what_another_waits_for(client: TestClient, tiny: TinyGenerator) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, client, "hold", key="me", wait=True)
        assert tiny.entered.wait(PATIENCE_S)
        (job,) = client.get("/jobs", headers={"X-Test-Key": "me"}).json()["jobs"]
        client.delete(f"/jobs/{job['id']}", headers={"X-Test-Key": "me"})
        tiny.release.set()
        answer = waiting.result(PATIENCE_S)
    assert refusal(answer, 409)["detail"] == "the job was cancelled"
    assert answer.headers["Location"] == f"/jobs/{job['id']}"


# Whose jobs


def test_jobs_of_two_keys_do_not_mix(client: TestClient) -> None:
    mine = ask(client, "mine", key="me").json()["id"]
    yours = ask(client, "yours", key="you").json()["id"]
    nobodys = ask(client, "nobody's").json()["id"]
    for job_id, key in ((mine, "me"), (yours, "you"), (nobodys, "")):
        finished(client, job_id, key=key)
    for job_id, key in ((mine, "you"), (mine, ""), (yours, "me"), (nobodys, "me")):
        headers = {"X-Test-Key": key} if key else {}
        for path in ("", "/results/image-1.png", "/preview", "/events"):
            body = refusal(client.get(f"/jobs/{job_id}{path}", headers=headers), 404)
            assert "no such job" in body["detail"]
        refusal(client.delete(f"/jobs/{job_id}", headers=headers), 404)
    listed = client.get("/jobs", headers={"X-Test-Key": "me"}).json()["jobs"]
    assert [job["id"] for job in listed] == [mine]


def test_jobs_are_listed_newest_first_and_only_by_key(client: TestClient) -> None:
    ids = []
    for _ in range(3):
        ids.append(ask(client, key="me").json()["id"])
        finished(client, ids[-1], key="me")
    listed = client.get("/jobs", params={"limit": 2}, headers={"X-Test-Key": "me"}).json()["jobs"]
    assert [job["id"] for job in listed] == [ids[2], ids[1]]
    refusal(client.get("/jobs"), 403)
    assert client.get("/jobs", headers={"X-Test-Key": "new"}).json() == {"jobs": []}


# What can go wrong


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "prompt"),
        ({"prompt": "x", "steps": 0}, "steps"),
        ({"prompt": "x", "steps": 51}, "steps"),
        ({"prompt": "x", "images": 4}, "images"),
        ({"prompt": "x", "model": "other"}, "model"),
        ({"prompt": "x", "width": 65}, "width"),
        ({"prompt": "x", "colour": "red"}, "colour"),
        ({"prompt": "x", "wait": "perhaps"}, "wait"),
        ({"prompt": "x", "photo": 7}, "photo"),
        ({"prompt": "x", "photo": "%%%"}, "photo"),
        ({"prompt": "x", "map": "AAAA"}, "source"),
        ({"prompt": "x", "init_image": "AAAA"}, "init_image"),
        ({"prompt": "x", "pose": {"what": 1}}, "pose"),
        ({"prompt": "x", "pose": "e30="}, "pose"),
        ({"prompt": "x", "pose": "AAAA"}, "pose"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_queued(
    client: TestClient, tiny: TinyGenerator, given: dict[str, Any], field: str
) -> None:
    pose = {} if {"photo", "pose"} & given.keys() else {"pose": POSE}
    answer = client.post("/generate", json={**pose, **given})
    assert answer.status_code in {415, 422}, answer.text
    assert refusal(answer, answer.status_code)["errors"][0]["field"] == field
    assert tiny.made == []


@pytest.mark.parametrize("sources", [{}, {"photo": "AAAA", "map": "AAAA"}])
def test_exactly_one_source(client: TestClient, sources: dict[str, str]) -> None:
    body = refusal(client.post("/generate", json={"prompt": "x", **sources}), 422)
    assert body["errors"][0] == {
        "field": "source",
        "message": "exactly one is needed",
        "value": " and ".join(sources) or "none",
        "choices": ["photo", "pose", "map"],
    }


def test_bodies_of_another_kind(client: TestClient, png: bytes) -> None:
    refusal(client.post("/generate", content=png, headers={"Content-Type": "image/png"}), 415)
    refusal(client.post("/generate", json=[1]), 422)
    refusal(client.post("/generate", content=b"{", headers={"Content-Type": "application/json"}), 400)
    broken = client.post("/generate", content=b"x", headers={"Content-Type": "multipart/form-data; boundary=y"})
    refusal(broken, 400)
    misplaced = client.post("/generate", files={"picture": png}, data={"prompt": "x"})
    assert refusal(misplaced, 422)["errors"][0]["choices"] == ["photo", "pose", "map", "init_image"]
    refusal(client.post("/generate", files={"photo": b""}, data={"prompt": "x"}), 422)
    refusal(client.post("/generate", files={"photo": b"text"}, data={"prompt": "x"}), 415)
    refusal(client.post("/generate", data={"prompt": "x", "pose": "{"}, files={"init_image": png}), 422)


def test_a_job_fails_with_its_reason(client: TestClient) -> None:
    job = finished(client, ask(client, "nobody").json()["id"])
    assert (job["state"], job["reason"], job["fault"]) == ("failed", "photo: nobody in it", "input")
    body = refusal(ask(client, "nobody", wait=True), 422)
    assert body["detail"] == "photo: nobody in it"


def test_what_nobody_expected_stays_in_the_log(client: TestClient) -> None:
    job = finished(client, ask(client, "crash").json()["id"])
    assert job["state"] == "failed"
    assert "secret" not in json.dumps(job)
    answer = ask(client, "crash", wait=True)
    assert "secret" not in refusal(answer, 500)["detail"]
    assert client.get(answer.headers["Location"]).json()["fault"] == "server"
    assert ask(client, wait=True).status_code == 200  # the worker lives


@pytest.mark.parametrize("path", ["", "/results/image-1.png", "/preview", "/events"])
def test_a_job_that_is_none(client: TestClient, path: str) -> None:
    body = refusal(client.get(f"/jobs/nothing{path}"), 404)
    assert (body["title"], body["detail"]) == (
        "No such job",
        "no such job; a finished one is kept for 3600 s, if there is room",
    )
    refusal(client.delete("/jobs/nothing"), 404)


def test_results_that_are_none(client: TestClient, tiny: TinyGenerator) -> None:
    held = ask(client, "hold").json()["id"]
    assert "none, it is" in refusal(client.get(f"/jobs/{held}/results/image-1.png"), 404)["detail"]
    tiny.release.set()
    finished(client, held)
    assert "image-1.png, map.png" in refusal(client.get(f"/jobs/{held}/results/image-9.png"), 404)["detail"]
    assert refusal(client.get(f"/jobs/{held}/preview"), 404)["detail"] == "the job has no preview; it is done"


def test_the_oldest_results_make_room(settings: Settings, tiny: TinyGenerator, tmp_path: Path) -> None:
    jobs = JobSettings(url=SecretStr(f"sqlite:///{tmp_path}/jobs.db"), max_kept=2, lease_s=0.1, poll_s=0.01)
    with TestClient(create_app(settings, Generation(tiny, GenerationLimits(), jobs))) as client:
        ids = [ask(client, wait=True).json()["id"] for _ in range(3)]
        deadline = time.monotonic() + PATIENCE_S
        while client.get(f"/jobs/{ids[0]}").status_code == 200:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert [client.get(f"/jobs/{job_id}").status_code for job_id in ids] == [404, 200, 200]


def test_jobs_survive_a_restart(settings: Settings, tmp_path: Path) -> None:
    jobs = JobSettings(url=SecretStr(f"sqlite:///{tmp_path}/jobs.db"), poll_s=0.01, grace_s=0)
    first = TinyGenerator()
    with TestClient(create_app(settings, Generation(first, GenerationLimits(), jobs))) as client:
        done = ask(client, wait=True).json()
        held, waiting = ask(client, "hold").json()["id"], ask(client, "second").json()["id"]
        assert first.entered.wait(PATIENCE_S)
    assert first.closed
    first.release.set()
    second = TinyGenerator()
    second.release.set()
    with TestClient(create_app(settings, Generation(second, GenerationLimits(), jobs))) as client:
        assert client.get(f"/jobs/{done['id']}").json() == done
        assert client.get(done["results"][0]["url"]).content == picture(7, 4)
        assert finished(client, waiting)["state"] == "done"
        assert finished(client, held)["state"] == "done"
    assert sorted(second.made) == ["hold", "second"]
