"""Reading requests: a photo and its parameters from multipart, raw image or JSON bodies; JSON documents."""

from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import aclosing
from typing import Any

import orjson
from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from app.images import ImageLimits, decode_base64
from app.security.fetch import Fetcher
from pose_core.errors import InvalidImage, InvalidInput, UnsupportedImage

BODY_KINDS = ("multipart/form-data", "image/*", "application/octet-stream", "application/json")
MAX_FIELDS = 40
MAX_FIELD_BYTES = 64 * 1024
MAX_PARAMETERS = 100
"""More than this many are an accident or an attack; every one would be a finding of its own."""

Files = dict[str, bytes]
"""The bytes of each file by its name."""


async def read_photo(
    request: Request, limits: ImageLimits, fetcher: Fetcher | None = None
) -> tuple[bytes, dict[str, Any]]:
    """The bytes of the photo and the parameters of query and body.

    With a fetcher, JSON may name the photo by its web address.

    Raises:
        InvalidInput: no photo, more than one, or a parameter given twice.
        UnsupportedImage: a body of another kind.
        HTTPException: 400 for malformed multipart.
    """
    kind = _content_type(request)
    parameters = query_parameters(request)
    if kind == "multipart/form-data":
        data, fields = await _read_form(request)
    elif kind == "application/json":
        document = await read_json(request)
        if not isinstance(document, dict):
            raise InvalidInput(f"expected a JSON object, got {type(document).__name__}", field="body")
        data, fields = await _take_photo(document, limits, fetcher), document
    elif kind.startswith("image/") or kind in {"application/octet-stream", "application/x-www-form-urlencoded", ""}:
        # curl --data-binary calls everything a form unless told otherwise
        data, fields = await request.body(), {}
    else:
        raise UnsupportedImage(f"unsupported Content-Type {kind!r}", field="body", choices=BODY_KINDS)
    if not data:
        raise InvalidImage("no image: the body is empty", field="image")
    return data, merge(parameters, fields)


async def read_files(request: Request, limits: ImageLimits, names: Collection[str]) -> tuple[Files, dict[str, Any]]:
    """Several named files, and the parameters of query and body.

    In multipart a file is a file field, or text for JSON; in a JSON body base64, or the JSON itself.

    Raises:
        InvalidInput: a file of another name, or one that cannot be read; a parameter given twice.
        UnsupportedImage: a body of another kind.
        HTTPException: 400 for malformed multipart or JSON.
    """
    kind = _content_type(request)
    if kind == "multipart/form-data":
        given = await _read_parts(request, names)
    elif kind == "application/json":
        document = await read_json(request)
        if not isinstance(document, dict):
            raise InvalidInput(f"expected a JSON object, got {type(document).__name__}", field="body")
        given = {
            name: _file_in_json(name, value, limits) if name in names else value for name, value in document.items()
        }
    else:
        choices = ("multipart/form-data", "application/json")
        raise UnsupportedImage(f"unsupported Content-Type {kind!r}", field="body", choices=choices)
    files = {name: value for name, value in given.items() if name in names}
    fields = {name: value for name, value in given.items() if name not in names}
    return files, merge(query_parameters(request), fields)


async def read_document(request: Request) -> tuple[object, dict[str, Any]]:
    """A pose document as the JSON body and the parameters of the query.

    Raises:
        HTTPException: 400 for a body that is not JSON.
    """
    return await read_json(request), query_parameters(request)


async def read_json(request: Request) -> object:
    """The body as JSON values.

    Raises:
        HTTPException: 400 where it is not JSON.
    """
    try:
        return orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise HTTPException(400, f"the body is not JSON: {error}") from error


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def query_parameters(request: Request) -> dict[str, Any]:
    """Query parameters.

    Raises:
        InvalidInput: one was given twice.
    """
    return _once(request.query_params.multi_items())


def merge(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both together.

    Raises:
        InvalidInput: one parameter was given in both, or there are too many.
    """
    if len(one) + len(other) > MAX_PARAMETERS:
        raise InvalidInput(f"more than {MAX_PARAMETERS} parameters", field="body" if other else "query")
    for name in other:
        if name in one:
            raise InvalidInput("given in the query and in the body", field=name)
    return {**one, **other}


def _once(items: list[tuple[str, Any]]) -> dict[str, Any]:
    for name, count in Counter(name for name, _ in items).items():
        if count > 1:
            raise InvalidInput("given more than once; lists are written with commas", field=name)
    return dict(items)


async def _read_form(request: Request) -> tuple[bytes, dict[str, Any]]:
    async with aclosing(request.stream()) as stream:
        parser = MultiPartParser(
            request.headers, stream, max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )
        parser.spool_max_size = 0  # no temporary file: the body is bounded, and the disk may be read-only
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise HTTPException(400, error.message) from error
        except UnicodeError as error:  # in the charset that the sender chose
            raise HTTPException(400, f"the text of the form cannot be decoded: {error}") from error
    try:
        return await _photo_and_fields(form)
    finally:
        await form.close()


async def _photo_and_fields(form: FormData) -> tuple[bytes, dict[str, Any]]:
    fields = _once(form.multi_items())
    upload = fields.pop("image", None)
    misplaced = [name for name, value in fields.items() if isinstance(value, UploadFile)]
    if misplaced:
        raise InvalidInput("is a file; the photo belongs into the field 'image'", field=misplaced[0])
    if not isinstance(upload, UploadFile):
        seen = "no such field" if upload is None else "a text field"
        raise InvalidImage(f"expected the photo as the file field 'image', got {seen}", field="image")
    return await upload.read(), fields


async def _read_parts(request: Request, names: Collection[str]) -> dict[str, Any]:
    """Files as bytes and fields as text."""
    try:
        async with request.form(max_files=len(names), max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES) as form:
            given = _once(form.multi_items())
            for name, value in given.items():
                if isinstance(value, UploadFile) and name not in names:
                    raise InvalidInput("is a file; files are", field=name, choices=names)
                if name in names:
                    given[name] = await value.read() if isinstance(value, UploadFile) else value.encode()
            return given
    except UnicodeError as error:  # in the charset that the sender chose
        raise HTTPException(400, f"the text of the form cannot be decoded: {error}") from error


def _file_in_json(name: str, value: object, limits: ImageLimits) -> bytes:
    if isinstance(value, dict | list):
        return orjson.dumps(value)
    if not isinstance(value, str):
        raise InvalidInput(f"expected base64 text or a data URL, got {type(value).__name__}", field=name)
    try:
        return decode_base64(value, limits)
    except InvalidInput as error:
        raise error.about(name) from error


async def _take_photo(document: dict[str, Any], limits: ImageLimits, fetcher: Fetcher | None) -> bytes:
    image = document.pop("image", None)
    if not isinstance(image, str):
        raise InvalidImage(f"expected base64 text or a data URL, got {type(image).__name__}", field="image")
    if fetcher is not None and image[:8].lower().startswith(("http://", "https://")):
        return await fetcher.load(image)
    return decode_base64(image, limits)
