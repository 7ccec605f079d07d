"""The engine with networks that the test holds up: turns, threads, deadlines, clients that leave, the end."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from fastapi.testclient import TestClient

from app.engine import ClientGone, DeadlineExceeded, Engine, Limits, Observe, Overloaded, Unavailable
from app.engine.engine import never
from app.main import create_app
from app.settings import Settings
from pose_core.errors import DeviceLost, InvalidInput, ModelError, OutOfMemory
from pose_core.session import CPU, Session
from pose_core.steps import NetworkRun, Steps
from pose_core.timing import Timer
from tests.app.engine.stubs import PATIENCE_S, StubNetwork, poisoned_by, rows_of
from tests.app.test_bad_requests import refusal


@dataclass
class StubSession(StubNetwork):
    """A stub network that an engine can open a lane for."""

    path: Path = Path("stub.onnx")
    sha256: str = "5" * 64
    provider: str = CPU


@dataclass
class Told:
    """Everything that an engine said."""

    requests: list[int] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stages: list[set[str]] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    @property
    def observe(self) -> Observe:
        """Who writes it down."""
        return Observe(
            requests=self.requests.append,
            rejected=self.rejected.append,
            failed=self.failed.append,
            finished=lambda seconds: self.stages.append(set(seconds)),
            loaded=lambda model: self.loaded.append(model.name),
        )


@dataclass
class House:
    """An engine, its network and what it said."""

    engine: Engine
    network: StubSession
    told: Told

    def times_ten(self, *values: float) -> Steps[list[float]]:
        """Steps that let the network work on values."""
        outputs = yield NetworkRun(self.network, rows_of(*values), "stub")
        return outputs["x"].tolist()

    def start(self, *values: float, **options: Any) -> "asyncio.Task[list[float]]":
        """Ask for values, without waiting."""
        return asyncio.create_task(self.engine.run(self.times_ten(*values), Timer(), **options))

    @property
    def waiting(self) -> int:
        """Rows that wait for the network."""
        lane = self.engine.lanes.of(self.network)
        return lane.waiting if lane else 0

    async def running(self) -> None:
        """Until one more run has begun."""
        await asyncio.to_thread(self.network.wait_for_run)


@asynccontextmanager
async def a_house(limits: Limits = Limits(), network: StubSession | None = None) -> AsyncIterator[House]:  # noqa: B008
    told = Told()
    engine, network = Engine(limits, told.observe), network or StubSession()
    engine.lanes.open(cast("Session", network), time.monotonic())
    network.batches.clear()
    while network.entered.acquire(blocking=False):
        pass
    try:
        yield House(engine, network, told)
    finally:
        network.open.set()
        engine.close()


def play(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 3 * PATIENCE_S))


async def until(happened: Callable[[], bool]) -> None:
    """Let the loop go on until it has happened."""
    async with asyncio.timeout(PATIENCE_S):
        while not happened():  # noqa: ASYNC110 - what it waits for happens in threads that know no event
            await asyncio.sleep(0.002)


# ---- answers


def test_requests_share_the_runs_of_a_network() -> None:
    async def story() -> None:
        async with a_house() as house:
            house.network.open.clear()
            first = house.start(1)
            await house.running()
            others = [house.start(value) for value in (2, 3, 4)]
            await until(lambda: house.waiting == 3)
            house.network.open.set()
            assert await first == [10]
            assert [await other for other in others] == [[20], [30], [40]]
            assert house.network.batches == [[1], [2, 3, 4, 0]]
            assert house.told.stages == [{"queue", "stub"}] * 4
            assert max(house.told.requests) == 4
            assert house.told.requests[-1] == 0
            assert house.told.loaded == ["stub"]

    play(story)


def test_steps_are_taken_in_threads_of_the_engine() -> None:
    async def story() -> None:
        async with a_house() as house:
            assert (await house.engine.call(lambda: threading.current_thread().name)).startswith("skelmap")

    play(story)


def test_a_request_may_use_a_network_many_times() -> None:
    def hundredfold(house: House) -> Steps[list[float]]:
        once = yield from house.times_ten(1, 2)
        return (yield from house.times_ten(*once))

    async def story() -> None:
        async with a_house() as house:
            assert await house.engine.run(hundredfold(house), Timer()) == [100, 200]

    play(story)


def test_a_network_that_was_dropped_still_serves_who_holds_it() -> None:
    async def story() -> None:
        async with a_house() as house:
            house.engine.lanes.close(cast("Session", house.network))
            timer = Timer()
            assert await house.engine.run(house.times_ten(1, 2, 3), timer) == [10, 20, 30]
            assert set(timer.seconds) == {"queue", "stub"}

    play(story)


def test_what_takes_long_before_holds_up_nobody() -> None:
    async def story() -> None:
        async with a_house(Limits(workers=1, active=1)) as house:
            loaded = threading.Event()
            slow = house.start(1, prepare=lambda: loaded.wait(PATIENCE_S))
            assert await house.start(2) == [20]
            loaded.set()
            assert await slow == [10]

    play(story)


def test_what_fails_before_fails_the_request() -> None:
    def missing() -> None:
        raise InvalidInput("not installed")

    async def story() -> None:
        async with a_house() as house:
            with pytest.raises(InvalidInput, match="not installed"):
                await house.start(1, prepare=missing)
            assert house.told.failed == []
            assert house.told.requests[-1] == 0

    play(story)


# ---- room


@pytest.mark.parametrize(("active", "queue", "sent"), [(1, 0, 3), (2, 3, 9), (4, 0, 4), (1, 5, 6)])
def test_exactly_the_surplus_is_refused_and_at_once(active: int, queue: int, sent: int) -> None:
    async def story() -> None:
        async with a_house(Limits(active=active, queue=queue)) as house:
            house.network.open.clear()
            tasks = [house.start(value) for value in range(sent)]
            await asyncio.sleep(0)
            refused = [task for task in tasks if task.done()]
            assert tasks[active + queue :] == refused
            assert house.told.rejected == ["queue_full"] * max(0, sent - active - queue)
            if refused:
                with pytest.raises(Overloaded):
                    house.engine.check()
            house.network.open.set()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
            assert answers[: active + queue] == [[10 * value] for value in range(sent)][: active + queue]
            assert all(isinstance(answer, Overloaded) for answer in answers[active + queue :])

    play(story)


def test_only_so_many_are_worked_on_at_a_time() -> None:
    async def story() -> None:
        async with a_house(Limits(workers=2, active=2)) as house:
            began: list[int] = []

            def work(number: int) -> Steps[int]:
                began.append(number)
                yield NetworkRun(house.network, rows_of(number), "stub")
                return number

            house.network.open.clear()
            tasks = [asyncio.create_task(house.engine.run(work(number), Timer())) for number in range(5)]
            await house.running()
            await until(lambda: len(began) == 2)
            await asyncio.sleep(0.02)
            assert began == [0, 1]
            house.network.open.set()
            assert await asyncio.gather(*tasks) == [0, 1, 2, 3, 4]
            assert began == [0, 1, 2, 3, 4]

    play(story)


def test_a_request_without_a_chance_is_refused() -> None:
    async def story() -> None:
        async with a_house() as house:
            house.engine.admission._seconds, house.engine.admission._items = 1.0, 1.0
            house.network.open.clear()
            held = house.start(1, 2, 3, 4, 5)
            await house.running()
            with pytest.raises(Overloaded, match=r"5\.0 s until its turn, and it has 2\.0 s") as caught:
                await house.engine.run(house.times_ten(1), Timer(), timeout_s=2.0)
            assert (caught.value.reason, caught.value.retry_after_s) == ("too_late", 3)
            assert house.told.rejected == ["too_late"]
            house.network.open.set()
            await held

    play(story)


# ---- deadlines and clients


def test_no_answer_in_time() -> None:
    async def story() -> None:
        async with a_house() as house:
            house.network.open.clear()
            held = house.start(1)
            await house.running()
            with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.05 s"):
                await house.start(2, timeout_s=0.05)
            house.network.open.set()
            assert await held == [10]
            assert await house.start(3) == [30]
            assert house.network.batches == [[1], [3]], "what nobody waits for was run"
            assert house.told.failed == ["deadline"]
            assert house.told.requests[-1] == 0

    play(story)


def test_the_engines_own_limit_counts_where_the_client_gives_more() -> None:
    async def story() -> None:
        async with a_house(Limits(timeout_s=0.05)) as house:
            house.network.open.clear()
            with pytest.raises(DeadlineExceeded, match=r"0\.05 s"):
                await house.start(2, timeout_s=1000.0)

    play(story)


def test_a_run_past_its_deadline_is_ended() -> None:
    async def story() -> None:
        async with a_house() as house:
            house.network.open.clear()
            asked = house.start(1, timeout_s=1.0)
            await house.running()
            with pytest.raises(DeadlineExceeded):
                await asked
            stop = house.network.stops[-1]
            assert stop is not None
            await until(lambda: stop.options.terminate)

    play(story)


def leaving(gone: asyncio.Event) -> Callable[[], Awaitable[None]]:
    async def left() -> None:
        await gone.wait()

    return left


def test_a_client_that_leaves_while_it_waits_costs_no_run() -> None:
    async def story() -> None:
        async with a_house() as house:
            gone = asyncio.Event()
            house.network.open.clear()
            held = house.start(1)
            await house.running()
            waiting = house.start(2, gone=leaving(gone))
            await until(lambda: house.waiting == 1)
            gone.set()
            with pytest.raises(ClientGone):
                await waiting
            await until(lambda: house.engine.admission.requests == 1)
            house.network.open.set()
            await held
            assert house.network.batches == [[1]]
            assert house.told.failed == ["client_gone"]

    play(story)


def test_a_client_that_leaves_frees_its_place_when_its_thread_is_free() -> None:
    async def story() -> None:
        async with a_house(Limits(workers=1, active=1, queue=0)) as house:
            gone, entered, let_go = asyncio.Event(), threading.Event(), threading.Event()

            def work() -> None:
                entered.set()
                assert let_go.wait(PATIENCE_S)

            task = asyncio.create_task(house.engine.call(work, gone=leaving(gone)))
            await asyncio.to_thread(entered.wait, PATIENCE_S)
            gone.set()
            with pytest.raises(ClientGone):
                await task
            with pytest.raises(Overloaded):
                await house.engine.call(lambda: 2)
            let_go.set()
            await until(lambda: house.engine.admission.requests == 0)
            assert await house.engine.call(lambda: 3) == 3

    play(story)


def test_a_request_that_is_cancelled_leaves_nothing_behind() -> None:
    async def story() -> None:
        async with a_house(Limits(active=1)) as house:
            house.network.open.clear()
            tasks = [house.start(value) for value in range(4)]
            await house.running()
            tasks.append(house.start(9))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            house.network.open.set()
            await until(lambda: house.engine.admission.requests == 0)
            assert await house.start(5) == [50]

    play(story)


# ---- failures


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (ModelError("bad"), ModelError, "network"),
        (OutOfMemory("Failed to allocate memory"), Unavailable, "out_of_memory"),
        (DeviceLost("CUDA failure 719"), Unavailable, "unavailable"),
        (ZeroDivisionError("ours"), ZeroDivisionError, "error"),
    ],
)
def test_what_a_failing_network_means(error: Exception, kind: type[Exception], reason: str) -> None:
    async def story() -> None:
        async with a_house() as house:
            house.network.fails = poisoned_by(2, error)
            with pytest.raises(kind):
                await house.start(2)
            assert house.told.failed == [reason]
            assert house.told.requests[-1] == 0

    play(story)


def test_an_error_of_a_step_is_the_requests_own_affair() -> None:
    async def story() -> None:
        async with a_house() as house:
            for _ in range(3):
                with pytest.raises(ZeroDivisionError):
                    await house.engine.call(lambda: 1 // 0)
            assert await house.start(1) == [10]
            assert house.told.failed == ["error"] * 3
            assert house.engine.why_not_ready() == []

    play(story)


def test_a_network_that_makes_no_sense_is_tried_before_it_is_trusted_again() -> None:
    async def story() -> None:
        async with a_house() as house:
            ready: list[bool] = []
            house.engine.readiness._tell = ready.append

            def senseless() -> Steps[None]:
                yield from house.times_ten(1)
                raise ModelError("numbers that are not finite")

            with pytest.raises(ModelError):
                await house.engine.run(senseless(), Timer())
            await until(lambda: ready == [False, True])
            assert house.network.batches == [[1], [0]]

    play(story)


def test_a_batch_that_does_not_end_is_said() -> None:
    async def story() -> None:
        async with a_house(Limits(timeout_s=0.05)) as house:
            house.network.open.clear()
            with pytest.raises(DeadlineExceeded):
                await house.start(1)
            await until(lambda: bool(house.engine.why_not_ready()))
            assert house.engine.why_not_ready() == ["stub has been running one batch for 0 s"]
            house.network.open.set()
            await until(lambda: not house.engine.why_not_ready())

    play(story)


# ---- the end


def test_closing_finishes_what_is_in_lanes_and_lets_nobody_in() -> None:
    async def story() -> None:
        async with a_house() as house:
            house.engine.close()
            with pytest.raises(Overloaded, match="shutting down"):
                await house.start(1)
            assert house.told.rejected == ["draining"]

    play(story)


def test_a_network_that_arrives_after_the_end_gets_no_lane() -> None:
    async def story() -> None:
        async with a_house() as house:
            house.engine.close()
            house.engine.lanes.open(cast("Session", house.network), time.monotonic())
            assert house.engine.lanes.of(house.network) is None

    play(story)


def test_a_client_may_never_leave() -> None:
    async def story() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(never(), 0.01)

    play(story)


# ---- through the server


def test_a_busy_server_answers_503_and_recovers(settings: Settings, png: bytes) -> None:
    app = create_app(settings.model_copy(update={"workers": 2, "max_active": 2, "max_queue": 1}))
    opened, entered = threading.Event(), threading.Semaphore(0)

    def held_up(number: int) -> int:
        entered.release()
        assert opened.wait(PATIENCE_S)
        return number

    with TestClient(app) as client:
        assert client.portal

        async def hold(number: int) -> int:
            return cast("int", await app.state.engine.call(lambda: held_up(number)))

        held = [client.portal.start_task_soon(hold, number) for number in range(3)]
        assert entered.acquire(timeout=PATIENCE_S)
        answer = client.post("/pose", content=png)
        body = refusal(answer, 503)
        assert body["title"] == "Overloaded"
        assert body["detail"] == "3 requests are waiting already, which is the most this server queues"
        assert answer.headers["Retry-After"] == "1"
        refusal(client.post("/render", json={"people": [], "canvas_width": 8, "canvas_height": 6}), 503)
        assert client.get("/healthz").status_code == 200
        opened.set()
        assert [future.result(10) for future in held] == [0, 1, 2]
        assert client.post("/pose", content=png).status_code == 200


def test_requests_at_the_same_time_do_not_mix(client: TestClient, png: bytes) -> None:
    boxes = [f"[[{left},10,{left + 40},110]]" for left in range(20)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda box: client.post("/pose", content=png, params={"boxes": box}), boxes))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert [answer.json()["people"][0]["box"][0] for answer in answers] == list(range(20))


@pytest.mark.parametrize("given", ["0", "-1", "soon", "nan", "inf", ""])
def test_a_timeout_that_is_none(client: TestClient, png: bytes, given: str) -> None:
    body = refusal(client.post("/pose", content=png, headers={"X-Request-Timeout": given}), 422)
    assert body["errors"][0]["field"] == "X-Request-Timeout"


def test_a_client_says_how_long_it_will_wait(settings: Settings, png: bytes) -> None:
    app = create_app(settings.model_copy(update={"workers": 1, "max_active": 1}))
    opened = threading.Event()
    with TestClient(app) as client:
        assert client.portal

        async def hold() -> None:
            await app.state.engine.call(lambda: opened.wait(PATIENCE_S))

        held = client.portal.start_task_soon(hold)
        answer = client.post("/pose", content=png, headers={"X-Request-Timeout": "0.1"})
        opened.set()
        held.result(10)
    assert refusal(answer, 504)["detail"] == "no answer within 0.1 s"
