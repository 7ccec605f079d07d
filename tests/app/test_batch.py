"""`skelmap batch` as a process: what it leaves behind, and that nothing is lost or doubled whoever is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.batch.crews.actors import connected
from app.batch.destination import begin, leading
from app.batch.outputs import check_outputs
from app.batch.sources import Source
from app.commands.batch import anywhere
from app.settings import Settings
from pose_core.errors import InvalidInput
from tests.app.albums import (
    BROKEN,
    assert_complete,
    command,
    cut,
    make_job,
    read_tar,
    rows_of,
    run_batch,
    write_album,
    write_tar,
)
from tests.clusters import started

PHOTOS, SHARDS = 800, 8
BAD = ("bad.jpg", "trip/bad.png")


def wait_until(true: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait while the process lives."""
    deadline = time.monotonic() + 60
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    """The worker processes of a batch."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


def is_running(process: int) -> bool:
    """Whether a process is alive; a zombie is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_and_then_the_leader_are_killed_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    names = [f"{number:04d}.jpg" for number in range(PHOTOS)]
    source, dest = write_album(tmp_path / "in", [*names, "trip/0.jpg"], BAD), tmp_path / "out"
    size = ("--shard-size", -(-(PHOTOS + 3) // SHARDS), "--workers", 2)
    with started(command(source, dest, *size)) as process:
        wait_until(lambda: len(rows_of(dest)) >= 1 and len(workers_of(process)) == 2, process)
        os.kill(workers_of(process)[0], signal.SIGKILL)
        wait_until(lambda: len(rows_of(dest)) >= 3, process)
        orphans = workers_of(process)
        process.kill()
        said = process.communicate()[1]
    assert "tried again: its process ended with SIGKILL" in said
    before = {row["shard"]: row for row in rows_of(dest)}
    assert 3 <= len(before) < SHARDS, "some of it is left to do"
    while any(map(is_running, orphans)):  # workers end when they have lost their leader
        time.sleep(0.01)
    times = {row["shard"]: (dest / row["files"][0]["name"]).stat().st_mtime_ns for row in before.values()}
    result = run_batch(source, dest, *size)
    assert result.returncode == 0, result.stderr
    assert f"{PHOTOS + 1} of {PHOTOS + 3} photos done, in {SHARDS} of {SHARDS} shards" in result.stderr
    assert f"2 bad ones are listed in {dest / 'manifest'}" in result.stderr
    assert_complete(dest, [*(name[:4] for name in names), "trip/0"], BAD)
    assert {name: (dest / f"{name}.tar").stat().st_mtime_ns for name in times} == times, "finished ones were left alone"
    assert {row["shard"]: row for row in rows_of(dest) if row["shard"] in before} == before


def test_tar_shards_keep_their_names_and_damaged_ones_are_reported(tmp_path: Path) -> None:
    for number in range(3):
        write_tar(tmp_path / "in" / "train" / f"{number}.tar", {f"{number}{key}.jpg": cut(number) for key in "ab"})
    os.truncate(tmp_path / "in" / "train" / "1.tar", 1500)
    result = run_batch(tmp_path / "in", tmp_path / "out", "--workers", 1)
    assert result.returncode == 1
    assert "failed: train/1: " in result.stderr
    assert "4 of 4 photos done, in 2 of 3 shards" in result.stderr
    assert set(read_tar(tmp_path / "out" / "train" / "2.tar")) == {"2a.png", "2b.png"}
    write_tar(tmp_path / "in" / "train" / "1.tar", {"1a.jpg": cut(1), "1b.jpg": BROKEN})
    result = run_batch(tmp_path / "in", tmp_path / "out", "--workers", 1)
    assert result.returncode == 0, result.stderr
    assert "2 of them now, " in result.stderr
    assert_complete(tmp_path / "out", ["0a", "0b", "1a", "2a", "2b"], ["1b.jpg"])


def test_photos_that_came_later_are_done_and_nothing_is_done_again(tmp_path: Path) -> None:
    write_album(tmp_path / "in", ["b.jpg", "c.jpg"])
    options = ("--workers", 1, "--output", "openpose")
    assert run_batch(tmp_path / "in", tmp_path / "out", *options).returncode == 0
    first = (tmp_path / "out" / "shard-000000.tar").stat().st_mtime_ns
    write_album(tmp_path / "in", ["a.jpg"])
    result = run_batch(tmp_path / "in", tmp_path / "out", *options)
    assert "3 of 3 photos done, in 2 of 2 shards" in result.stderr
    assert (tmp_path / "out" / "shard-000000.tar").stat().st_mtime_ns == first
    assert_complete(tmp_path / "out", list("abc"), [], "openpose.json")
    result = run_batch(tmp_path / "in", tmp_path / "out", *options)
    assert result.returncode == 0
    assert "of them now" not in result.stderr


def test_ctrl_c_says_that_the_same_command_goes_on(tmp_path: Path) -> None:
    source = write_album(tmp_path / "in", [f"{number:03d}.jpg" for number in range(300)])
    with started(command(source, tmp_path / "out", "--workers", 1, "--shard-size", 50)) as process:
        wait_until(lambda: len(rows_of(tmp_path / "out")) >= 1, process)
        orphans = workers_of(process)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert " of 6 shards finished; the same command goes on" in said
    assert not any(map(is_running, orphans))


# What is refused


def refused(result: subprocess.CompletedProcess[str], message: str) -> None:
    assert result.returncode == 2
    assert result.stderr.startswith("error: ")
    assert message in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--output", "json"), "--output: unknown value 'json'; valid: openpose, png, overlay, svg, npz, parquet"),
        (("--output", ","), "--output: names nothing to write; valid: openpose"),
        (("--style", "x"), "--style: unknown value, got 'x'; valid: controlnet"),
        (("--estimator", "dwposel"), "unknown value 'dwposel'; valid: skelmap-t"),
    ],
)
def test_options_are_checked_before_any_work(tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    write_album(tmp_path / "in", ["a.jpg"])
    refused(run_batch(tmp_path / "in", tmp_path / "out", *options), message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "no.such.host.invalid:6379", "127.0.0.1:99999"])
