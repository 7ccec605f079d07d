"""A server in a process of its own, and clients that are cheap enough to leave it the machine."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import simplejpeg
import skimage.data

PROGRAM: Final = (sys.executable, "-c", "from app.commands import main; main()", "serve")
START_S: Final = 120.0
MAX_CONNECTIONS: Final = 400


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process holds at one moment.

    Attributes:
        rss_mb: memory in use.
        threads: how many.
        files: open file descriptors.
    """

    rss_mb: float
    threads: int
    files: int


@dataclass(frozen=True, slots=True)
class Server:
    """A running server.

    Attributes:
        port: where it listens.
        process: that it is.
    """

    port: int
    process: "subprocess.Popen[bytes]"

    def sample(self) -> Sample:
        """What it holds now."""
        folder = Path("/proc") / str(self.process.pid)
        status = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines() if ":\t" in line)
        files = len(os.listdir(folder / "fd"))  # noqa: PTH208 - each entry would become a path
        return Sample(int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), files)


@contextmanager
def serving(options: Sequence[str] = (), settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server that is ready, on a free port of this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "SKELMAP_DRAIN_DELAY_S": "0", "SKELMAP_LOG_LEVEL": "error", **(settings or {})}
    command = (*PROGRAM, "--port", str(port), *options)
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603 - our own command
        try:
            _wait_until_ready(port, process)
            yield Server(port, process)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait_until_ready(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
            return
        time.sleep(0.05)
    raise TimeoutError("the server did not become ready")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a client got: the status, 0 where the connection broke, after how many seconds, and the body."""

    status: int
    seconds: float
    body: bytes = b""


def photo() -> bytes:
    """A JPEG of 512 x 512 pixels with one person, in the public domain."""
    return simplejpeg.encode_jpeg(np.ascontiguousarray(skimage.data.astronaut()), 90)


def post(path: str, body: bytes, media_type: str) -> bytes:
    """A request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Client:
    """One connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, request: bytes) -> Reply:
        """Send a request and wait for the answer."""
        began = time.perf_counter()
        for _ in range(1 + (self._writer is not None)):  # an old connection may have been closed for being idle
            try:
                status, body = await self._exchange(request)
            except (OSError, EOFError, ValueError):
                await self.close()
            else:
                return Reply(status, time.perf_counter() - began, body)
        return Reply(0, time.perf_counter() - began)

    async def leave_during(self, request: bytes, after_s: float) -> None:
        """Send a request and be gone before its answer."""
        with suppress(OSError):
            await self._open()
            assert self._writer
            self._writer.write(request)
            await asyncio.sleep(after_s)
        await self.close()

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        reader, writer = await self._open()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
        body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
        if headers.get(b"connection") == b"close":
            await self.close()
        return int(head[9:12]), body

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=2**22)
        return self._reader, self._writer

    async def close(self) -> None:
        """Close the connection."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def closed_loop(port: int, request: bytes, clients: int, seconds: float) -> list[Reply]:
    """What so many clients get that ask again as soon as they have their answer."""
    until = time.monotonic() + seconds
    replies: list[Reply] = []

    async def work() -> None:
        client = Client(port)
        while time.monotonic() < until:
            replies.append(await client.ask(request))
        await client.close()

    await asyncio.gather(*(work() for _ in range(clients)))
    return replies


async def open_loop(port: int, request: bytes, per_second: float, seconds: float) -> list[Reply]:
    """What clients get that come at this rate whatever happened to those before them."""
    free: list[Client] = []
    replies: list[Reply] = []
    tasks: set[asyncio.Task[None]] = set()

    async def ask() -> None:
        client = free.pop() if free else Client(port)
        replies.append(await client.ask(request))
        free.append(client)

    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * per_second and len(tasks) < MAX_CONNECTIONS:
            task = asyncio.create_task(ask())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            sent += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    for client in free:
        await client.close()
    return replies


def goodput(replies: Sequence[Reply], seconds: float) -> float:
    """Answers per second."""
    return sum(reply.status == 200 for reply in replies) / seconds


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
