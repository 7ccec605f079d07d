"""Replicas and cost: what is reckoned, what is compared, and how the tables read."""

import pytest

from benchmarks.queueing import Policy
from benchmarks.scaling import (
    Answered,
    Machine,
    Plan,
    Point,
    check_table,
    compare,
    find_plan,
    main,
    plan_cell,
    stages_s,
)

CORE = Machine("core", 20.0, 0.0, 0.05)
GPU = Machine("GPU", 100.0, 0.6, 2.0)
ALONE, BATCHES = Policy(), Policy(max_batch=8)


def test_batches_pay_their_fixed_share_once() -> None:
    assert GPU.batch_s(1) == pytest.approx(0.01)
    assert GPU.batch_s(8) == pytest.approx(0.006 + 8 * 0.004)
    assert GPU.capacity(BATCHES) == pytest.approx(8 / 0.038)
    assert CORE.capacity(BATCHES) == pytest.approx(CORE.capacity(ALONE))


def test_a_plan_keeps_the_limit_with_few_replicas() -> None:
    strict, loose = find_plan(100, CORE, ALONE, 0.12), find_plan(100, CORE, ALONE, 1.0)
    assert strict is not None
    assert loose is not None
    assert 5 < loose.replicas < strict.replicas
    assert loose.load == pytest.approx(100 / (20 * loose.replicas))


def test_a_limit_below_a_lone_photo_has_no_plan() -> None:
    assert find_plan(10, CORE, ALONE, 0.04) is None


def test_batches_need_fewer_replicas_where_they_gain_something() -> None:
    one_by_one, batched = (find_plan(1000, GPU, policy, 0.5) for policy in (ALONE, BATCHES))
    assert one_by_one is not None
    assert batched is not None
    assert batched.replicas < 0.6 * one_by_one.replicas


def test_times_of_work_tell_times_of_waiting() -> None:
    """At half the load of M/D/1 half of all wait; what is outside of the server's work counts as work, or not."""
    point = compare([Answered(0.2, 0.08, 0.1), Answered(0.4, 0.28, 0.1)], rate=5.0)
    (_, seen), (little, least), (much, most) = point.rows.values()
    assert little == pytest.approx(0.5)
    assert much == pytest.approx(0.6)
    assert seen[0] == pytest.approx(0.3)
    assert least[0] == pytest.approx(0.12, abs=0.02)
    assert 0.28 < least[2] < most[2] < 0.9


def test_the_server_s_own_times_are_read() -> None:
    assert stages_s("queue;dur=90.5, decode;dur=1.50, pose;dur=20") == pytest.approx((0.0905, 0.0215))
    assert stages_s("decode;dur=1.50") == pytest.approx((0, 0.0015))


def test_tables() -> None:
    point = Point(10.0, {"measured": (None, (0.1, 0.2, 0.3)), "at most": (0.5, (0.11, 0.2, 0.31))})
    assert check_table([point]).splitlines()[2:] == [
        "| 10.0 | measured |  | 100 | 200 | 300 |",
        "| 10.0 | at most | 0.50 | 110 | 200 | 310 |",
    ]
    assert plan_cell(Plan(1200, 0.85), GPU) == "1,200 at 85%, 2,400.00"
    assert plan_cell(None, GPU) == "-"


def test_the_whole_plan_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    main(["plan", "--cpu-rates", "20", "--gpu-rates", "--latency-ms", "2000"])
    (row,) = capsys.readouterr().out.splitlines()[2:]
    assert row.startswith("| core, 20/s | one by one | ")


def test_a_sweep_shows_who_is_turned_away(capsys: pytest.CaptureFixture[str]) -> None:
    main(["sweep", "--rate", "100", "--rates", "150", "--replicas", "1", "2"])
    one, two = ([cell.strip() for cell in row.split("|")] for row in capsys.readouterr().out.splitlines()[2:])
    assert one[1:3] == ["150", "1"]
    assert one[3].endswith("/ 33%"), "one by one a third is too much"
    assert one[4].endswith("/ 0%"), "in batches it is not"
    assert two[3].endswith("/ 0%")
