"""Every route as a value: what is sent, and how the answer is read. No network here.

`Client` and `AsyncClient` send the same calls; a new route is a function here and a method in each of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Callable, Generic, TypeVar, Union

from PIL import Image

from skelmap_client.errors import InvalidDocument
from skelmap_client.parameters import as_plain, write_fields
from skelmap_client.photos import Photo, encode_photo
from skelmap_client.results import PoseAnswer, read_answer, read_picture

Result = TypeVar("Result")
Document = Union[PoseAnswer, Mapping[str, Any], list[Any]]
"""A pose document in any dialect; an answer counts, too."""


NO_RESULT = (AttributeError, KeyError, OSError, RecursionError, TypeError, ValueError)
"""What reading a body raises that is none of ours."""


@dataclass(frozen=True)
class Call(Generic[Result]):
    """One request.

    Attributes:
        method: GET or POST.
        path: of the route.
        read: the result from the body of a success; the errors in `NO_RESULT` say that it is none.
        photo: sent as multipart field `image` where given.
        fields: sent as form fields beside a photo, as the query otherwise.
        document: JSON, sent where there is no photo.
    """

    method: str
    path: str
    read: Callable[[bytes], Result]
    photo: bytes | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    document: bytes | None = None


def pose(photo: Photo, parameters: Mapping[str, object]) -> Call[PoseAnswer]:
    """Everybody in a photo."""
    return _photo_call(photo, parameters, "json", lambda body: read_answer(json.loads(body)))


def skeleton_map(photo: Photo, parameters: Mapping[str, object]) -> Call[Image.Image]:
    """The map alone."""
    return _photo_call(photo, parameters, "png", read_picture)


def overlay(photo: Photo, parameters: Mapping[str, object]) -> Call[Image.Image]:
    """The skeletons on the photo."""
    return _photo_call(photo, parameters, "overlay", read_picture)


def openpose(photo: Photo, parameters: Mapping[str, object]) -> Call[Any]:
    """The pose document alone."""
    return _photo_call(photo, parameters, "openpose", json.loads)


def render(document: Document, parameters: Mapping[str, object]) -> Call[Image.Image]:
    """The map of a pose document."""
    return Call("POST", "/render", read_picture, fields=write_fields(parameters), document=_encode(document))


def convert(document: Document, parameters: Mapping[str, object]) -> Call[Any]:
    """A pose document in another dialect."""
    return Call("POST", "/convert", json.loads, fields=write_fields(parameters), document=_encode(document))


def models() -> Call[dict[str, Any]]:
    """What can be asked for."""
    return Call("GET", "/models", json.loads)


def version() -> Call[dict[str, Any]]:
    """What the server is, and the digests of its networks."""
    return Call("GET", "/version", json.loads)


def _photo_call(
    photo: Photo, parameters: Mapping[str, object], answer_format: str, read: Callable[[bytes], Result]
) -> Call[Result]:
    fields = {**write_fields(parameters), "format": answer_format}
    return Call("POST", "/pose", read, photo=encode_photo(photo), fields=fields)


def _encode(document: Document) -> bytes:
    """The bytes of a document's JSON.

    Raises:
        InvalidDocument: there are none, such as for a NaN.
    """
    plain = document.document if isinstance(document, PoseAnswer) else document
    try:
        return json.dumps(plain, allow_nan=False, default=as_plain).encode()
    except (RecursionError, TypeError, ValueError) as error:
        raise InvalidDocument(f"document: {error}") from error
