"""Errors as HTTP answers: the only place that knows which error is which status.

An exception becomes a `Problem`, and the problem an answer: an RFC 9457 document, or what the clients of the protocol
under that path read.
"""

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.engine import ClientGone, DeadlineExceeded, Overloaded, Unavailable
from app.jobs.job import QueueFull, UnknownJob
from app.routes import method_of, route_of
from app.security.headers import add_headers
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

Finding = Mapping[str, Any]
"""A value that cannot be used: field, message, and where there are some the value seen and the valid choices."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, before it is written down for the clients of one protocol.

    Attributes:
        status: of the HTTP answer.
        title: the kind of problem in a few words.
        detail: all of it in a sentence, with fields, values and valid choices.
        reason: the same without field and choices; empty where several values cannot be used.
        findings: every value that cannot be used.
        headers: of the HTTP answer.
    """

    status: int
    title: str
    detail: str
    reason: str = ""
    findings: Sequence[Finding] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


WriteProblem = Callable[[Request, Problem], Response]
"""Writes a problem as the clients of one protocol read it."""

Shapes = Mapping[str, WriteProblem]
"""How problems are written under a path that starts like this; elsewhere as RFC 9457 documents."""


def problem_response(request: Request, problem: Problem, shapes: Shapes) -> Response:
    """The answer that says what went wrong."""
    path = request.url.path
    write = next((shapes[start] for start in shapes if path.startswith(start)), write_document)
    response = write(request, problem)
    response.headers.update({**problem.headers, "X-Request-ID": request.scope.get("request_id", "")})
    add_headers(response.headers, path)  # also where no layer does, around the server's own failures
    return response


def write_document(request: Request, problem: Problem) -> Response:
    """An RFC 9457 problem document with the extension members `request_id` and, where there are findings, `errors`."""
    body = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request.url.path,
        "request_id": request.scope.get("request_id", ""),
    }
    if problem.findings:
        body["errors"] = problem.findings
    return json_response(body, problem.status, MEDIA_TYPE)


def fastapi_detail(problem: Problem) -> str | list[Finding]:
    """What a program that leaves its errors to FastAPI answers as `detail`: the reason, or a list of findings."""
    return problem.reason or [
        {"loc": ["body", finding["field"]], "msg": finding["message"], "type": "value_error"}
        for finding in problem.findings
    ]


def json_response(body: Mapping[str, Any], status: int, media_type: str = "application/json") -> Response:
    """JSON of whatever the caller sent that the body repeats: half a surrogate pair, or an integer of any size."""
    try:
        return Response(orjson.dumps(body), status, media_type=media_type)
    except orjson.JSONEncodeError:
        return Response(json.dumps(body), status, media_type=media_type)


def describe(error: ValidationError | RequestValidationError) -> list[Finding]:
    """Pydantic's findings, each as field, message, the value seen and the valid choices where there are some.

    What follows from a finding inside a value, such as its list being too short then, is left out, and so is
    everything after the first few.
    """
    findings = [_describe(finding) for finding in error.errors()[:MAX_FINDINGS]]
    fields = [finding["field"] for finding in findings]
    return [finding for finding in findings if not any(other.startswith(f"{finding['field']}[") for other in fields)]


def _describe(error: Mapping[str, Any]) -> Finding:
    context = error.get("ctx") or {}
    location = [str(step) for step in error["loc"] if step not in {"body", "query"}]
    message = "unknown parameter" if error["type"] == "extra_forbidden" else error["msg"].removeprefix("Value error, ")
    choices = context.get("choices", [])
    if error["type"] == "literal_error":
        message, choices = "unknown value", re.findall(r"'([^']*)'", context["expected"])
    finding: dict[str, Any] = {
        "field": context.get("field") or (_dotted(location) if location else "body"),
        "message": message,
    }
    if isinstance(error.get("input"), str | int | float | bool | None) and error["type"] != "conflict":
        finding["value"] = _shorten(error["input"])
    if choices:
        finding["choices"] = choices
    return finding


def sentence(finding: Finding) -> str:
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


def of_validation(_request: Request, error: Exception) -> Problem:
    """422 with every finding."""
    assert isinstance(error, ValidationError | RequestValidationError)
    findings = describe(error)
    return Problem(422, "Invalid parameters", "; ".join(map(sentence, findings)), findings=findings)


