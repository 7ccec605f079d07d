"""Sends a call once and turns whatever comes back into a result or an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter

from skelmap_client.calls import NO_RESULT, Call
from skelmap_client.errors import (
    STATUS,
    Finding,
    NotReachable,
    RequestFailed,
    ServerFailed,
    TimedOut,
    Unavailable,
    UnexpectedAnswer,
    one_line,
)
from skelmap_client.retries import read_retry_after
from skelmap_client.server import Server

Result = TypeVar("Result")


class Transport:
    """A server and the connections to it that are kept open.

    One session for all threads: its pool of connections is safe to share, and without cookies nothing else changes.
    """

    def __init__(self, server: Server, connections: int) -> None:
        self._server = server
        self._session = requests.Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(pool_maxsize=connections))
        if server.api_key:
            self._session.headers["X-API-Key"] = server.api_key

    def send(self, call: Call[Result]) -> Result:
        """The result of one try.

        Raises:
            NotReachable, RequestFailed, UnexpectedAnswer: there is none.
        """
        url, timeout_s = self._server.url + call.path, self._server.timeout_s
        try:
            response = self._session.request(call.method, url, timeout=timeout_s, allow_redirects=False, **_body(call))
        except requests.Timeout as error:
            raise TimedOut(f"{url} did not answer within {timeout_s:g} s") from error
        except (requests.RequestException, OSError, UnicodeError) as error:
            raise NotReachable(f"{url} cannot be reached: {root_cause(error)}") from error
        if response.status_code != 200:
            raise read_failure(url, response)
        try:
            return call.read(response.content)
        except NO_RESULT as error:
            reason = one_line(f"{type(error).__name__}: {error}")
            raise UnexpectedAnswer(f"{url} does not answer as a Skelmap server does: {reason}") from error

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _body(call: Call[Any]) -> dict[str, Any]:
    """What of a call goes where in requests' terms."""
    if call.photo is not None:
        return {"files": {"image": call.photo}, "data": call.fields}
    if call.document is not None:
        headers = {"Content-Type": "application/json"}
        return {"data": call.document, "headers": headers, "params": call.fields}
    return {"params": call.fields}


def root_cause(error: BaseException) -> str:
    """The innermost reason: `[Errno 111] Connection refused` out of three layers around it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return " ".join(str(error).split()) or type(error).__name__


def read_failure(url: str, response: requests.Response) -> RequestFailed:
    """The error that an answer stands for: by its status, with what a problem document says."""
    problem, status = _read_problem(response), response.status_code
    kind = STATUS.get(status, ServerFailed if status >= 500 else RequestFailed)
    failure = kind(
        url,
        status,
        title=str(problem.get("title", "")),
        detail=str(problem.get("detail", "" if problem else response.reason)),
        request_id=str(problem.get("request_id", response.headers.get("X-Request-ID", ""))),
        findings=tuple(_read_finding(found) for found in _list(problem.get("errors")) if isinstance(found, dict)),
    )
    if isinstance(failure, Unavailable):
        failure.retry_after_s = _retry_after(response, own=bool(problem))
    return failure


def _retry_after(response: requests.Response, *, own: bool) -> float | None:
    """What the server asks for; its own 503 without Retry-After names something that waiting does not bring."""
    header = response.headers.get("Retry-After")
    if header is not None:
        return read_retry_after(header)
    return None if own and response.status_code == 503 else 0.0


def _read_problem(response: requests.Response) -> Mapping[str, Any]:
    """The problem document (RFC 9457) of an answer; empty where it has none, such as a proxy's."""
    if not response.headers.get("Content-Type", "").startswith("application/problem+json"):
        return {}
    try:
        problem = json.loads(response.content)
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


def _read_finding(finding: Mapping[str, Any]) -> Finding:
    return Finding(
        field=str(finding.get("field", "")),
        message=str(finding.get("message", "")),
        value=finding.get("value"),
        choices=tuple(map(str, _list(finding.get("choices")))),
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
