"""What the engine tells whoever counts: a record of functions that do nothing unless they are given.

They are called from the event loop and from the threads of lanes, so they have to be quick and safe to call from any
thread; what they raise is not caught.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Literal

RejectedReason = Literal["queue_full", "too_late", "draining"]
"""Why a request was refused on arrival: no room, no chance of an answer before its deadline, or the server ends."""

FailedReason = Literal["deadline", "client_gone", "out_of_memory", "network", "unavailable", "error"]
"""What became of an accepted request that got no answer of its own: its time was over, its client left, a network had
no memory for it, failed on it or is gone, or something nobody expected."""


@dataclass(frozen=True, slots=True)
class BatchRun:
    """One run of a network.

    Attributes:
        lane: name of the network.
        items: rows that belong to requests.
        size: rows that were run, with those that only fill up.
        requests: how many requests shared it.
        seconds: how long it took.
        failed: whether it raised or answered what cannot be right.
    """

    lane: str
    items: int
    size: int
    requests: int
    seconds: float
    failed: bool


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """A network that is ready to be used.

    Attributes:
        name: of the network.
        sha256: of its file.
        provider: onnxruntime's name of what computes.
        seconds: from opening the file to the end of the warm-up.
    """

    name: str
    sha256: str
    provider: str
    seconds: float


def ignore(*_: object) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Observe:
    """Who is told what.

    Attributes:
        requests: how many requests are in the engine, waiting or worked on; after each change.
        queued: the name of a lane and how many items wait for it; after each change.
        batch: after each run of a network.
        rejected: a request was refused on arrival.
        failed: a request was accepted and got no answer of its own; bad input is none of that.
        finished: a request was answered; seconds per stage: decode, queue (all waiting), letterbox, detector, nms,
            crop, pose, decode_pose, draw, encode, as far as it had them.
        loaded: a network was loaded and warmed up.
        ready: the server became ready, or no longer is.
    """

    requests: Callable[[int], None] = ignore
    queued: Callable[[str, int], None] = ignore
    batch: Callable[[BatchRun], None] = ignore
    rejected: Callable[[RejectedReason], None] = ignore
    failed: Callable[[FailedReason], None] = ignore
    finished: Callable[[Mapping[str, float]], None] = ignore
    loaded: Callable[[ModelLoaded], None] = ignore
    ready: Callable[[bool], None] = ignore


def both(one: Observe, other: Observe) -> Observe:
    """Whoever is told, first the one and then the other."""

    def in_turn(name: str) -> Callable[..., None]:
        first, second = getattr(one, name), getattr(other, name)

        def tell(*what: object) -> None:
            first(*what)
            second(*what)

        return tell

    return Observe(**{field.name: in_turn(field.name) for field in fields(Observe)})
