"""What a server under load holds, as ratios from one run on this machine, with clients of our own on loopback.

    python -m benchmarks.load [--seconds 10] [--rounds 5] [--soak 60] [--json FILE]

The server is `skelmap serve` in a process of its own, the photo one of 512 x 512 pixels with one person. See
docs/benchmarks.md for results.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import onnxruntime

from benchmarks.accelerator import lane_ratio
from benchmarks.json_route import json_ratio
from benchmarks.soak import Growth, soak
from benchmarks.traffic import Reply, Server, closed_loop, goodput, open_loop, percentile, photo, post, serving
from pose_core.detectors import load_detector
from pose_core.estimators import load_estimator
from pose_core.weights import DEFAULT_DETECTOR, DEFAULT_ESTIMATOR

CLIENTS: Final = 16
OVERLOAD: Final = 10


@dataclass(frozen=True, slots=True)
class Round:
    """One round, everything right after each other.

    Attributes:
        bare: images per second of the two networks alone, one run after the other.
        served: images per second of the server, 16 clients.
        overloaded: the same while ten times as many requests arrive as it can serve.
        refused_s: how long refused requests waited for their 503 then.
        broken: connections that broke.
    """

    bare: float
    served: float
    overloaded: float
    refused_s: Sequence[float]
    broken: int


def bare_loop(seconds: float) -> float:
    """Images per second of a detector and an estimator run, over and over, with onnxruntime's own choice of threads."""
    networks = [load_detector(DEFAULT_DETECTOR, "cpu").session, load_estimator(DEFAULT_ESTIMATOR, "cpu").session]
    sessions = [(session, session.blank(1)) for session in networks if session]
    runs, began = 0, time.perf_counter()
    while (passed := time.perf_counter() - began) < seconds:
        for session, rows in sessions:
            session.run(rows)
        runs += 1
    return runs / passed


def play_round(server: Server, request: bytes, seconds: float) -> Round:
    """One round on a server that is idle before and after."""
    bare = bare_loop(seconds)
    served = goodput(asyncio.run(closed_loop(server.port, request, CLIENTS, seconds)), seconds)
    replies = asyncio.run(open_loop(server.port, request, OVERLOAD * served, seconds))
    return Round(bare, served, goodput(replies, seconds), refused(replies), sum(not reply.status for reply in replies))


def refused(replies: Sequence[Reply]) -> list[float]:
    """Seconds until each 503."""
    return [reply.seconds for reply in replies if reply.status == 503]


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the table: what was found, and what is wanted."""

    what: str
    found: str
    wanted: str
    is_met: bool


def findings(rounds: Sequence[Round], lanes: float, json_route: float, growth: Growth) -> Iterator[Finding]:
    """Every line of the table; of rounds the median."""
    kept = statistics.median(one.overloaded / one.served for one in rounds)
    yield Finding(f"goodput at {OVERLOAD}x / at 1x", f"{kept:.2f}", ">= 0.8", kept >= 0.8)
    waits_s = [seconds for one in rounds for seconds in one.refused_s]
    worst_ms = percentile(waits_s, 0.99) * 1e3 if waits_s else float("nan")
    yield Finding(f"503 at {OVERLOAD}x, p99 of {len(waits_s)}, ms", f"{worst_ms:.0f}", "< 100", worst_ms < 100)
    speed = statistics.median(one.served / one.bare for one in rounds)
    yield Finding(f"images/s, {CLIENTS} clients / bare loop", f"{speed:.2f}", ">= 0.85", speed >= 0.85)
    yield Finding("lane of batches of 8 / of 1, stub accelerator", f"{lanes:.2f}", ">= 2.5", lanes >= 2.5)
    yield Finding("JSON of 10 people / FastAPI's own way", f"{json_route:.1f}", ">= 5", json_route >= 5)
    yield Finding(f"soak of {growth.requests} requests: growth, MB", f"{growth.rss_mb:.1f}", "< 50", growth.rss_mb < 50)
    yield Finding("soak: more threads, open files", f"{growth.threads}, {growth.files}", "0, 0", growth.is_flat)


def table(found: Sequence[Finding]) -> Iterator[str]:
    """A Markdown table."""
    yield "| | found | wanted | |"
    yield "|---|---:|---:|---|"
    for one in found:
        yield f"| {one.what} | {one.found} | {one.wanted} | {'yes' if one.is_met else 'no'} |"


def conditions(before: float) -> str:
    """What a reader needs to judge the numbers."""
    return (
        f"{os.cpu_count()} cores, {platform.machine()}, load average {before:.1f} before and {os.getloadavg()[0]:.1f} "
        f"after; Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}"
    )


def main(say: Callable[[str], None] = print) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each part of a round (10)")
    parser.add_argument("--rounds", type=int, default=5, help="of which medians are taken (5)")
    parser.add_argument("--soak", type=float, default=60, help="seconds of mixed traffic (60)")
    parser.add_argument("--json", type=Path, help="write every single measurement to this file")
    options = parser.parse_args()
    before = os.getloadavg()[0]
    request = post("/pose?format=png", photo(), "image/jpeg")
    with serving() as server:
        rounds = [play_round(server, request, options.seconds) for _ in range(options.rounds)]
    lanes, json_route = lane_ratio(options.seconds / 2), json_ratio(options.seconds / 5)
    with serving() as server:
        growth = asyncio.run(soak(server, options.soak))
    for one in rounds:
        say(f"bare {one.bare:.1f}/s, served {one.served:.1f}/s, overloaded {one.overloaded:.1f}/s, {one.broken} broken")
    for line in table([*findings(rounds, lanes, json_route, growth)]):
        say(line)
    say(conditions(before))
    if options.json:
        options.json.write_text(json.dumps({"rounds": [asdict(one) for one in rounds], "lanes": lanes}))


if __name__ == "__main__":
    main()
