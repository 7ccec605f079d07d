"""When a request that failed is sent again.

Every route is a pure function of the request, so sending one twice does no harm.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from skelmap_client.errors import NotReachable, SkelmapError, TimedOut, Unavailable


@dataclass(frozen=True)
class Retries:
    """How often and how patiently.

    Attributes:
        most: further tries after the first.
        backoff_s: wait before the second try; doubled with each. A longer wait that the server asks for is kept.
        longest_wait_s: a server that asks for more than this is not asked again.
    """

    most: int = 3
    backoff_s: float = 0.5
    longest_wait_s: float = 30.0

    def wait_s(self, failure: SkelmapError, tried: int) -> float | None:
        """Seconds to wait after the `tried`-th try failed; None to give up.

        Again: a server that is busy or not there. Not again: a refusal, which would be repeated, and a server that
        took too long, which would be asked to do the same work once more.
        """
        if tried > self.most:
            return None
        backoff_s = self.backoff_s * 2 ** (tried - 1)
        if isinstance(failure, Unavailable) and failure.retry_after_s is not None:
            return max(backoff_s, failure.retry_after_s) if failure.retry_after_s <= self.longest_wait_s else None
        if isinstance(failure, NotReachable) and not isinstance(failure, TimedOut):
            return backoff_s
        return None


PATIENT = Retries()
"""Three further tries within some seconds, or when the server says."""


def read_retry_after(header: str, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks for, written as seconds or as a date; 0 where it cannot be read."""
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", header.strip()):
        return float(header)
    try:
        then = parsedate_to_datetime(header)
    except (OverflowError, TypeError, ValueError):  # Python 3.9 raises the first two
        return 0.0
    if then.tzinfo is None:
        then = then.replace(tzinfo=timezone.utc)
    return max(0.0, (then - (now or datetime.now(timezone.utc))).total_seconds())
