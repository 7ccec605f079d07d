"""How many replicas, and what they cost, for so many photos a second: a simulation that is checked against a server.

    python -m benchmarks.scaling check [--seconds 60] [--shares 0.5 0.8]
    python -m benchmarks.scaling sweep [--rate 300] [--rates 100 200 400 800] [--replicas 1 2]
    python -m benchmarks.scaling plan [--cpu-rates 25] [--gpu-rates 100 300 1000] [--latency-ms 1000] [--gpu-price 2.0]

`check` starts `skelmap serve` so that it does one photo at a time with one thread, and asks it for one photo after the
other. Then it lets requests arrive at random at a share of the rate that this allows, whether or not earlier ones have
been answered. The simulation of `benchmarks.queueing` is told how long each of them took by itself, and has to tell how
long they waited.

`sweep` shows what batches and replicas do to latencies and to who is turned away, for a replica of a given rate.

`plan` takes it as given how many photos a second a replica does one by one. It looks for the highest load at which the
simulated 99th percentile of the latency stays below a limit and nobody is turned away; replicas and cost follow.
"""

import argparse
import asyncio
import math
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx2
import numpy as np

from benchmarks.queueing import Outcome, Policy, linear, replayed, simulate
from benchmarks.workload import photo_jpeg

SERVER: Final = "from app.commands import main; main()"
ONE_LANE: Final = {
    "SKELMAP_DEVICE": "cpu",
    "SKELMAP_THREADS": "1",
    "SKELMAP_WORKERS": "1",
    "SKELMAP_MAX_ACTIVE": "1",
    "SKELMAP_MAX_QUEUE": "1000",
    "SKELMAP_REQUEST_TIMEOUT_S": "600",
}
"""A server that does one photo after the other, and turns nobody away."""
WARM_UP: Final = 10
LONE: Final = 150
"""Requests of which each waits for the last."""

PERCENTILES: Final = (50, 95, 99)

TARGETS: Final = (10, 1_000, 100_000)
"""Photos per second."""

