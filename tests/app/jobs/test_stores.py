"""One contract for every store, run against real databases."""

import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from app.jobs.job import (
    INPUT,
    PREVIEW,
    RESULT,
    Job,
    QueueFull,
    StoredFile,
    cancel,
    claim,
    new_job,
    progress,
    succeed,
    touch,
)
from app.jobs.store import JobStore, change
from app.jobs.stores import STORES, open_store
from pose_core.errors import InvalidInput

Result = TypeVar("Result")
PHOTO = b"\x00\xff photo"


def add(store: JobStore, owner: str = "", text: str = "a", max_waiting: int = 1000) -> Job:
    """A new job with one file in the store."""
    job = new_job("echo", owner, {"text": text}, {"photo": PHOTO}, now=1.5)
    return store.add(job, {INPUT + "photo": PHOTO}, max_waiting)


def at_once(tasks: Iterable[Callable[[], Result]]) -> list[Result]:
    """All results, of threads that run side by side."""
    with ThreadPoolExecutor(8) as pool:
        return [future.result() for future in [pool.submit(task) for task in tasks]]


def test_a_job_comes_back_as_it_went_in(any_store: JobStore) -> None:
    job = add(any_store, "käthe's key", "déjà \x00 \N{SNOWMAN} ' \" %s")
    assert any_store.get(job.id) == job
    assert (job.number, job.state, job.owner) == (1, "queued", "käthe's key")
    assert any_store.read(job.id, INPUT + "photo") == PHOTO
    assert any_store.read(job.id, INPUT + "other") is None


def test_what_is_not_there(any_store: JobStore) -> None:
    assert any_store.get("nothing") is None
    assert any_store.read("nothing", PREVIEW) is None
    assert any_store.in_states("queued", "done") == []
    assert any_store.of_owner("", 10) == []
    any_store.remove("nothing")
    assert change(any_store, "nothing", touch) is None


def test_jobs_are_numbered_in_order_of_arrival(any_store: JobStore) -> None:
    jobs = [add(any_store, text=str(i)) for i in range(12)]
    assert [job.number for job in jobs] == list(range(1, 13))
    assert any_store.in_states("queued") == jobs


def test_a_full_queue_takes_nothing(any_store: JobStore) -> None:
    first = add(any_store, max_waiting=2)
    add(any_store, max_waiting=2)
    refused = new_job("echo", "", {}, {"photo": PHOTO}, now=2)
    with pytest.raises(QueueFull, match="2 jobs are waiting"):
        any_store.add(refused, {INPUT + "photo": PHOTO}, 2)
    assert any_store.get(refused.id) is None
    assert any_store.read(refused.id, INPUT + "photo") is None
    change(any_store, first.id, partial(claim, worker="w", now=2))
    assert add(any_store, max_waiting=2).number == 3  # who was refused took no number


def test_the_queue_never_overflows_however_many_add_at_once(any_url: str) -> None:
    stores = [open_store(any_url) for _ in range(4)]

    def attempt(store: JobStore) -> int:
        try:
            return add(store, max_waiting=5).number
        except QueueFull:
            return 0

    numbers = at_once(partial(attempt, store) for store in stores * 5)
    assert sorted(numbers) == [0] * 15 + [1, 2, 3, 4, 5]
    for store in stores:
        store.close()


def test_no_job_is_claimed_twice(any_url: str) -> None:
    stores = [open_store(any_url) for _ in range(4)]
    jobs = [add(stores[0], text=str(i)) for i in range(10)]

    def claim_all(worker: int) -> list[str]:
        taken = []
        for job in stores[worker].in_states("queued"):
            claimed = change(stores[worker], job.id, partial(claim, worker=str(worker), now=2))
            if claimed is not None and claimed.run_by(str(worker)):
                taken.append(claimed.id)
        return taken

    taken = at_once(partial(claim_all, worker) for worker in range(4))
    assert sorted(job_id for ids in taken for job_id in ids) == sorted(job.id for job in jobs)
    for worker, ids in enumerate(taken):
        assert {stores[0].get(job_id).worker for job_id in ids} <= {str(worker)}  # type: ignore[union-attr]
    for store in stores:
        store.close()


def test_changes_that_come_at_once_are_all_made(any_store: JobStore) -> None:
    job = add(any_store)
    at_once([partial(change, any_store, job.id, touch)] * 20)
    assert any_store.get(job.id).revision == 20  # type: ignore[union-attr]


def test_a_change_of_an_old_revision_is_not_made(any_store: JobStore) -> None:
    job = add(any_store)
    newer = touch(job)
    assert any_store.swap(job, newer, {})
    late = cancel(job, now=3)
    assert not any_store.swap(job, late, {RESULT + "x": b"late"})
    assert any_store.get(job.id) == newer
    assert any_store.read(job.id, INPUT + "photo") == PHOTO
    assert any_store.read(job.id, RESULT + "x") is None
    gone = new_job("echo", "", {}, {}, now=1)
    assert not any_store.swap(gone, touch(gone), {})