def of_pose_error(request: Request, error: Exception) -> Problem:
    """The status of the nearest listed base class."""
    status, title = next(STATUS[base] for base in type(error).__mro__ if base in STATUS)
    if isinstance(error, InvalidInput):
        finding: dict[str, Any] = {"field": error.field, "message": error.reason}
        if error.value is not None:
            finding["value"] = _shorten(error.value)
        if error.choices:
            finding["choices"] = error.choices
        return Problem(status, title, str(error), error.reason, [finding])
    if status == 500:
        logger.error("%s %s, request_id %s: %s", *_which(request), error)
        return _secret(title)
    return Problem(status, title, str(error), str(error))


def _secret(title: str) -> Problem:
    """500 without the detail, which only the log gets."""
    reason = "the server's log has the reason under this request_id"
    return Problem(500, title, reason, reason)


def _which(request: Request) -> tuple[str, str, str]:
    return method_of(request.scope), route_of(request.scope), request.scope.get("request_id", "")


def of_http_error(_request: Request, error: Exception) -> Problem:
    """Errors of the framework: unknown path, wrong method, malformed multipart."""
    assert isinstance(error, HTTPException)
    detail, title = str(error.detail), HTTPStatus(error.status_code).phrase
    return Problem(error.status_code, title, detail, detail, headers=error.headers or {})


def of_overload(_request: Request, error: Exception) -> Problem:
    """503 with the time to come back."""
    assert isinstance(error, Overloaded | Unavailable)
    title = "Overloaded" if isinstance(error, Overloaded) else "Unavailable"
    return Problem(503, title, str(error), str(error), headers={"Retry-After": str(error.retry_after_s)})


def of_deadline(_request: Request, error: Exception) -> Problem:
    """504."""
    return Problem(504, "Deadline exceeded", str(error), str(error))


def of_memory(request: Request, error: Exception) -> Problem:
    """503: the process has no memory for this now; the next request may be smaller."""
    logger.error("%s %s, request_id %s: no memory: %s", *_which(request), error)
    reason = "the server has no memory for this now"
    return Problem(503, "Unavailable", reason, reason, headers={"Retry-After": "1"})


def of_client_gone(_request: Request, error: Exception) -> Problem:
    """499, as proxies log it; nobody reads this."""
    return Problem(499, "Client closed request", str(error), str(error))


def of_full_queue(_request: Request, error: Exception) -> Problem:
    """429 with the time to come back."""
    assert isinstance(error, QueueFull)
    return Problem(429, "Queue full", str(error), str(error), headers={"Retry-After": str(error.retry_after_s)})


def of_unknown_job(_request: Request, error: Exception) -> Problem:
    """404, whether it never was, is somebody else's or has expired."""
    return Problem(404, "No such job", str(error), str(error))


def of_disconnect(_request: Request, _error: Exception) -> Problem:
    """The caller left in the middle of the body: nobody reads this."""
    return Problem(400, "Bad Request", "the body ended early", "the body ended early")


def of_anything(request: Request, error: Exception) -> Problem:
    """What nobody expected."""
    logger.error("%s %s, request_id %s, failed", *_which(request), exc_info=error)
    return _secret("Internal error")


PROBLEMS: dict[type[Exception], Callable[[Request, Exception], Problem]] = {
    RequestValidationError: of_validation,
    ValidationError: of_validation,
    PoseError: of_pose_error,
    HTTPException: of_http_error,
    Overloaded: of_overload,
    Unavailable: of_overload,
    DeadlineExceeded: of_deadline,
    ClientGone: of_client_gone,
    QueueFull: of_full_queue,
    UnknownJob: of_unknown_job,
    MemoryError: of_memory,
    ClientDisconnect: of_disconnect,
    Exception: of_anything,
}
"""What each exception means to a caller; a derived class not listed means the same as its base."""


def install(app: FastAPI, shapes: Shapes) -> None:
    """Answer every exception, under each path in the shape of its protocol."""
    for kind, translate in PROBLEMS.items():
        app.add_exception_handler(kind, _answering(translate, shapes))


def _answering(
    translate: Callable[[Request, Exception], Problem], shapes: Shapes
) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return problem_response(request, translate(request, error), shapes)

    return answer
