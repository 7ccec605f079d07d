"""Work that needs networks, told as steps, so that one telling serves the command line and the server.

A step computes up to where it needs a network, hands over the rows that should go through it, and goes on with what
the network answers. Whoever takes the steps decides where a network runs and with whose rows: `run_steps` runs it at
once, in the same thread; a server can put the rows of many requests into one batch.
"""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float32, Shaped

from pose_core.errors import ModelError
from pose_core.session import Session, Stop
from pose_core.timing import Timer

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

Outputs = Mapping[str, Shaped[np.ndarray, "..."]]
"""Every output of a network by its name, as many rows as went in."""


@runtime_checkable
class Network(Protocol):
    """What a step may wait for; `pose_core.session.Session` is one."""

    @property
    def batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes it accepts, ascending."""

    def blank(self, batch_size: int) -> Float32[np.ndarray, "batch 3 height width"]:
        """A batch of nothing, to find out whether it runs."""

    def run(self, tensor: Float32[np.ndarray, "batch 3 height width"], stop: Stop | None = None) -> Outputs:
        """Every output by its name; `stop` ends the run from another thread.

        Raises:
            ModelError: it failed.
        """


@dataclass(frozen=True, slots=True)
class NetworkRun:
    """What a step waits for.

    Attributes:
        network: what is to be run.
        rows: what should go through it; every row is answered independently of the others.
        stage: what the time it takes is booked under.
    """

    network: Network
    rows: Float32[np.ndarray, "rows 3 height width"]
    stage: str


Steps = Generator[NetworkRun, Outputs, Result]
"""Takes the answer of each run it asked for, ends with a result."""


def run_steps(steps: Steps[Result], timer: Timer) -> Result:
    """Take all steps in this thread and run each network as soon as it is asked for.

    Raises:
        ModelError: a network failed.
    """
    try:
        run = next(steps)
        while True:
            with timer(run.stage):
                outputs = run_in_batches(run.network, run.rows)
            run = steps.send(outputs)
    except StopIteration as finished:
        result: Result = finished.value
        return result


def without_networks(function: Callable[Arguments, Result]) -> Callable[Arguments, Steps[Result]]:
    """A function as the steps of somebody who needs no network."""

    def steps(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Steps[Result]:
        yield from ()
        return function(*args, **kwargs)

    return steps


def run_in_batches(network: Network, rows: Float32[np.ndarray, "rows 3 height width"]) -> Outputs:
    """The outputs of all rows, in batches of the sizes that the network accepts, filled up with zeros.

    Raises:
        ModelError: the network failed.
    """
    parts = []
    for start, stop, size in plan_batches(len(rows), network.batch_sizes):
        outputs = network.run(fill_up(rows[start:stop], size))
        parts.append({name: output[: stop - start] for name, output in outputs.items()})
    return join(parts)


def fill_up(rows: Float32[np.ndarray, "rows 3 height width"], size: int) -> Float32[np.ndarray, "batch 3 height width"]:
    """The rows and as many zero rows as make a batch of that size."""
    if len(rows) == size:
        return rows
    batch = np.zeros((size, *rows.shape[1:]), np.float32)
    batch[: len(rows)] = rows
    return batch


def join(parts: Sequence[Outputs]) -> Outputs:
    """The outputs of consecutive rows as one."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def plan_batches(count: int, sizes: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Cut `count` rows into batches of the given ascending sizes: start, stop, batch size.

    Full batches of the largest size first, then the smallest size that holds the rest.
    """
    start = 0
    while start < count:
        left = count - start
        batch_size = next((size for size in sizes if size >= left), sizes[-1])
        stop = min(start + batch_size, count)
        yield start, stop, batch_size
        start = stop


def require_finite(values: Shaped[np.ndarray, "..."], session: Session) -> None:
    """What a network answered has to be numbers.

    Raises:
        ModelError: it is infinite or no number at all, as with a damaged file or a failing device.
    """
    if not np.isfinite(values).all():
        raise ModelError(f"{session.path.name} answered numbers that are not finite on {session.provider}")
