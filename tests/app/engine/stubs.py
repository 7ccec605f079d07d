"""A network of a few lines that can be held up and can fail in every way, for lanes and engines under test."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from pose_core.errors import ModelError
from pose_core.session import Stop
from pose_core.steps import Outputs

PATIENCE_S = 20.0
"""How long a test waits for what has to happen; long only where it fails."""


def rows_of(*values: float) -> np.ndarray:
    """One row of 3 x 1 x 1 per value."""
    return np.array(values, np.float32).reshape(-1, 1, 1, 1).repeat(3, axis=1)


@dataclass
class StubNetwork:
    """Answers each row with ten times its value, unless it is told to fail.

    Attributes:
        batch_sizes: what it accepts.
        fails: called with the values of a batch before it is answered; what it raises is raised.
        answer: makes another answer out of the values.
        batches: the values of every batch so far, padding included.
        entered: set when a run has begun.
        open: runs wait until it is set.
    """

    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    fails: Callable[[Sequence[float]], None] = lambda _: None
    answer: Callable[[np.ndarray], Outputs] = lambda values: {"x": values * 10}
    batches: list[list[float]] = field(default_factory=list)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    open: threading.Event = field(default_factory=threading.Event)
    stops: list[Stop | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open.set()

    def blank(self, batch_size: int) -> np.ndarray:
        """Zeros."""
        return np.zeros((batch_size, 3, 1, 1), np.float32)

    def run(self, tensor: np.ndarray, stop: Stop | None = None) -> Outputs:
        """Ten times the values."""
        values = tensor[:, 0, 0, 0]
        self.batches.append(values.tolist())
        self.stops.append(stop)
        self.entered.release()
        if not self.open.wait(PATIENCE_S):
            raise AssertionError("nobody opened the network")
        self.fails(values.tolist())
        return self.answer(values)

    def wait_for_run(self) -> None:
        """Until one more run has begun."""
        assert self.entered.acquire(timeout=PATIENCE_S)


def poisoned_by(value: float, error: Exception | None = None) -> Callable[[Sequence[float]], None]:
    """Fails whenever a row of this value is in the batch."""

    def fails(values: Sequence[float]) -> None:
        if value in values:
            raise error or ModelError(f"cannot digest {value:g}")

    return fails
