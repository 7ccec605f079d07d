"""The client for asyncio.

Requests run in threads of its own, one per connection; waiting between tries does not take one. A task that is
cancelled returns at once, while a request under way ends in its thread.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from PIL import Image

from skelmap_client import calls
from skelmap_client.calls import Call, Document
from skelmap_client.errors import SkelmapError
from skelmap_client.photos import Photo
from skelmap_client.results import PoseAnswer
from skelmap_client.retries import PATIENT, Retries
from skelmap_client.server import read_server
from skelmap_client.transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

    from skelmap_client.parameters import DocumentParameters, PoseParameters

Result = TypeVar("Result")
Done = TypeVar("Done")


class AsyncClient:
    """Asks one server; the methods, arguments and errors are those of `Client`.

    Args:
        url: where it listens.
        api_key: sent as `X-API-Key`, where the server wants one.
        timeout_s: seconds to wait for a connection, and for an answer after that.
        retries: what is done about a server that is busy or not there.
        connections: requests under way at the same time; further ones wait for their turn.

    Raises:
        InvalidServer: an address, a key or a time-out that cannot be used.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        retries: Retries = PATIENT,
        connections: int = 8,
    ) -> None:
        self._transport = Transport(read_server(url, api_key, timeout_s), connections)
        self._retries = retries
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="skelmap-client")

    async def pose(self, photo: Photo, **parameters: Unpack[PoseParameters]) -> PoseAnswer:
        """Everybody in a photo: boxes, 133 keypoints each, and the map with `include="map"`."""
        return await self._send(partial(calls.pose, photo, parameters))

    async def skeleton_map(self, photo: Photo, **parameters: Unpack[PoseParameters]) -> Image.Image:
        """The map of a photo, RGB."""
        return await self._send(partial(calls.skeleton_map, photo, parameters))

    async def overlay(self, photo: Photo, **parameters: Unpack[PoseParameters]) -> Image.Image:
        """The skeletons on the photo, RGB, at the size of the map."""
        return await self._send(partial(calls.overlay, photo, parameters))

    async def openpose(self, photo: Photo, **parameters: Unpack[PoseParameters]) -> Any:  # noqa: ANN401 - JSON
        """The pose document of a photo in `dialect`, in pixels of the map."""
        return await self._send(partial(calls.openpose, photo, parameters))

    async def render(self, document: Document, **parameters: Unpack[DocumentParameters]) -> Image.Image:
        """The map of a pose document in any dialect, RGB."""
        return await self._send(partial(calls.render, document, parameters))

    async def convert(self, document: Document, **parameters: Unpack[DocumentParameters]) -> Any:  # noqa: ANN401 - JSON
        """A pose document in another dialect."""
        return await self._send(partial(calls.convert, document, parameters))

    async def models(self) -> dict[str, Any]:
        """What can be asked for, and under which terms."""
        return await self._send(calls.models)

    async def version(self) -> dict[str, Any]:
        """Versions of the server, and the sha256 of each loaded network."""
        return await self._send(calls.version)

    async def close(self) -> None:
        """Close the connections; requests under way end by themselves."""
        self._threads.shutdown(wait=False)
        self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, prepare: Callable[[], Call[Result]]) -> Result:
        """Prepare and send in a thread: encoding a photo takes time, too."""
        call = await self._in_thread(prepare)
        tried = 1
        while True:
            try:
                return await self._in_thread(partial(self._transport.send, call))
            except SkelmapError as failure:
                wait_s = self._retries.wait_s(failure, tried)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
            tried += 1

    async def _in_thread(self, work: Callable[[], Done]) -> Done:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)
