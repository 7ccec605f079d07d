"""A service of many replicas in simulated time: who waits how long, and who is turned away.

Photos arrive at random (Poisson). Each goes to the less busy of two replicas drawn at random, as Ray Serve does it. A
replica has lanes, which take what waits in batches, and a queue of limited length. How long a batch takes has been
measured, or is reckoned from a fixed and a growing part.
"""

import random
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
import simpy

Draw = Callable[[int, random.Random], float]
"""Seconds that a batch of so many photos takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How a replica works off its queue.

    Attributes:
        lanes: batches at the same time.
        max_batch: photos of a batch at the most.
        max_delay_s: how long a batch that is not full waits for more; 0 takes what is there.
        max_queue: photos that wait at the most; more are turned away.
    """

    lanes: int = 1
    max_batch: int = 1
    max_delay_s: float = 0.0
    max_queue: int = 32


@dataclass(slots=True)
class Outcome:
    """What became of the photos that arrived after the warm-up.

    Attributes:
        seconds: simulated time after the warm-up.
        latencies_s: from arrival to answer, of each answered one.
        refused: how many were turned away.
        batches: sizes of all batches.
    """

    seconds: float
    latencies_s: list[float] = field(default_factory=list)
    refused: int = 0
    batches: list[int] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies_s) / self.seconds

    @property
    def refused_share(self) -> float:
        """Share of the photos that were turned away."""
        return self.refused / max(1, self.refused + len(self.latencies_s))

    def latency_s(self, percentile: float) -> float:
        """A percentile of the latencies; infinite if nobody was answered."""
        return float(np.percentile(self.latencies_s, percentile)) if self.latencies_s else float("inf")


def replayed(times_s: Sequence[float]) -> Draw:
    """Batches of one photo that take the given times, in their order, again and again: slow spells stay together."""
    times = cycle(times_s)
    return lambda _count, _chance: next(times)


def linear(fixed_s: float, each_s: float) -> Draw:
    """Batches that take a fixed time and some more for each photo, always the same."""
    return lambda count, _chance: fixed_s + each_s * count


class Replica:
    """A queue and the lanes that work it off."""

    def __init__(self, world: simpy.Environment, policy: Policy, draw: Draw, chance: random.Random) -> None:
        self.world = world
        self.policy = policy
        self.draw = draw
        self.chance = chance
        self.waiting: deque[float] = deque()
        self.running = 0
        self.busy = 0
        self.arrival = world.event()
        self.batches: list[tuple[float, list[float]]] = []
        for _ in range(policy.lanes):
            world.process(self.lane())

    @property
    def load(self) -> int:
        """Photos that wait or are worked on."""
        return len(self.waiting) + self.running

    def take(self) -> bool:
        """Queue a photo that arrives now; whether there was room."""
        if len(self.waiting) >= self.policy.max_queue and self.busy == self.policy.lanes:
            return False
        self.waiting.append(self.world.now)
        self.arrival.succeed()
        self.arrival = self.world.event()
        return True

    def lane(self) -> Generator[Any, Any, None]:
        """Batch after batch, for ever."""
        while True:
            while not self.waiting:
                yield self.arrival
            yield from self.gather()
            batch = [self.waiting.popleft() for _ in range(min(len(self.waiting), self.policy.max_batch))]
            if not batch:
                continue  # another lane was faster
            self.busy, self.running = self.busy + 1, self.running + len(batch)
            yield self.world.timeout(self.draw(len(batch), self.chance))
            self.busy, self.running = self.busy - 1, self.running - len(batch)
            self.batches.append((self.world.now, batch))

    def gather(self) -> Generator[Any, Any, None]:
        """Wait for more photos while the oldest may be made to wait."""
        while 0 < len(self.waiting) < self.policy.max_batch:
            left_s = self.waiting[0] + self.policy.max_delay_s - self.world.now
            if left_s <= 0:
                return
            yield self.arrival | self.world.timeout(left_s)


def simulate(
    rate: float, replicas: int, draw: Draw, policy: Policy, *, seconds: float, warm_up_s: float = 0.0, seed: int = 0
) -> Outcome:
    """Let photos arrive for some time.

    Args:
        rate: photos per second, over all replicas.
        replicas: how many there are.
        draw: how long batches take.
        policy: of every replica.
        seconds: how long it is looked at, after the warm-up.
        warm_up_s: what arrives before is not counted.
        seed: of the random numbers.
    """
    chance, world, outcome = random.Random(seed), simpy.Environment(), Outcome(seconds)  # noqa: S311 - no secret
    crowd = [Replica(world, policy, draw, chance) for _ in range(replicas)]

    def arrive() -> Generator[Any, Any, None]:
        while True:
            yield world.timeout(chance.expovariate(rate))
            replica = min((chance.choice(crowd), chance.choice(crowd)), key=lambda one: one.load)
            if not replica.take() and world.now >= warm_up_s:
                outcome.refused += 1

    world.process(arrive())
    world.run(until=warm_up_s + seconds)
    for finish, batch in (entry for replica in crowd for entry in replica.batches):
        outcome.batches.append(len(batch))
        outcome.latencies_s += [finish - start for start in batch if start >= warm_up_s]
    return outcome
