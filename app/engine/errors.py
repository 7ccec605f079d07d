"""Why the engine gives no answer; `app.problems` translates to HTTP.

EngineError
├── Overloaded        refused on arrival: no room, no chance before the deadline, or the server is ending
├── Unavailable       accepted, but the network behind it cannot be used now
├── DeadlineExceeded  accepted, and not done in time
└── ClientGone        nobody waits for the answer any more
"""

from app.engine.observe import RejectedReason


class EngineError(Exception):
    """Base of everything the engine raises on purpose."""


class Overloaded(EngineError):
    """Refused on arrival.

    Attributes:
        reason: why, in a word.
        retry_after_s: when it is worth trying again.
    """

    def __init__(self, message: str, reason: RejectedReason, retry_after_s: int = 1) -> None:
        self.reason: RejectedReason = reason
        self.retry_after_s = retry_after_s
        super().__init__(message)


class Unavailable(EngineError):
    """The network cannot be used now.

    Attributes:
        retry_after_s: when it is worth trying again.
    """

    def __init__(self, message: str, retry_after_s: int = 1) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class DeadlineExceeded(EngineError):
    """Not done in time."""


class ClientGone(EngineError):
    """The client left before its answer was there."""
