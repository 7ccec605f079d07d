"""Which route a request meant, in words that a stranger cannot choose: for logs and counters."""

from collections.abc import Iterable

from starlette.routing import BaseRoute, Match
from starlette.types import Scope

UNKNOWN = "unknown"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def route_of(scope: Scope, routes: Iterable[BaseRoute] = ()) -> str:
    """The template of a request's path, such as /jobs/{id}; `unknown` where there is no such path.

    A request that was turned away before it was routed is looked up among `routes`.
    """
    found = scope.get("route") or next((route for route in routes if route.matches(scope)[0] is not Match.NONE), None)
    return str(getattr(found, "path", UNKNOWN))


def method_of(scope: Scope) -> str:
    """The method, `OTHER` where it is none of HTTP's usual ones."""
    return scope["method"] if scope["method"] in METHODS else "OTHER"
