"""Who sees what when: every person once, in an order that does not depend on how many processes there are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose_core.errors import InvalidInput
from training.data.order import batch_size_of, batches_of, sample_random, share_of, shuffled

counts = st.integers(1, 60)
worlds = st.integers(1, 9)


@given(counts, st.integers(0, 2**40), st.integers(0, 1000))
def test_an_order_holds_everybody_once(count: int, seed: int, epoch: int) -> None:
    order = shuffled(count, seed, epoch)
    assert sorted(order.tolist()) == list(range(count))
    np.testing.assert_array_equal(order, shuffled(count, seed, epoch))


def test_orders_differ_by_seed_and_epoch() -> None:
    orders = {tuple(shuffled(50, seed, epoch).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9


def test_random_numbers_of_samples_and_orders_are_all_different() -> None:
    streams = {sample_random(seed, epoch, index).random() for seed in (0, 1) for epoch in (0, 1) for index in range(9)}
    assert len(streams) == 36
    assert sample_random(4, 5, 6).random() == sample_random(4, 5, 6).random()
    assert sample_random(4, 0, 0).random() != np.random.default_rng((4, 0, 0)).random()


@given(counts, worlds)
def test_shares_are_equally_large_and_cover_everybody(count: int, world: int) -> None:
    order = np.arange(count)
    shares = [share_of(order, rank, world) for rank in range(world)]
    assert {len(share) for share in shares} == {-(-count // world)}
    dealt = np.stack(shares, axis=1).ravel()
    np.testing.assert_array_equal(dealt[:count], order)
    np.testing.assert_array_equal(dealt[count:], np.resize(order, len(dealt) - count))


def test_five_among_three() -> None:
    assert [share_of(np.array([7, 8, 9, 5, 6]), rank, 3).tolist() for rank in range(3)] == [[7, 5], [8, 6], [9, 7]]


def test_a_step_of_all_processes_sees_the_same_people() -> None:
    order = shuffled(48, 1, 1)
    for world in (1, 2, 4):
        batches = [batches_of(share_of(order, rank, world), batch_size_of(8, world)) for rank in range(world)]
        for step, first in enumerate(range(0, 48, 8)):
            together = np.concatenate([batches[rank][step] for rank in range(world)])
            assert sorted(together) == sorted(order[first : first + 8])


def test_the_last_batch_may_be_smaller() -> None:
    assert [batch.tolist() for batch in batches_of(np.arange(7), 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert batches_of(np.arange(0), 3) == []


@pytest.mark.parametrize(("total", "world"), [(5, 2), (0, 1), (1, 2)])
def test_a_batch_must_be_divisible(total: int, world: int) -> None:
    with pytest.raises(InvalidInput, match="batch_size"):
        batch_size_of(total, world)