def test_a_cluster_that_is_not_there_is_refused_at_once(address: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^--ray: no cluster at '{address}': "), connected(address):
        pass


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidInput, match=r"^--ray: needs Ray: install skelmap\[ray\]"), connected("auto"):
        pass


def test_parquet_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    with pytest.raises(InvalidInput, match=r"^--output: parquet needs pyarrow: install skelmap\[parquet\]"):
        check_outputs("parquet")
    assert check_outputs("npz, png") == ("png", "npz")


def test_another_job_in_the_same_folder_is_refused(tmp_path: Path, settings: Settings) -> None:
    source = Source(tmp_path / "in")
    begin(tmp_path, source, make_job(settings, "png"))
    begin(tmp_path, source, make_job(settings, "png"))
    with pytest.raises(InvalidInput, match=r"^DEST: .* was begun with outputs \['png'\], now it is \['npz'\]; choose"):
        begin(tmp_path, source, make_job(settings, "npz"))
    with pytest.raises(InvalidInput, match=r"was begun with source '.*/in', now it is '.*/elsewhere'"):
        begin(tmp_path, Source(tmp_path / "elsewhere"), make_job(settings, "png"))


def test_files_of_networks_are_found_from_other_folders(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = settings.model_copy(update={"estimator": "mine.onnx", "detector": "yolox-l"})
    meant = anywhere(given)
    assert (meant.estimator, meant.detector) == (str(tmp_path / "mine.onnx"), "yolox-l")


def test_threads_and_device_may_change(tmp_path: Path, settings: Settings) -> None:
    begin(tmp_path, Source(tmp_path), make_job(settings))
    other = make_job(settings)
    other = type(other)(other.outputs, other.parameters, other.settings.model_copy(update={"threads": 7}))
    begin(tmp_path, Source(tmp_path), other)


@pytest.mark.parametrize("content", ["", "[1]", "{"])
def test_a_damaged_job_is_refused(tmp_path: Path, settings: Settings, content: str) -> None:
    (tmp_path / "job.json").write_text(content)
    with pytest.raises(InvalidInput, match=r"^DEST: .*job.json is damaged: .*; choose another folder"):
        begin(tmp_path, Source(tmp_path), make_job(settings))


def test_a_folder_has_one_leader_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    program = "import time; from pathlib import Path; from app.batch.destination import leading\n"
    program += f"with leading(Path({str(tmp_path)!r})): print(1, flush=True); time.sleep(60)"
    with started([sys.executable, "-c", program]) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "1\n"
        with pytest.raises(InvalidInput, match=rf"^DEST: .* is being worked on by process {other.pid} on "):  # noqa: SIM117
            with leading(tmp_path):
                pass
        other.kill()
        other.wait()
        with leading(tmp_path):
            assert (tmp_path / ".lock").read_text().startswith(f"{os.getpid()} on ")


def test_results_need_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidInput, match=r"^DEST: .*file is no folder"), leading(tmp_path / "file"):
        pass
