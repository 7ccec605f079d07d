"""The embedded networks beside official sizes: what is timed, and how the table reads."""

from functools import partial

import numpy as np

from benchmarks.embedded import Side, table
from pose_core.steps import without_networks
from pose_core.timing import Timer
from pose_core.types import Image, PersonBox


def answer(stage: str, photo: Image, given: float | list[PersonBox], timer: Timer) -> None:
    with timer(stage):
        timer.seconds[stage] = photo.mean() if isinstance(given, float) else float(len(given))


def test_both_networks_are_timed_with_one_person() -> None:
    side = Side(*(without_networks(partial(answer, stage)) for stage in ("detector", "pose")))
    took = side.run(np.full((4, 4, 3), 2, np.uint8))
    assert set(took) == {"detector", "pose"}
    assert 2000 <= took["detector"] < 2100
    assert 1000 <= took["pose"] < 1100


def test_the_table_has_medians_of_sums() -> None:
    """The median of both is not the sum of the medians."""
    rounds = [
        {"official": {"detector": d, "pose": p}, "embedded": {"detector": 1.0, "pose": 1.0}}
        for d, p in ((10.0, 3.0), (20.0, 1.0), (90.0, 2.0))
    ]
    lines = table(rounds).splitlines()
    assert lines[2:] == [
        "| detector | 20.0 | 1.00 | 20.0 |",
        "| pose | 2.0 | 1.00 | 2.0 |",
        "| both | 21.0 | 2.00 | 10.5 |",
    ]
