"""The work of one shard: which photos are read from it, and what is left on disk."""

import io
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from app.batch.files import replacing, sweep
from app.batch.manifest import read_row, row_path
from app.batch.photos import DamagedShard, Photo, photos_of
from app.batch.plan import ArchiveShard, LooseShard, Shard
from app.batch.worker import Done, Failed, Unusable, Worker
from app.formats import FORMATS
from app.models import ModelStore
from app.parameters import PoseParameters
from app.service import PoseService
from app.settings import Settings
from pose_core.timing import Timer
from tests.app.albums import assert_complete, cut, make_job, read_tar, write_album, write_tar

LIMIT = 1 << 20


def loose(folder: Path, *names: str) -> LooseShard:
    return LooseShard("s", folder, tuple((name.partition(".")[0], name) for name in names))


def read(shard: Shard, max_bytes: int = LIMIT) -> list[Photo]:
    return list(photos_of(shard, max_bytes))


# Reading


def test_loose_photos_come_in_their_order(tmp_path: Path) -> None:
    write_album(tmp_path, ["b.jpg", "a.jpg"])
    assert read(loose(tmp_path, "b.jpg", "a.jpg")) == [Photo("b", "b.jpg", cut(0)), Photo("a", "a.jpg", cut(1))]


def test_a_file_that_is_gone_or_too_large_is_trouble_with_that_photo(tmp_path: Path) -> None:
    write_album(tmp_path, ["a.jpg", "c.jpg"])
    (tmp_path / "d.jpg").mkdir()
    (tmp_path / "large.jpg").write_bytes(bytes(LIMIT + 1))
    photos = read(loose(tmp_path, "a.jpg", "gone.jpg", "d.jpg", "large.jpg", "c.jpg"))
    assert [photo.trouble for photo in photos] == [
        "",
        "cannot be read: No such file or directory",
        "cannot be read: Is a directory",
        "1,048,577 bytes; at most 1,048,576 are allowed",
        "",
    ]
    assert [bool(photo.data) for photo in photos] == [True, False, False, False, True]


def test_an_archive_yields_its_photos_and_nothing_else(tmp_path: Path) -> None:
    members = {"x/a.jpg": b"1", "x/a.txt": b"caption", "b.PNG": b"2", "c.json": b"{}", "b.jpg": b"3"}
    shard = ArchiveShard("0", write_tar(tmp_path / "0.tar", members))
    assert read(shard) == [Photo("x/a", "x/a.jpg", b"1"), Photo("b", "b.PNG", b"2"), Photo("b_jpg", "b.jpg", b"3")]


def test_a_packed_archive_yields_the_same(tmp_path: Path) -> None:
    plain, packed = write_tar(tmp_path / "0.tar", {"a.jpg": cut(0), "b.jpg": cut(1)}), tmp_path / "0.tar.gz"
    with tarfile.open(packed, "w:gz") as tar, tarfile.open(plain) as old:
        for member in old:
            tar.addfile(member, old.extractfile(member))
    assert read(ArchiveShard("0", packed)) == read(ArchiveShard("0", plain))


def test_links_in_an_archive_are_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        member = tarfile.TarInfo("passwords.jpg")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(member)
    assert read(ArchiveShard("0", tmp_path / "0.tar")) == []


def test_a_large_member_is_not_read(tmp_path: Path) -> None:
    shard = ArchiveShard("0", write_tar(tmp_path / "0.tar", {"a.jpg": bytes(2000), "b.jpg": b"1"}))
    large, small = read(shard, max_bytes=1999)
    assert (large.data, large.trouble) == (b"", "2,000 bytes; at most 1,999 are allowed")
    assert small.data == b"1"


WHOLE = 3 * (512 + 1024)
"""Bytes of three members of 1,000 bytes with their headers; the end mark follows."""


