"""The engine: results and errors come back, order is kept, and exactly what does not fit is refused."""

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from fastapi.testclient import TestClient

from app.engine import Engine, Overloaded
from app.main import create_app
from app.settings import Settings
from tests.app.test_bad_requests import refusal


class Gate:
    """Work that lasts until it is let go, and that counts itself."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.passed: list[int] = []

    def __call__(self, number: int) -> int:
        """The number, once the gate is open."""
        self.entered.set()
        assert self.opened.wait(10)
        self.passed.append(number)
        return number


def test_work_runs_in_a_thread_of_the_engine() -> None:
    async def story() -> str:
        engine = Engine(workers=1, max_queue=0)
        name = await engine.run(lambda: threading.current_thread().name)
        engine.close()
        return name

    assert asyncio.run(story()).startswith("skelmap")


def test_errors_come_back_and_free_their_place() -> None:
    async def story() -> int:
        engine = Engine(workers=1, max_queue=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await engine.run(lambda: 1 // 0)
        return await engine.run(lambda: 7)

    assert asyncio.run(story()) == 7


@pytest.mark.parametrize(("workers", "max_queue", "sent"), [(1, 0, 3), (2, 3, 9), (4, 0, 4), (1, 5, 6)])
def test_exactly_the_surplus_is_refused_at_once(workers: int, max_queue: int, sent: int) -> None:
    async def story() -> tuple[list[int | BaseException], float]:
        engine, gate = Engine(workers, max_queue), Gate()
        tasks = [asyncio.create_task(engine.run(partial(gate, number))) for number in range(sent)]
        start = time.perf_counter()
        await asyncio.sleep(0)
        refused = [task for task in tasks if task.done()]
        took = time.perf_counter() - start
        assert len(refused) == max(0, sent - workers - max_queue)
        gate.opened.set()
        return await asyncio.gather(*tasks, return_exceptions=True), took

    outcomes, took = asyncio.run(story())
    fits = workers + max_queue
    assert outcomes[:fits] == list(range(sent))[:fits]
    assert all(isinstance(outcome, Overloaded) for outcome in outcomes[fits:])
    assert took < 1


def test_what_waits_is_served_in_order() -> None:
    async def story() -> list[int]:
        engine, gate = Engine(workers=1, max_queue=9), Gate()
        tasks = [asyncio.create_task(engine.run(partial(gate, number))) for number in range(10)]
        await asyncio.sleep(0)
        gate.opened.set()
        await asyncio.gather(*tasks)
        return gate.passed

    assert asyncio.run(story()) == list(range(10))


def test_a_caller_who_gives_up_does_not_make_room_that_is_not_there() -> None:
    async def story() -> None:
        engine, gate = Engine(workers=1, max_queue=0), Gate()
        abandoned = asyncio.create_task(engine.run(partial(gate, 1)))
        await asyncio.to_thread(gate.entered.wait, 10)
        abandoned.cancel()
        await asyncio.wait([abandoned])
        try:
            with pytest.raises(Overloaded):
                await engine.run(lambda: 2)
        finally:
            gate.opened.set()

    asyncio.run(story())


def test_closing_waits_for_what_runs_and_drops_what_waits() -> None:
    async def story() -> tuple[list[int], list[int | BaseException]]:
        engine, gate = Engine(workers=1, max_queue=1), Gate()
        tasks = [asyncio.create_task(engine.run(partial(gate, number))) for number in range(2)]
        await asyncio.to_thread(gate.entered.wait, 10)
        threading.Timer(0.3, gate.opened.set).start()
        engine.close()
        return gate.passed, await asyncio.gather(*tasks, return_exceptions=True)

    passed, (done, dropped) = asyncio.run(story())
    assert passed == [0]
    assert done == 0
    assert isinstance(dropped, asyncio.CancelledError)


# Through the server


def test_a_busy_server_answers_503_and_recovers(settings: Settings, png: bytes) -> None:
    app = create_app(settings.model_copy(update={"workers": 2, "max_queue": 1}))
    gate = Gate()
    with TestClient(app) as client:
        assert client.portal
        held = [client.portal.start_task_soon(app.state.engine.run, partial(gate, number)) for number in range(3)]
        client.portal.call(asyncio.sleep, 0.05)
        answer = client.post("/pose", content=png)
        body = refusal(answer, 503)
        assert body["title"] == "Overloaded"
        assert body["detail"] == "3 requests are waiting already, which is the most this server queues"
        assert answer.headers["Retry-After"] == "1"
        refusal(client.post("/render", json={"people": [], "canvas_width": 8, "canvas_height": 6}), 503)
        assert client.get("/healthz").status_code == 200
        gate.opened.set()
        assert [future.result(10) for future in held] == [0, 1, 2]
        assert client.post("/pose", content=png).status_code == 200


def test_requests_at_the_same_time_do_not_mix(client: TestClient, png: bytes) -> None:
    boxes = [f"[[{left},10,{left + 40},110]]" for left in range(20)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda box: client.post("/pose", content=png, params={"boxes": box}), boxes))
    assert Counter(answer.status_code for answer in answers) == {200: 20}
    assert [answer.json()["people"][0]["box"][0] for answer in answers] == list(range(20))
