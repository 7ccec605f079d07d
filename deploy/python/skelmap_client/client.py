"""The client for ordinary code; may be shared between threads."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

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


class Client:
    """Asks one server.

    Args:
        url: where it listens.
        api_key: sent as `X-API-Key`, where the server wants one.
        timeout_s: seconds to wait for a connection, and for an answer after that.
        retries: what is done about a server that is busy or not there.

    Every method raises SkelmapError; see `skelmap_client.errors`. Parameters are those of the route by name.

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
    ) -> None:
        self._transport = Transport(read_server(url, api_key, timeout_s), connections=10)
        self._retries = retries

    def pose(self, photo: Photo, **parameters: Unpack[PoseParameters]) -> PoseAnswer:
        """Everybody in a photo: boxes, 133 keypoints each, and the map with `include="map"`."""
        return self._send(calls.pose(photo, parameters))

    def skeleton_map(self, photo: Photo, **parameters: Unpack[PoseParameters]) -> Image.Image:
        """The map of a photo, RGB."""
        return self._send(calls.skeleton_map(photo, parameters))

    def overlay(self, photo: Photo, **parameters: Unpack[PoseParameters]) -> Image.Image:
        """The skeletons on the photo, RGB, at the size of the map."""
        return self._send(calls.overlay(photo, parameters))

    def openpose(self, photo: Photo, **parameters: Unpack[PoseParameters]) -> Any:  # noqa: ANN401 - JSON
        """The pose document of a photo in `dialect`, in pixels of the map."""
        return self._send(calls.openpose(photo, parameters))

    def render(self, document: Document, **parameters: Unpack[DocumentParameters]) -> Image.Image:
        """The map of a pose document in any dialect, RGB."""
        return self._send(calls.render(document, parameters))

    def convert(self, document: Document, **parameters: Unpack[DocumentParameters]) -> Any:  # noqa: ANN401 - JSON
        """A pose document in another dialect."""
        return self._send(calls.convert(document, parameters))

    def models(self) -> dict[str, Any]:
        """What can be asked for, and under which terms."""
        return self._send(calls.models())

    def version(self) -> dict[str, Any]:
        """Versions of the server, and the sha256 of each loaded network."""
        return self._send(calls.version())

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, call: Call[Result]) -> Result:
        tried = 1
        while True:
            try:
                return self._transport.send(call)
            except SkelmapError as failure:
                wait_s = self._retries.wait_s(failure, tried)
                if wait_s is None:
                    raise
            time.sleep(wait_s)
            tried += 1
