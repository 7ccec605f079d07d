"""The load benchmark: its clients against a real server, its ways to the same JSON, its verdicts."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from benchmarks.accelerator import requests_per_second
from benchmarks.json_route import both_ways, per_second
from benchmarks.load import Finding, Round, findings, table
from benchmarks.soak import MIX, Growth, requests
from benchmarks.traffic import Client, closed_loop, goodput, open_loop, percentile, post
from pose_core.types import Image
from tests.app.scenery import write_png
from tests.live_server import LiveServer, listening, tiny_settings


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that sees three people in every photo."""
    with tiny_settings(tmp_path_factory.mktemp("networks")) as settings, listening(create_app(settings)) as made:
        made.wait_until_ready()
        yield made


def port(server: LiveServer) -> int:
    return int(server.url.rpartition(":")[2])


def test_clients_ask_again_and_again(server: LiveServer, photo: Image) -> None:
    request = post("/pose?format=png", write_png(photo), "image/png")
    for loop in (closed_loop(port(server), request, 3, 0.2), open_loop(port(server), request, 40, 0.2)):
        replies = asyncio.run(loop)
        assert {reply.status for reply in replies} == {200}
        assert all(reply.body.startswith(b"\x89PNG") for reply in replies)
        assert goodput(replies, 0.2) == len(replies) / 0.2


def test_a_client_survives_a_server_that_hangs_up(server: LiveServer, photo: Image) -> None:
    too_large = requests()["too large"]
    right = post("/pose", write_png(photo), "image/png")

    async def story() -> list[int]:
        client = Client(port(server))
        replies = [await client.ask(request) for request in (right, too_large, right)]
        await client.leave_during(right, 0.0)
        replies.append(await client.ask(right))
        await client.close()
        return [reply.status for reply in replies]

    assert asyncio.run(story()) == [200, 413, 200, 200]


def test_nobody_there_is_no_answer() -> None:
    reply = asyncio.run(Client(9).ask(b"GET / HTTP/1.1\r\n\r\n"))
    assert reply.status == 0


def test_the_mix_is_all_and_each_kind_is_what_it_is_called(server: LiveServer) -> None:
    assert sum(MIX.values()) == 100
    assert set(requests()) == set(MIX)
    statuses = {"png": 200, "json": 200, "bad image": 422, "too large": 413, "bad parameter": 422}

    async def story() -> dict[str, int]:
        client = Client(port(server))
        found = {kind: (await client.ask(requests()[kind])).status for kind in statuses}
        await client.close()
        return found

    assert asyncio.run(story()) == statuses


def test_both_ways_give_the_same_json() -> None:
    with TestClient(both_ways()) as client:
        ours, default = (orjson.loads(client.get(path).content) for path in ("/ours", "/default"))
    assert len(ours["people"]) == 10
    ours.pop("timings_ms")
    default.pop("timings_ms")
    assert ours == default
    assert asyncio.run(per_second(both_ways(), "/ours", 0.02)) > 0


def test_the_stub_serves_requests() -> None:
    assert asyncio.run(requests_per_second(8, 0.1)) > 0


GOOD = Round(bare=10.0, served=9.0, overloaded=8.0, refused_s=[0.01] * 99 + [0.05], broken=0)
FLAT = Growth(requests=100, rss_mb=1.0, threads=0, files=0)


def verdicts(found: Iterator[Finding]) -> list[bool]:
    return [one.is_met for one in found]


def test_what_is_good_enough() -> None:
    assert verdicts(findings([GOOD], lanes=3.0, json_route=6.0, growth=FLAT)) == [True] * 7


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        (0, {"rounds": [replace(GOOD, overloaded=7.0)]}),
        (1, {"rounds": [replace(GOOD, refused_s=[0.01] * 90 + [0.2] * 10)]}),
        (1, {"rounds": [replace(GOOD, refused_s=[])]}),
        (2, {"rounds": [replace(GOOD, bare=12.0)]}),
        (3, {"lanes": 2.4}),
        (4, {"json_route": 4.9}),
        (5, {"growth": replace(FLAT, rss_mb=60.0)}),
        (6, {"growth": replace(FLAT, threads=1)}),
        (6, {"growth": replace(FLAT, files=2)}),
    ],
)
def test_what_is_not(line: int, arguments: dict[str, object]) -> None:
    given: dict[str, object] = {"rounds": [GOOD], "lanes": 3.0, "json_route": 6.0, "growth": FLAT, **arguments}
    assert verdicts(findings(**given)) == [number != line for number in range(7)]  # type: ignore[arg-type]


def test_the_table_is_markdown() -> None:
    lines = [*table([Finding("what", "1.0", ">= 2", is_met=False)])]
    assert lines[2] == "| what | 1.0 | >= 2 | no |"


def test_percentiles() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