LOADS: Final = (0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
"""Shares of what replicas can do that are tried, from the highest."""

LARGEST: Final = 20
"""Replicas that are simulated at the most: at the same load each, more of them make no visible difference."""

ARRIVALS: Final = 10_000
ARRIVALS_EACH: Final = 1_000
"""At each replica at the least: near full load it takes hundreds until queues are as long as they get."""

POLICIES: Final[Mapping[str, Policy]] = {
    "one by one": Policy(max_batch=1),
    "batches of 8, at once": Policy(max_batch=8),
    "batches of 8 after 5 ms": Policy(max_batch=8, max_delay_s=0.005),
}


# What the server does


class Answered(NamedTuple):
    """One request, in seconds.

    Attributes:
        latency_s: from when it was due to its answer.
        waited_s: of these, in the server's queue.
        worked_s: of these, in the stages of the server's work.
    """

    latency_s: float
    waited_s: float
    worked_s: float

    @property
    def own_s(self) -> float:
        """All but the waiting: work, connection and all."""
        return self.latency_s - self.waited_s


class Server(NamedTuple):
    """A running server: its address and its process."""

    url: str
    process: int

    def cpu_s(self) -> float:
        """Seconds that cores have worked for it so far."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving() -> Iterator[Server]:
    """`skelmap serve` on a free port, ready."""
    command = [sys.executable, "-c", SERVER, "serve", "--port", "0"]
    environment = {**os.environ, **ONE_LANE}
    with (
        tempfile.NamedTemporaryFile("w+") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process,  # noqa: S603 - ours
    ):
        try:
            while not (found := re.search(r"http://127\.0\.0\.1:[1-9]\d*", Path(log.name).read_text())):
                assert process.poll() is None, Path(log.name).read_text()
                time.sleep(0.1)
            while httpx2.get(f"{found[0]}/readyz", timeout=30).status_code != 200:
                time.sleep(0.1)
            yield Server(found[0], process.pid)
        finally:
            process.terminate()


async def ask(client: httpx2.AsyncClient, photo: bytes, due_s: float) -> Answered:
    """One request that is due at a time of the event loop.

    Raises:
        httpx2.HTTPStatusError: it was turned away.
    """
    loop = asyncio.get_running_loop()
    await asyncio.sleep(due_s - loop.time())
    headers = {"Content-Type": "image/jpeg"}
    response = await client.post("/pose", params={"format": "png"}, content=photo, headers=headers)
    response.raise_for_status()
    return Answered(loop.time() - due_s, *stages_s(response.headers["Server-Timing"]))


def stages_s(server_timing: str) -> tuple[float, float]:
    """Seconds in the queue and in all other stages, as a Server-Timing header tells them."""
    stages = [(name, float(ms) / 1e3) for name, ms in re.findall(r"([\w-]+);dur=([\d.]+)", server_timing)]
    return sum(s for name, s in stages if name == "queue"), sum(s for name, s in stages if name != "queue")


async def ask_alone(url: str, photo: bytes, count: int) -> list[Answered]:
    """One request after the other."""
    async with httpx2.AsyncClient(base_url=url, timeout=600) as client:
        loop = asyncio.get_running_loop()
        return [await ask(client, photo, loop.time()) for _ in range(count)]


async def ask_at_random(url: str, photo: bytes, rate: float, seconds: float) -> list[Answered]:
    """Requests at random times, at `rate` per second in the mean."""
    chance = random.Random(0)  # noqa: S311 - no secret
    limits = httpx2.Limits(max_connections=200)
    async with httpx2.AsyncClient(base_url=url, timeout=600, limits=limits) as client:
        start = due = asyncio.get_running_loop().time()
        waiting = []
        while (due := due + chance.expovariate(rate)) < start + seconds:
            waiting.append(asyncio.create_task(ask(client, photo, due)))
        return await asyncio.gather(*waiting)


class Point(NamedTuple):
    """A load at which server and simulation are compared.

    Attributes:
        rate: requests per second.
        rows: for the server, and for the simulation at the least and at the most, the share of the time in which the
            server was busy, and latencies in seconds at `PERCENTILES`.
    """

    rate: float
    rows: Mapping[str, tuple[float | None, Sequence[float]]]


def compare(loaded: Sequence[Answered], rate: float) -> Point:
    """What was measured, and between which two simulations it should lie.

    The server is busy with a request at least while it works on it, and at most while the request does not wait. How
    much of the rest, connection and event loop, the next request has to wait for cannot be seen from outside.
    """
    outside_s = statistics.median(answer.own_s - answer.worked_s for answer in loaded)
    least = replay([answer.worked_s for answer in loaded], rate, outside_s)
    most = replay([answer.own_s for answer in loaded], rate, 0.0)
    seen = np.percentile([answer.latency_s for answer in loaded], PERCENTILES)
    return Point(rate, {"measured": (None, seen.tolist()), "simulated, at least": least, "at most": most})


def replay(times_s: Sequence[float], rate: float, outside_s: float) -> tuple[float, Sequence[float]]:
    """Busy share and latencies of requests that take these times, and some more outside of the server."""
    outcome = simulate(rate, 1, replayed(times_s), Policy(max_queue=10_000), seconds=ARRIVALS / rate)
    return rate * statistics.mean(times_s), [outcome.latency_s(percentile) + outside_s for percentile in PERCENTILES]


def check(shares: Sequence[float], seconds: float) -> str:
    """Measure and simulate; the table of both."""
    photo, points = photo_jpeg(), []
    with serving() as server:
        asyncio.run(ask_alone(server.url, photo, WARM_UP))
        before_s = server.cpu_s()
        lone = asyncio.run(ask_alone(server.url, photo, LONE))
        cpu_s = (server.cpu_s() - before_s) / LONE
        alone_s = statistics.mean(answer.own_s for answer in lone)
        for share in shares:
            rate = share / alone_s
            loaded = asyncio.run(ask_at_random(server.url, photo, rate, seconds))
            points.append(compare(loaded, rate))
    here = f"A lone photo takes {alone_s * 1e3:.1f} ms here, {1 / alone_s:.1f} photos/s."
    core = f"It takes {cpu_s * 1e3:.1f} ms of a core: {1 / cpu_s:.1f} photos/s on one that does nothing else."
    return f"{here}\n{core}\n\n{check_table(points)}"


def check_table(points: Sequence[Point]) -> str:
    """Markdown."""
    lines = ["| photos/s | | busy | p50, ms | p95, ms | p99, ms |", "|---:|---|---:|---:|---:|---:|"]
    for point in points:
        for name, (busy, latencies_s) in point.rows.items():
            cells = " | ".join(f"{latency * 1e3:.0f}" for latency in latencies_s)
            lines.append(f"| {point.rate:.1f} | {name} | {'' if busy is None else f'{busy:.2f}'} | {cells} |")
    return "\n".join(lines)


# What many would do


class Machine(NamedTuple):
    """What a replica runs on.

    Attributes:
        name: in the table.
        rate: photos per second, one by one.
        fixed_share: share of a lone photo's time that a batch takes only once; 0 where batches gain nothing.
        price: of an hour.
    """

    name: str
    rate: float
    fixed_share: float
    price: float

    def batch_s(self, count: int) -> float:
        """Seconds that a batch takes."""
        return (self.fixed_share + (1 - self.fixed_share) * count) / self.rate

    def capacity(self, policy: Policy) -> float:
        """Photos per second in full batches."""
        return policy.max_batch / self.batch_s(policy.max_batch)


class Plan(NamedTuple):
    """Replicas for a target, and how far they are loaded."""

    replicas: int
    load: float


def find_plan(target: float, machine: Machine, policy: Policy, latency_s: float) -> Plan | None:
    """The fewest replicas that keep the limit; None where not even a lone photo does."""
    if machine.batch_s(1) > latency_s:
        return None
    for load in LOADS:
        replicas = math.ceil(target / (load * machine.capacity(policy)))
        outcome = look(target / replicas, min(replicas, LARGEST), machine, policy)
        if not outcome.refused and outcome.latency_s(99) <= latency_s:
            return Plan(replicas, target / (replicas * machine.capacity(policy)))
    return None


def look(rate_each: float, replicas: int, machine: Machine, policy: Policy) -> Outcome:
    """Some replicas at so many photos per second each."""
    fixed_s = machine.fixed_share / machine.rate
    draw, rate = linear(fixed_s, 1 / machine.rate - fixed_s), rate_each * replicas
    seconds = max(ARRIVALS, ARRIVALS_EACH * replicas) / rate
    return simulate(rate, replicas, draw, policy, seconds=seconds, warm_up_s=seconds / 5)


def plan_table(machines: Sequence[Machine], latency_s: float) -> str:
    """Markdown: replicas, their load and the price of an hour for each target; at the largest, of a million photos."""
    heads = " | ".join(f"{target:,}/s" for target in TARGETS)
    lines = [f"| replica | policy | {heads} | a million |", "|---|---|" + "---:|" * (len(TARGETS) + 1)]
    for machine in machines:
        for name, policy in POLICIES.items() if machine.fixed_share else [("one by one", POLICIES["one by one"])]:
            plans = [find_plan(target, machine, policy, latency_s) for target in TARGETS]
            cells = " | ".join(plan_cell(plan, machine) for plan in plans)
            last = plans[-1]
            dear = f"{last.replicas * machine.price / 3600 / TARGETS[-1] * 1e6:.2f}" if last else "-"
            lines.append(f"| {machine.name} | {name} | {cells} | {dear} |")
    return "\n".join(lines)


def plan_cell(plan: Plan | None, machine: Machine) -> str:
    """Replicas, load and price of an hour."""
    return f"{plan.replicas:,} at {plan.load:.0%}, {plan.replicas * machine.price:,.2f}" if plan else "-"


def sweep_table(machine: Machine, rates: Sequence[float], replicas: Sequence[int]) -> str:
    """Markdown: p50 and p99 in milliseconds and the share that is turned away, for each policy."""
    lines = [f"| photos/s | replicas | {' | '.join(POLICIES)} |", "|---:|---:|" + "---:|" * len(POLICIES)]
    for rate in rates:
        for count in replicas:
            outcomes = [look(rate / count, count, machine, policy) for policy in POLICIES.values()]
            cells = " | ".join(sweep_cell(outcome) for outcome in outcomes)
            lines.append(f"| {rate:,g} | {count} | {cells} |")
    return "\n".join(lines)


def sweep_cell(outcome: Outcome) -> str:
    """Latencies and who is turned away."""
    return f"{outcome.latency_s(50) * 1e3:.0f} / {outcome.latency_s(99) * 1e3:.0f} / {outcome.refused_share:.0%}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser("check")
    checking.add_argument("--seconds", type=float, default=60)
    checking.add_argument("--shares", type=float, nargs="+", default=[0.5, 0.8])
    sweeping = commands.add_parser("sweep")
    sweeping.add_argument("--rate", type=float, default=300, help="photos/s of a replica, one by one")
    sweeping.add_argument("--fixed-share", type=float, default=0.6, help="of a lone photo, paid once a batch")
    sweeping.add_argument("--rates", type=float, nargs="+", default=[100, 200, 400, 800], help="photos/s that arrive")
    sweeping.add_argument("--replicas", type=int, nargs="+", default=[1, 2])
    planning = commands.add_parser("plan")
    planning.add_argument("--cpu-rates", type=float, nargs="*", default=[25], help="photos/s of a core, one by one")
    planning.add_argument("--gpu-rates", type=float, nargs="*", default=[100, 300, 1000], help="likewise of a GPU")
    planning.add_argument("--gpu-fixed-share", type=float, default=0.6, help="of a lone photo, paid once a batch")
    planning.add_argument("--core-price", type=float, default=0.05, help="of an hour")
    planning.add_argument("--gpu-price", type=float, default=2.0, help="of an hour")
    planning.add_argument("--latency-ms", type=float, default=1000, help="limit of the 99th percentile")
    options = parser.parse_args(arguments)
    if options.command == "check":
        print(f"load average {os.getloadavg()[0]:.1f}")
        print(check(options.shares, options.seconds))
        return
    if options.command == "sweep":
        print(sweep_table(Machine("", options.rate, options.fixed_share, 0.0), options.rates, options.replicas))
        return
    share, price = options.gpu_fixed_share, options.gpu_price
    cores = [Machine(f"core, {rate:g}/s", rate, 0.0, options.core_price) for rate in options.cpu_rates]
    gpus = [Machine(f"GPU, {rate:g}/s", rate, share, price) for rate in options.gpu_rates]
    print(plan_table([*cores, *gpus], options.latency_ms / 1e3))


if __name__ == "__main__":
    main()
