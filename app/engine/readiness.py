"""Why the server should not be asked now."""

import logging
from collections.abc import Callable
from threading import Lock

from pose_core.errors import PoseError

logger = logging.getLogger("skelmap")


class Readiness:
    """Reasons against asking this server, each from one source; ready where there are none. Safe for threads.

    Attributes:
        fatal: what only another process can get over; None where all is well.
    """

    def __init__(self, tell: Callable[[bool], None]) -> None:
        self.fatal: PoseError | None = None
        self._tell = tell
        self._reasons: dict[str, str] = {}
        self._lock = Lock()

    @property
    def reasons(self) -> list[str]:
        """Why it is not ready, the oldest first."""
        with self._lock:
            return list(self._reasons.values())

    def report(self, source: str, reason: str | None) -> None:
        """Take note of what a source has to say against being ready, or that it has nothing more to say."""
        with self._lock:
            before = dict(self._reasons)
            if reason is None:
                self._reasons.pop(source, None)
            else:
                self._reasons[source] = reason
            ready, changed = not self._reasons, bool(before) != bool(self._reasons)
        if reason is not None and before.get(source) != reason:
            logger.warning("not ready: %s", reason)
        if changed:
            self._tell(ready)
            if ready:
                logger.info("ready")

    def give_up(self, source: str, error: PoseError) -> None:
        """Take note of what only another process can get over."""
        self.fatal = self.fatal or error
        self.report(source, str(error))
