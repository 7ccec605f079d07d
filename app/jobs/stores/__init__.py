"""Where jobs are kept: one file per kind of database, chosen by the scheme of a URL."""

from dataclasses import dataclass
from importlib import import_module

from app.jobs.store import JobStore
from pose_core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Backend:
    """A kind of database.

    Attributes:
        module: has `open_store(url)`; named instead of imported, because most databases are not installed.
        extra: of the package, brings what the module imports.
    """

    module: str
    extra: str


STORES: dict[str, Backend] = {
    "sqlite": Backend("app.jobs.stores.sql", "controlnet"),
    "postgresql": Backend("app.jobs.stores.sql", "postgresql"),
    "redis": Backend("app.jobs.stores.redis", "redis"),
    "rediss": Backend("app.jobs.stores.redis", "redis"),
}
"""Kinds of databases by the scheme of their URL."""


def scheme_of(url: str) -> str:
    """The scheme of a URL, without the driver.

    Raises:
        InvalidInput: no store has it.
    """
    scheme = url.partition(":")[0].partition("+")[0]
    if scheme not in STORES:
        raise InvalidInput("unknown kind of job store", field="SKELMAP_JOBS_URL", value=scheme, choices=STORES)
    return scheme


def open_store(url: str) -> JobStore:
    """The store behind a URL, made where it does not exist yet.

    Raises:
        InvalidInput: a scheme that no store has, a library that is not installed, or a database that does not answer.
    """
    scheme = scheme_of(url)
    backend = STORES[scheme]
    try:
        store: JobStore = import_module(backend.module).open_store(url)
    except ImportError as error:
        reason = f"needs {error.name}, which is not installed: pip install 'skelmap[{backend.extra}]'"
        raise InvalidInput(reason, field="SKELMAP_JOBS_URL", value=scheme) from error
    return store
