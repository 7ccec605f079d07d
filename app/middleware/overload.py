"""Refusing work before its body is read and its route is looked for: under overload most requests end here."""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from app.engine import Engine, Overloaded
from app.problems import Shapes, of_overload, problem_response


class Overload:
    """Answers POST requests with 503 and Retry-After while the engine lets nobody in.

    The connection stays open: its client is meant to come again, and to close it while a body is still arriving would
    take the answer away from the client. What arrives is dropped.
    """

    def __init__(self, app: ASGIApp, shapes: Shapes) -> None:
        self.app = app
        self.shapes = shapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["method"] == "POST":
            engine: Engine = scope["app"].state.engine
            try:
                engine.check()
            except Overloaded as error:
                request = Request(scope)
                response = problem_response(request, of_overload(request, error), self.shapes)
                await response(scope, receive, send)
                return
        await self.app(scope, receive, send)
