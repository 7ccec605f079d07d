"""Many workers: every shard is finished once, whoever is lost on the way."""

import os
import signal
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from app.batch.crews.crew import ATTEMPTS, Event, Seen, work_off
from app.batch.crews.processes import Processes, describe
from app.batch.files import sweep
from app.batch.manifest import Row
from app.batch.plan import ArchiveShard, LooseShard, Shard
from app.batch.progress import Progress
from app.batch.worker import Done, Failed, Outcome, Unusable
from app.settings import Settings
from pose_core.errors import ModelError
from tests.app.albums import assert_complete, make_job, write_album

LOST = Failed("lost")


def shards(count: int) -> list[Shard]:
    return [LooseShard(f"s{number}", Path(), ()) for number in range(count)]


def done(name: str, photos: int = 1) -> Done:
    return Done(Row(name, photos, photos, 0, (), (), {}))


class Scripted:
    """A crew whose outcomes are written down beforehand for each attempt; those not written down succeed."""

    def __init__(self, size: int, script: Mapping[str, Sequence[Outcome]]) -> None:
        self.size = size
        self.script = {name: deque(outcomes) for name, outcomes in script.items()}
        self.given: list[str] = []
        self.at_once = 0
        self.dismissed = 0
        self.busy: list[Shard] = []

    def has_room(self) -> bool:
        """Whether another shard can be given out."""
        return len(self.busy) < self.size

    def give(self, shard: Shard) -> None:
        """Note it."""
        self.given.append(shard.name)
        self.busy.append(shard)
        self.at_once = max(self.at_once, len(self.busy))

    def wait(self) -> Sequence[Event]:
        """The next outcome of the script."""
        shard = self.busy.pop(0)
        outcomes = self.script.get(shard.name)
        return [(shard, outcomes.popleft() if outcomes else done(shard.name))]

    def dismiss_idle(self) -> None:
        """Note it."""
        self.dismissed += 1

    def close(self) -> None:
        """Forget everything."""
        self.busy.clear()


def outcomes(events: Iterator[Event]) -> dict[str, list[Outcome]]:
    """What was said in the end about each shard."""
    told = defaultdict(list)
    for shard, event in events:
        if not isinstance(event, Seen):
            told[shard.name].append(event)
    return told


def test_every_shard_is_given_out_once_and_only_to_who_is_free() -> None:
    crew = Scripted(2, {})
    assert outcomes(work_off(crew, shards(5))) == {f"s{number}": [done(f"s{number}")] for number in range(5)}
    assert crew.given == ["s0", "s1", "s2", "s3", "s4"]
    assert crew.at_once == 2
    assert crew.dismissed > 0


def test_nothing_to_do_needs_nobody() -> None:
    assert list(work_off(Scripted(1, {}), [])) == []


def test_the_shard_of_a_lost_worker_is_done_by_another_one() -> None:
    crew = Scripted(2, {"s1": [LOST]})
    assert outcomes(work_off(crew, shards(3)))["s1"] == [done("s1")]
    assert crew.given == ["s0", "s1", "s2", "s1"]


def test_a_shard_that_loses_every_worker_is_given_up() -> None:
    crew = Scripted(1, {"s0": [LOST] * 9})
    assert outcomes(work_off(crew, shards(2))) == {"s0": [LOST], "s1": [done("s1")]}
    assert crew.given.count("s0") == ATTEMPTS


def test_what_would_not_help_is_not_tried() -> None:
    damaged = Failed("damaged", final=True)
    crew = Scripted(1, {"s0": [damaged]})
    assert outcomes(work_off(crew, shards(1))) == {"s0": [damaged]}
    assert crew.given == ["s0"]


def test_networks_that_cannot_be_loaded_end_everything() -> None:
    with pytest.raises(ModelError, match="no such network"):
        list(work_off(Scripted(1, {"s1": [Unusable("no such network")]}), shards(9)))


def test_photos_of_a_lost_worker_are_not_counted_twice() -> None:
    progress = Progress([LooseShard("s", Path(), (("a", "a.jpg"), ("b", "b.jpg")))])
    shard = LooseShard("s", Path(), ())
    for event, count in ((Seen(1), 1), (Seen(2), 2), (Seen(0), 0), (Seen(1), 1), (done("s", 2), 2)):
        progress.tell((shard, event))
        assert progress.photos == count
    assert progress.total == 2
    progress.close()


def test_photos_of_archives_are_reckoned_from_those_that_are_read() -> None:
    archives = [ArchiveShard(name, Path()) for name in "abcd"]
    progress = Progress(archives)
    totals = [progress.total]
    for shard, photos in zip(archives, (10, 20), strict=False):
        progress.tell((shard, done(shard.name, photos)))
        totals.append(progress.total)
    assert totals == [None, 40, 60]
    progress.close()


# Processes


def album_shards(folder: Path, count: int, each: int) -> list[Shard]:
    names = [f"{number:03d}.jpg" for number in range(count * each)]
    write_album(folder, names)
    keyed = [(name[:3], name) for name in names]
    return [LooseShard(f"s{n}", folder, tuple(keyed[n * each : (n + 1) * each])) for n in range(count)]


def test_processes_do_shards_and_one_that_is_killed_is_replaced(tmp_path: Path, settings: Settings) -> None:
    todo = album_shards(tmp_path / "in", count=3, each=20)
    with closing(Processes(make_job(settings), tmp_path / "out", 1)) as crew:
        events = work_off(crew, todo)
        shard, first = next(events)
        assert (shard.name, first) == ("s0", Seen(1))
        (victim,) = crew.process_ids
        os.kill(victim, signal.SIGKILL)
        told = outcomes(events)
    assert {name: [type(outcome) for outcome in each] for name, each in told.items()} == {
        name: [Done] for name in ("s0", "s1", "s2")
    }
    assert sweep(tmp_path / "out") == 1, "what it was writing"
    assert_complete(tmp_path / "out", [f"{number:03d}" for number in range(60)], [])


def test_closing_ends_processes_in_the_middle_of_a_shard(tmp_path: Path, settings: Settings) -> None:
    todo = album_shards(tmp_path / "in", count=1, each=60)
    crew = Processes(make_job(settings), tmp_path / "out", 1)
    assert next(work_off(crew, todo))[1] == Seen(1)
    (process,) = crew.process_ids
    crew.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert crew.process_ids == []


def test_how_a_process_ended_is_said_in_words() -> None:
    assert [describe(code) for code in (-9, 1, None)] == ["SIGKILL", "exit code 1", "exit code None"]
