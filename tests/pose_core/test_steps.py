"""One telling, whoever runs the networks: batches, padding, results and errors."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose_core.errors import ModelError
from pose_core.session import BATCH_SIZES, CPU, CUDA, Session, open_session
from pose_core.steps import (
    NetworkRun,
    Steps,
    fill_up,
    join,
    plan_batches,
    require_finite,
    run_in_batches,
    run_steps,
    without_networks,
)
from pose_core.timing import Timer
from tests import tiny_onnx


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A network whose scores are the mean of each row's first channel."""
    return open_session(tiny_onnx.mean_colour(tmp_path_factory.mktemp("net") / "tiny.onnx", (12, 16)), "cpu", threads=1)


def rows_of(*colours: float) -> np.ndarray:
    """One row of each colour."""
    return np.stack([np.full((3, 16, 12), colour, np.float32) for colour in colours])


# ---- taking steps


def test_a_step_goes_on_with_what_its_network_answered(session: Session) -> None:
    def twice() -> Steps[list[float]]:
        first = yield NetworkRun(session, rows_of(1, 2), "one")
        second = yield NetworkRun(session, rows_of(*first["simcc_x"][:, 0, 0] * 10), "other")
        return second["simcc_x"][:, 0, 0].tolist()

    timer = Timer()
    assert run_steps(twice(), timer) == [10, 20]
    assert list(timer.seconds) == ["one", "other"]


def test_a_function_is_steps_that_need_no_network() -> None:
    assert run_steps(without_networks(divmod)(7, 2), Timer()) == (3, 1)


def test_what_a_step_raises_comes_out(session: Session) -> None:
    def fails() -> Steps[None]:
        yield NetworkRun(session, rows_of(1), "one")
        raise KeyError("after the first run")

    with pytest.raises(KeyError, match="after the first run"):
        run_steps(fails(), Timer())


def test_a_network_that_fails_ends_the_steps(session: Session) -> None:
    def wrong_size() -> Steps[None]:
        yield NetworkRun(session, np.zeros((1, 3, 5, 5), np.float32), "one")

    with pytest.raises(ModelError, match="failed on CPU"):
        run_steps(wrong_size(), Timer())


# ---- batches


@pytest.mark.parametrize("provider", BATCH_SIZES)
@pytest.mark.parametrize("count", [1, 3, 8, 20, 40])
def test_every_row_gets_its_own_answer(session: Session, provider: str, count: int) -> None:
    """In exact batches and, as on CUDA, in padded ones."""
    outputs = run_in_batches(replace(session, provider=provider), rows_of(*range(count)))
    assert outputs["simcc_x"][:, 0, 0].tolist() == list(range(count))


@pytest.mark.parametrize(
    ("count", "sizes", "batches"),
    [
        (0, (1, 2, 4), []),
        (1, (1, 2, 4), [(0, 1, 1)]),
        (3, (1, 2, 4), [(0, 3, 4)]),
        (5, (1, 2, 4), [(0, 4, 4), (4, 5, 1)]),
        (7, (1, 2, 4), [(0, 4, 4), (4, 7, 4)]),
        (3, (1,), [(0, 1, 1), (1, 2, 1), (2, 3, 1)]),
        (3, (2,), [(0, 2, 2), (2, 3, 2)]),
        (20, BATCH_SIZES[CPU], [(0, 8, 8), (8, 16, 8), (16, 20, 4)]),
        (20, BATCH_SIZES[CUDA], [(0, 16, 16), (16, 20, 4)]),
    ],
)
def test_batches(count: int, sizes: Sequence[int], batches: list[tuple[int, int, int]]) -> None:
    assert list(plan_batches(count, sizes)) == batches


@given(count=st.integers(0, 200), sizes=st.sets(st.integers(1, 32), min_size=1).map(sorted))
def test_batches_hold_everybody_once_and_waste_little(count: int, sizes: list[int]) -> None:
    batches = list(plan_batches(count, sizes))
    assert [person for start, stop, _ in batches for person in range(start, stop)] == list(range(count))
    assert all(size in sizes and stop - start <= size for start, stop, size in batches)
    assert all(stop - start == sizes[-1] for start, stop, _ in batches[:-1])


def test_a_batch_is_filled_up_with_zeros() -> None:
    rows = rows_of(1, 2)
    batch = fill_up(rows, 4)
    np.testing.assert_array_equal(batch[:2], rows)
    assert not batch[2:].any()
    assert fill_up(rows, 2) is rows


def test_parts_are_joined_by_name() -> None:
    parts = [{"x": np.array([1, 2]), "y": np.array([3.0, 4.0])}, {"x": np.array([5]), "y": np.array([6.0])}]
    joined = join(parts)
    assert (joined["x"].tolist(), joined["y"].tolist()) == ([1, 2, 5], [3, 4, 6])


# ---- numbers


def test_answers_are_numbers(session: Session) -> None:
    require_finite(np.array([1.0, -9e30]), session)
    for wrong in (np.nan, np.inf, -np.inf):
        with pytest.raises(ModelError, match=r"tiny\.onnx answered numbers that are not finite on CPU"):
            require_finite(np.array([1.0, wrong]), session)
