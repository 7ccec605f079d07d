"""Many workers, none of whom has to survive: shards of lost ones are given to others."""

import logging
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from app.batch.plan import Shard
from app.batch.worker import Failed, Outcome, Unusable
from pose_core.errors import ModelError

logger = logging.getLogger("skelmap")

ATTEMPTS: Final = 3
"""How often a shard is tried: one that ends every worker would otherwise be given out for ever."""


@dataclass(frozen=True, slots=True)
class Seen:
    """So many photos of a shard are done."""

    photos: int


Event = tuple[Shard, Seen | Outcome]


class Crew(Protocol):
    """Workers that do one shard at a time each."""

    def has_room(self) -> bool:
        """Whether another shard can be given out."""

    def give(self, shard: Shard) -> None:
        """Give a shard to a worker who is free, or is new."""

    def wait(self) -> Sequence[Event]:
        """What has happened since, at least one event; a worker that is lost has failed.

        A worker that failed is replaced by a new one: its process or device may not be what it was.
        """

    def dismiss_idle(self) -> None:
        """Send home who is free, as there is nothing more to give out."""

    def close(self) -> None:
        """End all workers at once."""


def work_off(crew: Crew, shards: Sequence[Shard]) -> Iterator[Event]:
    """Have every shard done, and tell what happens; the `Failed` that are told are those that stay so.

    Raises:
        ModelError: a worker cannot load the networks.
    """
    waiting, given = deque(shards), 0
    attempts: Counter[str] = Counter()
    while waiting or given:
        while waiting and crew.has_room():
            shard = waiting.popleft()
            attempts[shard.name] += 1
            crew.give(shard)
            given += 1
        if not waiting:
            crew.dismiss_idle()
        for shard, event in crew.wait():
            if isinstance(event, Unusable):
                raise ModelError(event.reason)
            given -= not isinstance(event, Seen)
            if isinstance(event, Failed) and not event.final and attempts[shard.name] < ATTEMPTS:
                logger.warning("%s failed and is tried again: %s", shard.name, event.reason)
                waiting.append(shard)
                yield shard, Seen(0)
            else:
                yield shard, event
