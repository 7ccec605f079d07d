"""What an error means to whoever counts failures."""

from app.engine.errors import ClientGone, DeadlineExceeded, EngineError, Unavailable
from app.engine.observe import FailedReason
from pose_core.errors import InvalidInput, ModelError, OutOfMemory, WeightsMissing

FAILED: dict[type[Exception], FailedReason | None] = {
    InvalidInput: None,
    DeadlineExceeded: "deadline",
    ClientGone: "client_gone",
    WeightsMissing: "unavailable",
    EngineError: "unavailable",
    ModelError: "network",
    Exception: "error",
}
"""What each exception means to whoever counts failures; a derived class not listed means the same as its base."""


def why_failed(error: Exception) -> FailedReason | None:
    """The reason; None for bad input, which is no failure."""
    if isinstance(error, Unavailable) and isinstance(error.__cause__, OutOfMemory):
        return "out_of_memory"
    return next(FAILED[kind] for kind in type(error).__mro__ if kind in FAILED)
