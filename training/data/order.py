"""In which order people are seen: a function of seed and epoch, the same for any number of processes and workers.

Source: mmengine@25434293 DefaultSampler: a random order, completed from its beginning to a multiple of the number of
processes, dealt out in turn. A step of all processes together sees the same people however many they are.
"""

import numpy as np
from jaxtyping import Int64

from pose_core.errors import InvalidInput

ORDER, SAMPLE = 0, 1
"""What a random number generator is for; keeps its numbers apart from the others'."""


def sample_random(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The random numbers of one sample of one epoch, whoever makes it and when."""
    return np.random.default_rng((seed, epoch, SAMPLE, index))


def shuffled(count: int, seed: int, epoch: int) -> Int64[np.ndarray, "count"]:
    """All positions in the random order of an epoch."""
    return np.random.default_rng((seed, epoch, ORDER)).permutation(count).astype(np.int64)


def share_of(order: Int64[np.ndarray, "count"], rank: int, world: int) -> Int64[np.ndarray, "share"]:
    """What one of `world` processes sees of an order; all see equally many, some of the first ones twice."""
    padding = np.resize(order, -len(order) % world)
    return np.concatenate([order, padding])[rank::world]


def batches_of(share: Int64[np.ndarray, "share"], batch_size: int) -> list[Int64[np.ndarray, "batch"]]:
    """A share in pieces of the batch size; the last one may be smaller."""
    return [share[first : first + batch_size] for first in range(0, len(share), batch_size)]


def batch_size_of(total: int, world: int) -> int:
    """Samples per step of one process.

    Raises:
        InvalidInput: the total cannot be divided equally.
    """
    if total < 1 or total % world:
        raise InvalidInput(f"{total} samples per step cannot be divided among {world} processes", field="batch_size")
    return total // world
