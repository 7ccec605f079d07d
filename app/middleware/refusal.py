"""How requests are turned away before their body is read."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from app.problems import Problem, Shapes, problem_response


async def refuse(scope: Scope, receive: Receive, send: Send, problem: Problem, shapes: Shapes) -> None:
    """Answer in the shape of the path's protocol, and close the connection where a body would follow."""
    response = problem_response(Request(scope), problem, shapes)
    if has_body(scope):
        response.headers["Connection"] = "close"
    await response(scope, receive, send)


def has_body(scope: Scope) -> bool:
    """Whether the request announces a body."""
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
