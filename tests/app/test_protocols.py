"""What holds for every wire dialect."""

import json
import tomllib
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.requests import Request

from app.problems import Problem
from app.protocols import PROTOCOLS
from app.protocols.a1111 import MODULES
from app.protocols.protocol import Protocol
from app.protocols.sdnext import PREPROCESSORS

ROOT = Path(__file__).parents[2]

every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS)


def paths(protocol: Protocol) -> list[str]:
    """The paths of its routes, whatever their methods."""
    return list(dict.fromkeys(route.path for route in protocol.router.routes if isinstance(route, APIRoute)))


def test_no_path_belongs_to_two() -> None:
    everything = [path for protocol in PROTOCOLS.values() for path in paths(protocol)]
    assert len(everything) == len(set(everything))


@every_protocol
def test_errors_have_one_shape_under_all_paths_of_a_protocol(protocol: Protocol) -> None:
    starts = {start: other for other in PROTOCOLS.values() for start in other.problem_paths}
    for path in paths(protocol):
        claimed = [other for start, other in starts.items() if path.startswith(start)]
        assert claimed == ([protocol] if protocol.problem_paths else [])


@every_protocol
@pytest.mark.parametrize(
    "problem",
    [
        Problem(413, "Body too large", "too many bytes", "too many bytes"),
        Problem(422, "Invalid", "a: wrong; b: wrong", findings=[{"field": "a", "message": "wrong", "value": "\ud800"}]),
    ],
)
def test_every_shape_says_what_is_wrong(protocol: Protocol, problem: Problem) -> None:
    request = Request({"type": "http", "method": "POST", "path": "/", "headers": [], "query_string": b""})
    answer = protocol.write_problem(request, problem)
    assert answer.status_code == problem.status
    body = json.loads(bytes(answer.body))
    assert body["detail"]
    assert problem.detail in body.values()


def test_every_file_is_in_the_import_rule() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (rule,) = [contract for contract in contracts if contract["name"] == "wire protocols do not know each other"]
    assert sorted(rule["modules"]) == sorted(f"app.protocols.{name}" for name in PROTOCOLS)


def test_the_page_for_users_names_every_module_and_model() -> None:
    pages = (ROOT / "docs" / "clients" / name for name in ("a1111-forge.md", "sdnext.md"))
    page = "".join(path.read_text() for path in pages)
    assert [name for name in (*MODULES, *PREPROCESSORS) if f"`{name}`" not in page] == []