def test_files_come_and_go_with_the_change(any_store: JobStore) -> None:
    job = add(any_store)
    change(any_store, job.id, partial(claim, worker="w", now=2))
    for step, picture in enumerate((b"one", b"two")):
        changing = partial(progress, worker="w", done=step, total=2, preview=picture)
        change(any_store, job.id, changing, {PREVIEW: picture})
        assert any_store.read(job.id, PREVIEW) == picture
    files = {RESULT + "a": StoredFile(size=1), RESULT + "b": StoredFile(size=2, media_type="image/png")}
    changing = partial(succeed, worker="w", result={"seed": 7}, warnings=("cut",), files=files, now=3)
    done = change(any_store, job.id, changing, {RESULT + "a": b"1", RESULT + "b": b"22"})
    assert done == any_store.get(job.id)
    assert done is not None
    assert (done.state, done.size, done.done, done.total) == ("done", 3, 2, 2)
    kept = {name: any_store.read(job.id, name) for name in (INPUT + "photo", PREVIEW, RESULT + "a", RESULT + "b")}
    assert kept == {INPUT + "photo": None, PREVIEW: None, RESULT + "a": b"1", RESULT + "b": b"22"}


def test_states_are_found_and_left(any_store: JobStore) -> None:
    waiting, running, cancelled = (add(any_store, text=text) for text in "abc")
    change(any_store, running.id, partial(claim, worker="w", now=2))
    change(any_store, cancelled.id, partial(cancel, now=2))
    found = {state: [job.id for job in any_store.in_states(state)] for state in ("queued", "running", "cancelled")}
    assert found == {"queued": [waiting.id], "running": [running.id], "cancelled": [cancelled.id]}
    assert [job.id for job in any_store.in_states("cancelled", "queued")] == [waiting.id, cancelled.id]


def test_owners_see_their_own_newest_first(any_store: JobStore) -> None:
    mine = [add(any_store, "me", str(i)).id for i in range(3)]
    other = add(any_store, "you").id
    assert [job.id for job in any_store.of_owner("me", 2)] == [mine[2], mine[1]]
    assert [job.id for job in any_store.of_owner("you", 2)] == [other]
    assert any_store.of_owner("", 2) == []


def test_what_is_removed_is_gone(any_store: JobStore) -> None:
    job, other = add(any_store, "me"), add(any_store, "me")
    for _ in range(2):
        any_store.remove(job.id)
    assert any_store.get(job.id) is None
    assert any_store.read(job.id, INPUT + "photo") is None
    assert any_store.in_states("queued") == any_store.of_owner("me", 5) == [other]
    assert any_store.read(other.id, INPUT + "photo") == PHOTO


def test_everything_is_there_after_a_restart(any_url: str) -> None:
    before = open_store(any_url)
    job = add(before)
    before.close()
    after = open_store(any_url)
    assert after.get(job.id) == job
    assert after.read(job.id, INPUT + "photo") == PHOTO
    assert add(after).number == 2
    after.close()


def test_an_empty_database_is_opened_by_several_at_once(any_url: str) -> None:
    stores = at_once([partial(open_store, any_url)] * 4)
    assert sorted(add(store).number for store in stores) == [1, 2, 3, 4]
    for store in stores:
        store.close()


# URLs


@pytest.mark.parametrize("url", ["", "mysql://here/jobs", "jobs.db", "SQLITE:///x"])
def test_another_kind_of_store_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="unknown kind of job store") as caught:
        open_store(url)
    assert caught.value.choices == tuple(STORES)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("sqlite:x", "expected a URL"),
        ("sqlite:////proc/nothing/jobs.db", "cannot be used"),
    ],
)
def test_a_file_that_cannot_be(url: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        open_store(url)


def test_a_folder_is_made_for_the_file_which_is_its_owners_alone(tmp_path: Path) -> None:
    for _ in range(2):
        open_store(f"sqlite:///{tmp_path}/new/folder/jobs.db").close()
    assert (tmp_path / "new/folder/jobs.db").stat().st_mode & 0o777 == 0o600


def test_what_is_forgotten_gives_its_room_back(tmp_path: Path) -> None:
    url, large = f"sqlite:///{tmp_path}/jobs.db", bytes(2**20)
    store = open_store(url)
    job = store.add(new_job("echo", "", {}, {"photo": large}, now=1), {INPUT + "photo": large}, 9)
    store.close()
    assert (tmp_path / "jobs.db").stat().st_size > 2**20
    store = open_store(url)
    store.remove(job.id)
    store.close()
    assert (tmp_path / "jobs.db").stat().st_size < 2**18


@pytest.mark.parametrize("url", ["postgresql://u:secret@127.0.0.1:1/x", "redis://:secret@127.0.0.1:1/0"])
def test_a_database_that_does_not_answer(url: str) -> None:
    pytest.importorskip("psycopg" if url.startswith("postgresql") else "redis", reason="needs the library of it")
    with pytest.raises(InvalidInput, match="cannot be used") as caught:
        open_store(url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("scheme", "library"), [("postgresql", "psycopg"), ("redis", "redis")])
def test_a_library_that_is_not_installed(scheme: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(sys.modules, STORES[scheme].module, raising=False)
    with pytest.raises(InvalidInput, match=rf"pip install 'skelmap\[{STORES[scheme].extra}\]'"):
        open_store(f"{scheme}://127.0.0.1/x")
