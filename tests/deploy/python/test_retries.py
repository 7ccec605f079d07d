"""When a failure is worth another try."""

from datetime import UTC, datetime

import pytest
from skelmap_client import InvalidRequest, NotReachable, Retries, ServerFailed, SkelmapError, TimedOut, Unavailable
from skelmap_client.retries import read_retry_after

PATIENCE = Retries(most=3, backoff_s=0.5, longest_wait_s=30)


def unavailable(retry_after_s: float | None) -> Unavailable:
    failure = Unavailable("http://there/pose", 503)
    failure.retry_after_s = retry_after_s
    return failure


@pytest.mark.parametrize(
    ("failure", "waits"),
    [
        (unavailable(0), [0.5, 1, 2, None]),
        (unavailable(1), [1, 1, 2, None]),
        (unavailable(30), [30, 30, 30, None]),
        (unavailable(31), [None]),
        (unavailable(None), [None]),
        (NotReachable("there"), [0.5, 1, 2, None]),
        (TimedOut("there"), [None]),
        (InvalidRequest("http://there/pose", 422), [None]),
        (ServerFailed("http://there/pose", 500), [None]),
    ],
)
def test_waits(failure: SkelmapError, waits: list[float | None]) -> None:
    assert [PATIENCE.wait_s(failure, tried) for tried in range(1, len(waits) + 1)] == waits


def test_no_retries() -> None:
    assert Retries(most=0).wait_s(unavailable(0), 1) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        (" 7.5 ", 7.5),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0),
        ("Thu, 01 Jan 2026 12:00:30 +99999999999999999999", 0),
        ("soon", 0),
        ("-1", 0),
        ("", 0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    assert read_retry_after(header, now=datetime(2026, 1, 1, 12, tzinfo=UTC)) == seconds