@pytest.mark.parametrize("length", [WHOLE, WHOLE - 1, WHOLE - 1024, WHOLE - 1300, 512 + 1024, 512 + 1024 + 100, 700, 0])
def test_an_archive_that_is_cut_short_is_noticed(tmp_path: Path, length: int) -> None:
    """Also where Python's reader takes the cut for the end: between members, and inside a header."""
    path = write_tar(tmp_path / "0.tar", {f"{name}.jpg": bytes(1000) for name in "abc"})
    assert len(read(ArchiveShard("0", path))) == 3
    os.truncate(path, length)
    with pytest.raises(DamagedShard, match=r"0.tar is damaged: "):
        read(ArchiveShard("0", path))


def test_a_damaged_header_is_noticed(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "0.tar", {f"{name}.jpg": bytes(1000) for name in "abc"})
    content = bytearray(path.read_bytes())
    content[512 + 1024 + 150] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DamagedShard):
        read(ArchiveShard("0", path))


def test_a_damaged_packed_archive_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("a.jpg")
        member.size = 100_000
        tar.addfile(member, io.BytesIO(os.urandom(100_000)))
    os.truncate(path, 50_000)
    with pytest.raises(DamagedShard):
        read(ArchiveShard("0", path))


# Writing


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Photos, one of which is broken."""
    return write_album(tmp_path / "in", ["a.jpg", "b.jpg", "c.jpg"], ["bad.jpg"])


SHARD_PHOTOS = ("a.jpg", "bad.jpg", "b.jpg", "c.jpg", "gone.jpg")


def done(outcome: object) -> Done:
    assert isinstance(outcome, Done), outcome
    return outcome


def test_a_shard_holds_what_a_request_answers(album: Path, tmp_path: Path, settings: Settings) -> None:
    job = make_job(settings, "png", "openpose", "npz")
    row = done(Worker(job, tmp_path / "out").work(loose(album, *SHARD_PHOTOS))).row
    assert (row.photos, row.written, row.people) == (5, 3, 3)
    assert [(photo.photo, photo.reason.split(":")[0]) for photo in row.bad] == [
        ("bad.jpg", "image"),
        ("gone.jpg", "cannot be read"),
    ]
    service = PoseService(ModelStore(job.settings), job.settings)
    held = read_tar(tmp_path / "out" / "s.tar")
    assert len(held) == 9
    for key in "abc":
        answer = service.answer((album / f"{key}.jpg").read_bytes(), PoseParameters(), Timer())
        for name in job.outputs:
            assert held[f"{key}.{FORMATS[name].extension}"] == FORMATS[name].write(answer)
    assert row.networks == service.models.loaded()


def test_a_table_has_a_row_for_each_photo(album: Path, tmp_path: Path, settings: Settings) -> None:
    job = make_job(settings, "npz", "parquet")
    row = done(Worker(job, tmp_path / "out").work(loose(album, *SHARD_PHOTOS))).row
    assert [file.name for file in row.files] == ["s.tar", "s.parquet"]
    table = parquet.read_table(tmp_path / "out" / "s.parquet").to_pylist()
    assert [(entry["key"], entry["photo"], entry["width"], entry["height"]) for entry in table] == [
        (key, f"{key}.jpg", 64, 64) for key in "abc"
    ]
    held = read_tar(tmp_path / "out" / "s.tar")
    for entry in table:
        archive = np.load(io.BytesIO(held[f"{entry['key']}.npz"]))
        keypoints = np.array(entry["keypoints"], np.float32).reshape(-1, 133, 3)
        np.testing.assert_array_equal(keypoints, archive["keypoints"])
        np.testing.assert_array_equal(np.array(entry["boxes"]), archive["boxes"])


def test_a_table_of_many_photos_is_written_in_groups(tmp_path: Path, settings: Settings) -> None:
    names = [f"{number:03d}.jpg" for number in range(300)]
    shard = loose(write_album(tmp_path / "in", names), *names)
    done(Worker(make_job(settings, "parquet"), tmp_path / "out").work(shard))
    file = parquet.ParquetFile(tmp_path / "out" / "s.parquet")
    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [256, 44]
    assert file.read().column("key").to_pylist() == [name[:3] for name in names]


def test_a_shard_that_is_done_twice_is_the_same_to_the_byte(album: Path, tmp_path: Path, settings: Settings) -> None:
    job = make_job(settings, "png", "openpose", "npz", "overlay", "svg", "parquet")
    rows = [done(Worker(job, tmp_path / name).work(loose(album, *SHARD_PHOTOS))).row for name in ("one", "two")]
    assert rows[0] == rows[1]
    done(Worker(job, tmp_path / "one").work(loose(album, *SHARD_PHOTOS)))
    assert (tmp_path / "one" / "s.tar").read_bytes() == (tmp_path / "two" / "s.tar").read_bytes()


def test_a_shard_without_photos_is_finished_too(tmp_path: Path, settings: Settings) -> None:
    shard = ArchiveShard("x/0", write_tar(tmp_path / "0.tar", {"a.txt": b""}))
    row = done(Worker(make_job(settings), tmp_path / "out").work(shard)).row
    assert (row.photos, row.written, row.files[0].name) == (0, 0, "x/0.tar")
    assert read_tar(tmp_path / "out" / "x" / "0.tar") == {}


def test_it_tells_how_far_it_is(album: Path, tmp_path: Path, settings: Settings) -> None:
    seen: list[int] = []
    Worker(make_job(settings), tmp_path / "out").work(loose(album, *SHARD_PHOTOS), seen.append)
    assert seen == [1, 2, 3, 4, 5]


def test_a_damaged_archive_leaves_nothing(tmp_path: Path, settings: Settings) -> None:
    path = write_tar(tmp_path / "0.tar", {"a.jpg": cut(0), "b.jpg": cut(1)})
    os.truncate(path, 1024)
    outcome = Worker(make_job(settings, "png", "parquet"), tmp_path / "out").work(ArchiveShard("0", path))
    assert isinstance(outcome, Failed)
    assert outcome.final
    assert "0.tar is damaged" in outcome.reason
    assert [file for file in (tmp_path / "out").rglob("*") if file.is_file()] == []


def test_a_disk_that_is_in_the_way_is_a_failure_to_be_tried_again(
    album: Path, tmp_path: Path, settings: Settings
) -> None:
    (tmp_path / "out").write_text("in the way")
    outcome = Worker(make_job(settings), tmp_path / "out").work(loose(album, "a.jpg"))
    assert isinstance(outcome, Failed)
    assert not outcome.final


def test_networks_that_cannot_be_loaded_make_a_worker_unusable(album: Path, tmp_path: Path, settings: Settings) -> None:
    gone = settings.model_copy(update={"estimator": str(tmp_path / "gone.onnx")})
    job = replace(make_job(settings), settings=gone)
    outcome = Worker(job, tmp_path / "out").work(loose(album, "a.jpg"))
    assert isinstance(outcome, Unusable)
    assert "gone.onnx" in outcome.reason


# What a row promises


def test_a_row_is_believed_while_its_files_are_whole(album: Path, tmp_path: Path, settings: Settings) -> None:
    out = tmp_path / "out"
    row = done(Worker(make_job(settings), out).work(loose(album, *SHARD_PHOTOS))).row
    assert read_row(out, "s") == row
    assert_complete(out, list("abc"), ["bad.jpg", "gone.jpg"])
    os.truncate(out / "s.tar", 100)
    assert read_row(out, "s") is None
    (out / "s.tar").unlink()
    assert read_row(out, "s") is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "null", '{"bad": [], "files": []}'])
def test_a_row_that_cannot_be_read_is_none(tmp_path: Path, content: str) -> None:
    row_path(tmp_path, "s").parent.mkdir()
    row_path(tmp_path, "s").write_text(content)
    assert read_row(tmp_path, "s") is None


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    with replacing(path) as partial:
        partial.write_text("old")
        assert not path.exists()
    with pytest.raises(KeyError), replacing(path) as partial:  # noqa: PT012 - what is left behind is the point
        partial.write_text("new")
        raise KeyError
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_what_killed_processes_were_writing_is_swept(tmp_path: Path) -> None:
    for name in ("a/.partial-1-x.tar", ".partial-2-plan.jsonl", "a/x.tar"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert sweep(tmp_path) == 2
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["x.tar"]
