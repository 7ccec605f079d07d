"""Who is let in: room, work, time; the clock is a number."""

from dataclasses import dataclass, field

import pytest

from app.engine.admission import Admission, Room, Ticket
from app.engine.errors import Overloaded


@dataclass
class Door:
    """An admission with a clock that stands still unless it is moved."""

    now: float = 0.0
    told: list[int] = field(default_factory=list)
    admission: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.admission = Admission(Room(requests=3, items=40), self.told.append, lambda: self.now)

    def serve(self, ticket: Ticket, items: int, seconds: float) -> None:
        """Let time pass until a request of so many items is answered."""
        ticket.found(items)
        ticket.served = True
        self.now += seconds
        self.admission.leave(ticket)

    def learn(self, items: int, seconds: float) -> None:
        """Many requests of one kind, one after the other."""
        for _ in range(200):
            self.serve(self.admission.enter(timeout_s=1e9), items, seconds)

    def refused(self, timeout_s: float = 1e9) -> Overloaded:
        """What a request is told that is not let in."""
        with pytest.raises(Overloaded) as caught:
            self.admission.enter(timeout_s)
        return caught.value


@pytest.fixture
def door() -> Door:
    return Door()


def test_as_many_requests_as_there_is_room(door: Door) -> None:
    tickets = [door.admission.enter(1.0) for _ in range(3)]
    error = door.refused()
    assert (error.reason, error.retry_after_s) == ("queue_full", 1)
    assert str(error) == "3 requests are waiting already, which is the most this server queues"
    door.admission.leave(tickets[0])
    door.admission.enter(1.0)
    assert door.told == [1, 2, 3, 2, 3]


def test_a_crowd_fills_the_room_by_itself(door: Door) -> None:
    crowd = door.admission.enter(1.0)
    crowd.found(40)
    error = door.refused()
    assert error.reason == "queue_full"
    assert str(error) == "40 people are waiting already, at most 40 may"


def test_somebody_alone_is_always_let_in(door: Door) -> None:
    door.learn(items=39, seconds=100.0)
    assert door.admission.item_s == pytest.approx(100 / 39)
    door.admission.enter(timeout_s=0.001)


def test_seconds_per_item_are_learnt(door: Door) -> None:
    assert door.admission.item_s == 0
    door.serve(door.admission.enter(1.0), items=4, seconds=2.0)
    assert door.admission.item_s == pytest.approx(0.5)
    door.learn(items=2, seconds=0.2)
    assert door.admission.item_s == pytest.approx(0.1, rel=0.01)


def test_time_without_work_does_not_count(door: Door) -> None:
    door.serve(door.admission.enter(1.0), items=4, seconds=2.0)
    door.now += 1000
    door.serve(door.admission.enter(1.0), items=4, seconds=2.0)
    assert door.admission.item_s == pytest.approx(0.5)


def test_requests_side_by_side_share_their_time(door: Door) -> None:
    one, other = door.admission.enter(1.0), door.admission.enter(1.0)
    door.serve(one, items=4, seconds=2.0)
    door.serve(other, items=4, seconds=0.0)
    assert door.admission.item_s == pytest.approx(0.25, rel=0.03)


def test_what_was_not_served_teaches_nothing(door: Door) -> None:
    hung = door.admission.enter(1.0)
    hung.found(3)
    door.now += 1000
    door.admission.leave(hung)
    door.serve(door.admission.enter(1.0), items=4, seconds=2.0)
    assert door.admission.item_s == pytest.approx(0.5)


@pytest.mark.parametrize(("timeout_s", "retry_after_s"), [(14.0, None), (12.9, 1), (12.0, 1), (10.5, 3), (1.0, 12)])
def test_the_wait_is_compared_with_the_time_there_is(door: Door, timeout_s: float, retry_after_s: int | None) -> None:
    door.learn(items=3, seconds=3.0)  # a second each
    door.admission.enter(1e9)  # likely 3
    door.admission.enter(1e9).found(10)
    if retry_after_s is None:
        door.admission.enter(timeout_s)
        return
    error = door.refused(timeout_s)
    assert (error.reason, error.retry_after_s) == ("too_late", retry_after_s)
    assert f"it would take 13.0 s until its turn, and it has {timeout_s:.1f} s" in str(error)


def test_a_server_that_ends_lets_nobody_in(door: Door) -> None:
    door.admission.draining = True
    assert door.refused().reason == "draining"


def test_asking_changes_nothing(door: Door) -> None:
    for _ in range(10):
        door.admission.check(1.0)
    assert door.admission.requests == 0
    assert door.told == []
