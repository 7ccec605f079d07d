"""Who is let in: a bounded number of requests and items, and nobody who could not be served in time.

An item is a row for a network: a photo for the detector, a person for the estimator. How many items a request will be
is known once its people have been found; until then the average counts.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.engine.errors import Overloaded

FORGET: Final = 0.05
"""What the latest request weighs in the averages: about the last twenty count."""


@dataclass(frozen=True, slots=True)
class Room:
    """What fits in.

    Attributes:
        requests: how many, worked on or waiting.
        items: how many, of all of them together.
    """

    requests: int
    items: int


@dataclass(eq=False, slots=True)
class Ticket:
    """A request that was let in.

    Attributes:
        items: how many it is, or is likely to be.
        seen: how many it has turned out to be so far.
        served: whether it has got its answer.
    """

    items: float
    seen: int = 0
    served: bool = False

    def found(self, items: int) -> None:
        """It turned out to have so many more."""
        self.seen += items
        self.items = max(self.items, self.seen)


class Admission:
    """Counts who is in and measures how fast they come out; belongs to one thread.

    Attributes:
        draining: whether the server is ending, so that nobody is let in any more.
    """

    def __init__(self, room: Room, tell: Callable[[int], None], clock: Callable[[], float] = time.monotonic) -> None:
        self.draining = False
        self._room = room
        self._tell = tell
        self._clock = clock
        self._inside: set[Ticket] = set()
        self._usual_items = 1.0
        self._seconds = 0.0
        self._items = 0.0
        self._last = 0.0

    @property
    def requests(self) -> int:
        """How many requests are in."""
        return len(self._inside)

    @property
    def items(self) -> float:
        """How many items those in have, as far as is known."""
        return sum(ticket.items for ticket in self._inside)

    @property
    def item_s(self) -> float:
        """Seconds per item lately, while there was work; 0 before anything is known."""
        return self._seconds / self._items if self._items else 0.0

    def check(self, timeout_s: float) -> None:
        """Nothing, where a request that has this long would be let in now.

        Raises:
            Overloaded: it would not.
        """
        if self.draining:
            raise Overloaded("the server is shutting down", "draining")
        waiting_s = self.items * self.item_s
        if len(self._inside) >= self._room.requests:
            message = f"{len(self._inside)} requests are waiting already, which is the most this server queues"
            raise Overloaded(message, "queue_full", _whole(waiting_s / 2))
        if self._inside and self.items >= self._room.items:
            message = f"{self.items:.0f} people are waiting already, at most {self._room.items} may"
            raise Overloaded(message, "queue_full", _whole(waiting_s / 2))
        if waiting_s > timeout_s:
            message = f"it would take {waiting_s:.1f} s until its turn, and it has {timeout_s:.1f} s"
            raise Overloaded(message, "too_late", _whole(waiting_s - timeout_s))

    def enter(self, timeout_s: float, items: float | None = None) -> Ticket:
        """Let a request in that has this long, of as many items as is usual unless told otherwise.

        Raises:
            Overloaded: it is not let in.
        """
        self.check(timeout_s)
        if not self._inside:
            self._last = self._clock()
        ticket = Ticket(self._usual_items if items is None else items)
        self._inside.add(ticket)
        self._tell(len(self._inside))
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """A request is out, and has left its threads and networks to others."""
        self._inside.remove(ticket)
        if ticket.seen:
            self._learn(ticket)
        self._tell(len(self._inside))

    def _learn(self, ticket: Ticket) -> None:
        now = self._clock()
        if ticket.served:
            self._seconds += FORGET * (now - self._last - self._seconds)
            self._items += FORGET * (ticket.seen - self._items)
            self._usual_items += FORGET * (ticket.seen - self._usual_items)
        self._last = now


def _whole(seconds: float) -> int:
    """Whole seconds for Retry-After, at least one."""
    return max(1, math.ceil(seconds))
