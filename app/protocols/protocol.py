"""What every wire dialect is."""

from dataclasses import dataclass

from fastapi import APIRouter

from app.problems import WriteProblem, write_document


@dataclass(frozen=True, slots=True)
class Protocol:
    """The routes that one family of clients calls.

    Attributes:
        router: the routes.
        problem_paths: what paths start with under which this protocol's clients read errors.
        write_problem: an error as they read it.
    """

    router: APIRouter
    problem_paths: tuple[str, ...] = ()
    write_problem: WriteProblem = write_document
