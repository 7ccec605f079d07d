"""Mixed traffic for a while: does the server grow?"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.traffic import Client, Sample, Server, photo, post

CLIENTS: Final = 16
SETTLE_S: Final = 2.0
LEAVE: Final = "leave"

MIX: Final[dict[str, float]] = {"png": 35, "json": 25, "bad image": 15, "too large": 10, "bad parameter": 10, LEAVE: 5}
"""Kinds of requests, in percent."""


@dataclass(frozen=True, slots=True)
class Growth:
    """From a quarter of the way to the end.

    Attributes:
        requests: how many were sent.
        rss_mb: more memory in use.
        threads: more threads.
        files: more open files, connections apart: without clients, at the end and at the beginning.
    """

    requests: int
    rss_mb: float
    threads: int
    files: int

    @property
    def is_flat(self) -> bool:
        """Whether threads and files are as many as before."""
        return self.threads <= 0 and self.files <= 0


def requests() -> dict[str, bytes]:
    """One of each kind, as it goes over the wire."""
    jpeg = photo()
    too_large = post("/pose", b"", "image/jpeg").replace(b"Content-Length: 0", b"Content-Length: 99999999")
    return {
        "png": post("/pose?format=png", jpeg, "image/jpeg"),
        "json": post("/pose?include=map", jpeg, "image/jpeg"),
        "bad image": post("/pose", jpeg[: len(jpeg) // 2], "image/jpeg"),
        "too large": too_large,
        "bad parameter": post("/pose?style=none", jpeg, "image/jpeg"),
        LEAVE: post("/pose", jpeg, "image/jpeg"),
    }


async def soak(server: Server, seconds: float) -> Growth:
    """Keep 16 clients busy with the mix."""
    prepared, began = requests(), time.monotonic()
    samples: list[tuple[float, Sample]] = []
    await traffic(server, prepared, seconds / 20)
    idle = await settled(server)

    async def watch() -> None:
        while True:
            samples.append((time.monotonic() - began, server.sample()))
            await asyncio.sleep(seconds / 200)

    watcher = asyncio.create_task(watch())
    sent = await traffic(server, prepared, seconds)
    watcher.cancel()
    after = await settled(server)
    early = [sample for at, sample in samples if seconds * 0.2 < at < seconds * 0.3]
    late = [sample for at, sample in samples if at > seconds * 0.9]
    return Growth(
        requests=sent,
        rss_mb=middle([sample.rss_mb for sample in late]) - middle([sample.rss_mb for sample in early]),
        threads=after.threads - idle.threads,
        files=after.files - idle.files,
    )


async def settled(server: Server) -> Sample:
    """What the server holds without clients."""
    await asyncio.sleep(SETTLE_S)
    return server.sample()


async def traffic(server: Server, prepared: dict[str, bytes], seconds: float) -> int:
    """How many requests 16 clients sent."""
    until = time.monotonic() + seconds
    choice = random.Random(0)  # noqa: S311 - a mix, no secret
    sent = 0

    async def work() -> None:
        nonlocal sent
        client = Client(server.port)
        while time.monotonic() < until:
            (kind,) = choice.choices([*MIX], [*MIX.values()])
            if kind == LEAVE:
                await client.leave_during(prepared[kind], choice.uniform(0, 0.2))
            else:
                await client.ask(prepared[kind])
            sent += 1
        await client.close()

    await asyncio.gather(*(work() for _ in range(CLIENTS)))
    return sent


def middle(values: Sequence[float]) -> float:
    """The median."""
    return sorted(values)[len(values) // 2]
