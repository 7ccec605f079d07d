"""What a request held is free as soon as it is over, without the garbage collector: tensors and photos are large."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import suppress
from weakref import ref

import numpy as np
import pytest

from app.engine import ClientGone, DeadlineExceeded
from pose_core.errors import InvalidInput, ModelError
from pose_core.steps import NetworkRun, Steps
from pose_core.timing import Timer
from tests.app.engine.stubs import poisoned_by, rows_of
from tests.app.engine.test_engine import House, a_house, play, until


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Nothing is collected but by its references."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Photo(np.ndarray):
    """An array of which a test can ask whether it is still there."""


def photo() -> np.ndarray:
    return np.zeros((4, 4, 3), np.uint8).view(Photo)


async def is_freed(known: "ref[np.ndarray]") -> None:
    await until(lambda: known() is None)


@pytest.mark.parametrize("outcome", ["answered", "shares a batch", "bad input", "network fails", "makes no sense"])
def test_a_request_leaves_nothing_in_memory(outcome: str) -> None:
    def work(house: House, held: list[np.ndarray]) -> Steps[list[float]]:
        image, rows = held.pop(), held.pop()
        answer = yield NetworkRun(house.network, rows, "stub")
        if outcome == "bad input":
            raise InvalidInput("of no use")
        if outcome == "makes no sense":
            raise ModelError("not finite")
        return [*answer["x"].tolist(), float(image.sum())]

    async def story() -> None:
        async with a_house() as house:
            house.network.fails = poisoned_by(2)
            rows, image = rows_of(2 if outcome == "network fails" else 1, 3).view(Photo), photo()
            known: list[ref[np.ndarray]] = [ref(rows), ref(image)]
            held = [rows, image]
            del rows, image
            beside = [house.start(5)] if outcome == "shares a batch" else []
            with suppress(InvalidInput, ModelError):
                await house.engine.run(work(house, held), Timer())
            await asyncio.gather(*beside)
            for each in known:
                await is_freed(each)

    play(story)


@pytest.mark.parametrize("outcome", ["client gone", "deadline"])
def test_a_request_that_nobody_waits_for_leaves_nothing_in_memory(outcome: str) -> None:
    def work(house: House, held: list[np.ndarray]) -> Steps[float]:
        image = held.pop()
        yield NetworkRun(house.network, rows_of(1), "stub")
        return float(image.sum())

    async def story() -> None:
        async with a_house() as house:
            house.network.open.clear()
            gone = asyncio.Event()
            image = photo()
            known, held = ref(image), [image]
            del image

            async def left() -> None:
                await gone.wait()

            timeout_s = 0.05 if outcome == "deadline" else None
            task = asyncio.create_task(house.engine.run(work(house, held), Timer(), gone=left, timeout_s=timeout_s))
            await house.running()
            gone.set()
            with pytest.raises((ClientGone, DeadlineExceeded)):
                await task
            del task
            house.network.open.set()
            await is_freed(known)

    play(story)
