"""Nobody without a key, and nothing of what they send is read."""

from collections.abc import Container, Sequence

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.middleware.refusal import refuse
from app.problems import Problem, Shapes
from app.security.keys import Key, name_of

CHALLENGE = 'Basic realm="skelmap", charset="UTF-8", Bearer realm="skelmap"'
DETAIL = "an API key is needed, as X-API-Key, as bearer token, or as the password of Basic authentication"


class KeyGate:
    """Answers 401 to requests without one of the keys, except on paths that are open to all.

    Whose key it is stands in `scope["state"]["key_name"]` afterwards; empty on open paths and where there are no keys.
    """

    def __init__(self, app: ASGIApp, keys: Sequence[Key], open_paths: Container[str], shapes: Shapes) -> None:
        self.app = app
        self.keys = keys
        self.open_paths = open_paths
        self.shapes = shapes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        name = name_of(Headers(scope=scope), self.keys)
        if self.keys and name is None and scope["path"] not in self.open_paths:
            await self._refuse(scope, receive, send)
            return
        scope.setdefault("state", {})["key_name"] = name or ""
        await self.app(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        problem = Problem(401, "Key needed", DETAIL, DETAIL, headers={"WWW-Authenticate": CHALLENGE})
        await refuse(scope, receive, send, problem, self.shapes)
