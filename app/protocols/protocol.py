"""What every wire dialect is."""

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.routing import APIRoute

from app.problems import WriteProblem, write_document


@dataclass(frozen=True, slots=True)
class Protocol:
    """The routes that one family of clients calls.

    Attributes:
        router: the routes.
        problem_paths: what paths start with under which this protocol's clients read errors.
        write_problem: an error as they read it.
        is_open: whether its routes need no key and count for no limit.
    """

    router: APIRouter
    problem_paths: tuple[str, ...] = ()
    write_problem: WriteProblem = write_document
    is_open: bool = False

    @property
    def paths(self) -> frozenset[str]:
        """Paths of the routes."""
        return frozenset(route.path for route in self.router.routes if isinstance(route, APIRoute))
