"""Following jobs over real connections: events, previews, coming back, leaving."""

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import fastapi.routing
import httpx2
import pytest
from fastapi import FastAPI

from tests.app.tiny_generator import PATIENCE_S, TinyGenerator, picture
from tests.live_server import listening

POSE = {"people": [], "canvas_width": 64, "canvas_height": 48}

Event = dict[str, Any]


@pytest.fixture
def server(generating_app: FastAPI) -> Iterator[httpx2.Client]:
    """A client of a live server that makes tiny pictures."""
    with listening(generating_app) as running, httpx2.Client(base_url=running.url, timeout=PATIENCE_S) as client:
        yield client


def ask(server: httpx2.Client, prompt: str, **given: Any) -> str:
    """The id of a new job."""
    return str(server.post("/generate", json={"pose": POSE, "prompt": prompt, **given}).json()["id"])


def read_events(lines: Iterator[str]) -> Iterator[Event]:
    """Events as a browser reads them: fields up to an empty line; comments as events of their own."""
    event: Event = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if line:
            event["comment" if line.startswith(":") else name] = value
        elif event:
            yield {**event, **({"data": json.loads(event["data"])} if "data" in event else {})}
            event = {}


def follow(server: httpx2.Client, job_id: str, **headers: str) -> list[Event]:
    """All events of a job to their end."""
    with server.stream("GET", f"/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert answer.headers["Cache-Control"] == "no-cache"
        return list(read_events(answer.iter_lines()))


def test_from_the_queue_to_the_end(server: httpx2.Client, tiny: TinyGenerator) -> None:
    held = ask(server, "hold")
    assert tiny.entered.wait(PATIENCE_S)
    job_id = ask(server, "second", steps=40)
    with server.stream("GET", f"/jobs/{job_id}/events") as answer:
        events = read_events(answer.iter_lines())
        first = next(events)
        assert (first["event"], first["data"]["state"], first["data"]["position"]) == ("progress", "queued", 1)
        tiny.release.set()
        rest = list(events)
    *steps, end = rest
    assert {event["event"] for event in steps} <= {"progress"}
    assert (end["event"], end["data"]["state"]) == ("end", "done")
    assert end["data"] == server.get(f"/jobs/{job_id}").json()
    done = [event["data"]["progress"]["done"] for event in rest]
    assert done == sorted(done)
    ids = [int(event["id"]) for event in (first, *rest)]
    assert ids == sorted(set(ids))
    assert server.get(f"/jobs/{held}").json()["state"] == "done"


def test_previews_come_with_the_steps(server: httpx2.Client, tiny: TinyGenerator) -> None:
    job_id = ask(server, "hold preview", steps=3)
    assert tiny.entered.wait(PATIENCE_S)
    with server.stream("GET", f"/jobs/{job_id}/events") as answer:
        events = read_events(answer.iter_lines())
        assert "preview_image" not in next(events)["data"]
        assert server.get(f"/jobs/{job_id}/preview").status_code == 404
        tiny.pause_after = 2
        tiny.release.set()
        seen = next(event for event in events if event["data"]["progress"]["done"] == 2)
        shown = server.get(seen["data"]["preview"])
        assert (shown.headers["Content-Type"], shown.content) == ("image/png", picture(0, 2))
        assert seen["data"]["preview_image"].startswith("data:image/png;base64,")
        tiny.resume.set()
        end = list(events)[-1]
    assert (end["event"], end["data"]["preview"]) == ("end", None)


def test_coming_back_with_the_last_event(server: httpx2.Client, tiny: TinyGenerator) -> None:
    job_id = ask(server, "hold")
    assert tiny.entered.wait(PATIENCE_S)
    with server.stream("GET", f"/jobs/{job_id}/events") as answer:
        last = next(event for event in read_events(answer.iter_lines()) if event["data"]["state"] == "running")
    with server.stream("GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": last["id"]}) as answer:
        tiny.release.set()
        news = list(read_events(answer.iter_lines()))
    assert all(int(event["id"]) > int(last["id"]) for event in news)
    assert news[-1]["event"] == "end"
    (again,) = follow(server, job_id, **{"Last-Event-ID": news[-1]["id"]})  # an end is told to whoever asks
    assert again == news[-1]
    refused = server.get(f"/jobs/{job_id}/events", headers={"Last-Event-ID": "x"})
    assert refused.status_code == 422


def test_a_job_that_has_finished_is_one_event(server: httpx2.Client) -> None:
    job_id = ask(server, "a dancer", wait=True)
    (end,) = follow(server, job_id)
    assert (end["event"], end["data"]["state"]) == ("end", "done")


def test_a_cancelled_job_ends_its_events(server: httpx2.Client, tiny: TinyGenerator) -> None:
    job_id = ask(server, "hold")
    assert tiny.entered.wait(PATIENCE_S)
    with server.stream("GET", f"/jobs/{job_id}/events") as answer:
        events = read_events(answer.iter_lines())
        next(events)
        server.delete(f"/jobs/{job_id}")
        assert next(events)["data"]["cancelling"] is True
        tiny.release.set()
        assert list(events)[-1]["data"]["state"] == "cancelled"


def test_comments_keep_a_silent_connection_alive(
    server: httpx2.Client, tiny: TinyGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fastapi.routing, "_PING_INTERVAL", 0.05)
    job_id = ask(server, "hold")
    assert tiny.entered.wait(PATIENCE_S)
    with server.stream("GET", f"/jobs/{job_id}/events") as answer:
        events = read_events(answer.iter_lines())
        assert any("comment" in next(events) for _ in range(5))
        tiny.release.set()
        assert list(events)[-1]["event"] == "end"


def test_who_stops_following_stops_nothing(server: httpx2.Client, tiny: TinyGenerator) -> None:
    job_id = ask(server, "hold")
    assert tiny.entered.wait(PATIENCE_S)
    with server.stream("GET", f"/jobs/{job_id}/events") as answer:
        next(read_events(answer.iter_lines()))
    tiny.release.set()
    assert follow(server, job_id)[-1]["data"]["state"] == "done"


def test_who_waits_and_leaves_cancels(server: httpx2.Client, tiny: TinyGenerator) -> None:
    body = json.dumps({"pose": POSE, "prompt": "hold", "wait": True, "steps": 30}).encode()
    head = f"POST /generate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    address = (server.base_url.host, server.base_url.port)
    with socket.create_connection(address) as connection:
        connection.sendall(head.encode() + b"X-Test-Key: me\r\n\r\n" + body)
        assert tiny.entered.wait(PATIENCE_S)
    deadline = time.monotonic() + PATIENCE_S
    while True:
        (job,) = server.get("/jobs", headers={"X-Test-Key": "me"}).json()["jobs"]
        if job["cancelling"]:
            break
        assert time.monotonic() < deadline
        time.sleep(0.01)
    tiny.release.set()
    with server.stream("GET", job["events"], headers={"X-Test-Key": "me"}) as answer:
        assert list(read_events(answer.iter_lines()))[-1]["data"]["state"] == "cancelled"
    assert tiny.steps == 1
