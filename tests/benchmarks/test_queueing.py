"""The simulated service against what queueing theory knows."""

import pytest

from benchmarks.queueing import Outcome, Policy, linear, replayed, simulate

SERVICE_S = 0.1
ALONE = linear(0.0, SERVICE_S)


def look(rate: float, replicas: int = 1, policy: Policy = Policy(max_queue=10_000), **options: float) -> Outcome:  # noqa: B008 - it is frozen
    return simulate(rate, replicas, ALONE, policy, seconds=options.pop("seconds", 2000.0), warm_up_s=50)


def test_who_is_alone_waits_for_nobody() -> None:
    outcome = look(0.01, seconds=20_000.0)
    assert outcome.latency_s(50) == pytest.approx(SERVICE_S)
    assert outcome.refused == 0


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_one_lane_waits_as_pollaczek_and_khinchine_say(share: float) -> None:
    """M/D/1: the mean wait is share / (2 (1 - share)) service times."""
    outcome = look(share / SERVICE_S, seconds=6000.0)
    mean_wait_s = sum(outcome.latencies_s) / len(outcome.latencies_s) - SERVICE_S
    assert mean_wait_s == pytest.approx(SERVICE_S * share / (2 * (1 - share)), rel=0.06)
    assert outcome.rate == pytest.approx(share / SERVICE_S, rel=0.03)


def test_two_lanes_do_twice_as_much() -> None:
    outcome = look(50.0, policy=Policy(lanes=2, max_queue=4), seconds=200.0)
    assert outcome.rate == pytest.approx(2 / SERVICE_S, rel=0.02)


def test_what_does_not_fit_is_turned_away_and_the_rest_is_answered_in_time() -> None:
    outcome = look(40.0, policy=Policy(max_queue=8), seconds=300.0)
    assert outcome.rate == pytest.approx(1 / SERVICE_S, rel=0.02)
    assert outcome.refused_share == pytest.approx(0.75, abs=0.02)
    assert max(outcome.latencies_s) <= (8 + 2) * SERVICE_S


def test_batches_share_their_fixed_time() -> None:
    draw, policy = linear(0.09, 0.01), Policy(max_batch=8, max_queue=64)
    outcome = simulate(200.0, 1, draw, policy, seconds=200)
    assert outcome.rate == pytest.approx(8 / (0.09 + 8 * 0.01), rel=0.02)
    assert set(outcome.batches[10:]) == {8}


def test_a_batch_that_waits_for_more_delays_who_is_alone() -> None:
    draw = linear(0.0, SERVICE_S)
    for delay_s in (0.0, 0.05):
        outcome = simulate(0.01, 1, draw, Policy(max_batch=4, max_delay_s=delay_s), seconds=20_000)
        assert outcome.latency_s(50) == pytest.approx(SERVICE_S + delay_s)


def test_a_full_batch_waits_no_longer() -> None:
    policy = Policy(max_batch=2, max_delay_s=1000.0, max_queue=100)
    outcome = simulate(5.0, 1, linear(0.0, 0.01), policy, seconds=500)
    assert set(outcome.batches) == {2}
    assert outcome.latency_s(99) < 2


def test_many_replicas_wait_less_than_one_at_the_same_load() -> None:
    one, many = look(8.0), look(80.0, replicas=10, seconds=200.0)
    assert many.latency_s(99) < 0.5 * one.latency_s(99)


def test_measured_times_come_in_their_order() -> None:
    outcome = simulate(0.01, 1, replayed([0.1, 0.3, 0.2]), Policy(), seconds=50_000)
    assert [round(latency, 6) for latency in outcome.latencies_s[:6]] == [0.1, 0.3, 0.2] * 2


def test_a_seed_gives_the_same_again() -> None:
    assert look(8.0, seconds=50.0).latencies_s == look(8.0, seconds=50.0).latencies_s
    assert simulate(8, 1, ALONE, Policy(), seconds=50, seed=1).latencies_s != look(8.0, seconds=50.0).latencies_s


def test_nobody_is_answered_by_nobody_in_no_time() -> None:
    outcome = simulate(0.001, 1, ALONE, Policy(), seconds=1)
    assert (outcome.rate, outcome.refused_share, outcome.latency_s(99)) == (0, 0, float("inf"))
