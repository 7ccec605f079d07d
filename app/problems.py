"""Errors as RFC 9457 problem documents: the only place that knows which error is which status."""

import json
import logging
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.engine import Overloaded
from pose_core.errors import (
    ImageTooLarge,
    InvalidInput,
    ModelError,
    PoseError,
    UnsupportedImage,
    WeightsMissing,
)

MEDIA_TYPE = "application/problem+json"

STATUS: dict[type[Exception], tuple[int, str]] = {
    ImageTooLarge: (413, "Image too large"),
    UnsupportedImage: (415, "Unsupported image format"),
    InvalidInput: (422, "Invalid input"),
    WeightsMissing: (503, "Model not installed"),
    ModelError: (500, "Model failed"),
    PoseError: (500, "Estimation failed"),
}
"""Status and title of each error; a derived class not listed answers as its base."""

MAX_FINDINGS = 20
MAX_VALUE_LENGTH = 100

logger = logging.getLogger("skelmap")

Problem = Mapping[str, Any]


def problem_response(
    request: Request, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None, **extra: object
) -> Response:
    """A problem document; `extra` are its extension members."""
    request_id = request.scope.get("request_id", "")
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "request_id": request_id,
        **extra,
    }
    return Response(_json(body), status, {**(headers or {}), "X-Request-ID": request_id}, media_type=MEDIA_TYPE)


def _json(body: Problem) -> bytes:
    """Whatever the caller sent that the body repeats: half a surrogate pair, or an integer of any size."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        return json.dumps(body).encode()


def describe(error: ValidationError | RequestValidationError) -> list[Problem]:
    """Pydantic's findings, each as field, message, the value seen and the valid choices where there are some.

    What follows from a finding inside a value, such as its list being too short then, is left out, and so is
    everything after the first few.
    """
    findings = [_describe(finding) for finding in error.errors()[:MAX_FINDINGS]]
    fields = [finding["field"] for finding in findings]
    return [finding for finding in findings if not any(other.startswith(f"{finding['field']}[") for other in fields)]


def _describe(error: Mapping[str, Any]) -> Problem:
    context = error.get("ctx") or {}
    location = [str(step) for step in error["loc"] if step not in {"body", "query"}]
    message = "unknown parameter" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
    choices = context.get("choices", [])
    if error["type"] == "literal_error":
        message, choices = "unknown value", re.findall(r"'([^']*)'", context["expected"])
    finding: dict[str, Any] = {"field": context.get("field") or _dotted(location), "message": message}
    if isinstance(error.get("input"), str | int | float | bool | None) and error["type"] != "conflict":
        finding["value"] = _shorten(error["input"])
    if choices:
        finding["choices"] = choices
    return finding


def sentence(finding: Problem) -> str:
    """A finding as one line."""
    value = f", got {finding['value']!r}" if "value" in finding else ""
    choices = f"; valid: {', '.join(finding['choices'])}" if "choices" in finding else ""
    return f"{finding['field']}: {finding['message']}{value}{choices}"


def _dotted(location: Sequence[str]) -> str:
    """`boxes[0][2]` for ("boxes", "0", "2")."""
    steps = (f"[{step}]" if step.isdigit() else step if i == 0 else f".{step}" for i, step in enumerate(location))
    return _cut("".join(steps))


def _shorten(value: object) -> object:
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE_LENGTH else text[: MAX_VALUE_LENGTH - 3] + "..."


async def on_validation_error(request: Request, error: Exception) -> Response:
    """422 with every finding."""
    assert isinstance(error, ValidationError | RequestValidationError)
    findings = describe(error)
    return problem_response(request, 422, "Invalid parameters", "; ".join(map(sentence, findings)), errors=findings)


async def on_pose_error(request: Request, error: Exception) -> Response:
    """The status of the nearest listed base class."""
    status, title = next(STATUS[base] for base in type(error).__mro__ if base in STATUS)
    if isinstance(error, InvalidInput):
        finding: dict[str, Any] = {"field": error.field, "message": error.reason}
        if error.choices:
            finding["choices"] = error.choices
        return problem_response(request, status, title, str(error), errors=[finding])
    if status == 500:
        logger.error("%s %s, request_id %s: %s", *_which(request), error)
        return problem_response(request, status, title, "the server's log has the reason under this request_id")
    return problem_response(request, status, title, str(error))


def _which(request: Request) -> tuple[str, str, str]:
    return request.method, request.url.path, request.scope.get("request_id", "")


async def on_http_error(request: Request, error: Exception) -> Response:
    """Errors of the framework: unknown path, wrong method, malformed multipart."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    return problem_response(request, error.status_code, title, str(error.detail), error.headers)


async def on_overload(request: Request, error: Exception) -> Response:
    """503 with the time to come back."""
    assert isinstance(error, Overloaded)
    return problem_response(request, 503, "Overloaded", str(error), {"Retry-After": str(error.retry_after_s)})


async def on_disconnect(request: Request, error: Exception) -> Response:
    """The caller left in the middle of the body: nobody reads this."""
    del error
    return problem_response(request, 400, "Bad Request", "the body ended early")


async def on_unexpected(request: Request, error: Exception) -> Response:
    """500 without the detail, which only the log gets."""
    logger.error("%s %s, request_id %s, failed", *_which(request), exc_info=error)
    return problem_response(request, 500, "Internal error", "the server's log has the reason under this request_id")


def install(app: FastAPI) -> None:
    """Register every handler."""
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(ValidationError, on_validation_error)
    app.add_exception_handler(PoseError, on_pose_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Overloaded, on_overload)
    app.add_exception_handler(ClientDisconnect, on_disconnect)
    app.add_exception_handler(Exception, on_unexpected)
