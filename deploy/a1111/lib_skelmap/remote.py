"""Asks a Skelmap server for the map and the pose document of one picture."""

from __future__ import annotations

import base64
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import requests
from PIL import Image

MAX_REASON_LENGTH = 300


class RemoteFailed(RuntimeError):
    """There is no map; the message is one line with address, status and reason."""


@dataclass(frozen=True)
class Server:
    """Whom to ask.

    Attributes:
        url: where it listens.
        api_key: sent as `X-API-Key`; empty for none.
        timeout_s: seconds to wait for a connection, and for an answer after that.

    Raises:
        RemoteFailed: one of them cannot be used. Neither a key nor a password is repeated.
    """

    url: str
    api_key: str
    timeout_s: float

    def __post_init__(self) -> None:
        if "@" in self.url:
            raise RemoteFailed(
                "Skelmap: the address must not contain a name or password; the API key has its own field"
            )
        if not re.fullmatch("[!-~]*", self.api_key):
            raise RemoteFailed("Skelmap: only visible ASCII characters of an API key can be sent")
        if not 0 < self.timeout_s < math.inf:
            raise RemoteFailed(f"Skelmap: expected seconds to wait above 0, got {self.timeout_s:g}")


def estimate(server: Server, photo: np.ndarray, parameters: Mapping[str, object]) -> tuple[np.ndarray, dict[str, Any]]:
    """Map and pose document of a photo.

    Args:
        server: whom to ask.
        photo: uint8 (height, width), (height, width, 3) RGB or (height, width, 4) RGBA, blended over white.
        parameters: of `POST /pose`; None counts as not given.

    Returns:
        The map, uint8 (height, width, 3) RGB, and A1111's document of everybody in pixels of the map.

    Raises:
        RemoteFailed: there are none.
    """
    url = f"{server.url.rstrip('/')}/pose"
    fields = {name: str(value) for name, value in parameters.items() if value is not None}
    try:
        response = requests.post(
            url,
            files={"image": _png(photo)},
            data={**fields, "include": "map", "dialect": "a1111"},
            headers={"X-API-Key": server.api_key} if server.api_key else {},
            timeout=server.timeout_s,
            allow_redirects=False,
        )
    except requests.Timeout as error:
        raise RemoteFailed(f"Skelmap server {url} did not answer within {server.timeout_s:g} s") from error
    except (requests.RequestException, OSError, UnicodeError) as error:
        raise RemoteFailed(f"Skelmap server {url} cannot be reached: {_root_cause(error)}") from error
    if response.status_code != 200:
        raise RemoteFailed(f"Skelmap server {url} answered {response.status_code}: {_reason(response)}")
    try:
        answer = response.json()
        return _read_map(answer["map"]), _document(answer)
    except (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError) as error:
        raise RemoteFailed(f"{url} answered 200, but not as a Skelmap server does") from error


def empty_document(width: int, height: int) -> dict[str, Any]:
    """A1111's document of nobody."""
    return {"people": [], "animals": [], "canvas_width": width, "canvas_height": height}


def _document(answer: Mapping[str, Any]) -> dict[str, Any]:
    nobody = empty_document(answer["canvas_width"], answer["canvas_height"])
    return {**nobody, "people": [person["openpose"] for person in answer["people"]]}


def _png(photo: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(photo).save(file, "PNG", compress_level=1)
    return file.getvalue()


def _read_map(data_url: str) -> np.ndarray:
    with Image.open(io.BytesIO(base64.b64decode(data_url.partition(",")[2]))) as opened:
        return np.array(opened.convert("RGB"))


def _reason(response: requests.Response) -> str:
    """What a problem document says, else the phrase of the status."""
    try:
        reason = _one_line(str(response.json()["detail"]))
    except (KeyError, RecursionError, TypeError, ValueError):
        reason = ""
    return reason or response.reason or "no reason given"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_REASON_LENGTH else line[: MAX_REASON_LENGTH - 3] + "..."


def _root_cause(error: BaseException) -> str:
    """The innermost reason: `[Errno 111] Connection refused` out of three layers around it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return _one_line(str(error)) or type(error).__name__
