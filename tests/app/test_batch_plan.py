"""What `skelmap batch` finds, and which photo belongs to which shard."""

import os
from pathlib import Path

import pytest

from app.batch.plan import ArchiveShard, LooseShard, archive_shards, loose_shards, name_keys
from app.batch.sources import Source, find_source, fixed_part
from pose_core.errors import InvalidInput


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def cut(folder: Path, record: Path, size: int = 2) -> list[list[str]]:
    """The photos of each shard of a folder."""
    shards = loose_shards(find_source(str(folder), record.with_name("out")), size, record)
    return [[name for _, name in shard.photos] for shard in shards if isinstance(shard, LooseShard)]


# What there is


def test_a_folder_is_searched_whole_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path / "in", "b.jpg", "a/c.PNG", "a/b.webp", "notes.txt", "d.json")
    found = find_source(str(tmp_path / "in"), tmp_path / "out")
    assert found == Source((tmp_path / "in").resolve(), photos=("a/b.webp", "a/c.PNG", "b.jpg"))


def test_tar_shards_are_recognised(tmp_path: Path) -> None:
    touch(tmp_path / "in", "train/1.tar", "train/0.TAR", "val/0.tar.gz", "val/1.tgz", "index.json")
    found = find_source(str(tmp_path / "in"), tmp_path / "out")
    assert found.archives == ("train/0.TAR", "train/1.tar", "val/0.tar.gz", "val/1.tgz")
    assert [shard.name for shard in archive_shards(found)] == ["train/0", "train/1", "val/0", "val/1"]


def test_a_file_is_a_source(tmp_path: Path) -> None:
    touch(tmp_path, "0.tar")
    root = tmp_path.resolve()
    shards = archive_shards(find_source(str(tmp_path / "0.tar"), tmp_path / "out"))
    assert shards == [ArchiveShard("0", root / "0.tar")]


def test_names_below_a_glob_stay_when_it_matches_more(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    pattern = str(tmp_path / "*" / "1.jpg")
    assert find_source(pattern, tmp_path / "out").photos == ("a/1.jpg",)
    touch(tmp_path, "b/1.jpg")
    assert find_source(pattern, tmp_path / "out").photos == ("a/1.jpg", "b/1.jpg")


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [("/x/a*/b.jpg", "/x"), ("x/*.tar", "x"), ("*.tar", "."), ("/x/y/0[01].tar", "/x/y"), ("gone/a.jpg", "gone")],
)
def test_what_of_a_glob_is_fixed(pattern: str, folder: str) -> None:
    assert fixed_part(pattern) == Path(folder)


def test_nothing_is_an_error_that_says_what_would_do(tmp_path: Path) -> None:
    touch(tmp_path, "a.txt")
    for given in (tmp_path, tmp_path / "gone", tmp_path / "*.jpg", tmp_path / "a.txt"):
        with pytest.raises(InvalidInput, match=r"^SOURCE: '.*' names no photo and no shard \(.jpg, .*, .tar, "):
            find_source(str(given), tmp_path / "out")


def test_photos_and_shards_are_not_mixed(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "0.tar")
    with pytest.raises(InvalidInput, match=r"1 photos such as a.jpg and 1 shards such as 0.tar; name one kind"):
        find_source(str(tmp_path), tmp_path / "out")


def test_results_are_no_source(tmp_path: Path) -> None:
    touch(tmp_path, "0.tar", "out/0.tar")
    with pytest.raises(InvalidInput, match=r"^DEST: .*out/0.tar lies in the folder of the results"):
        find_source(str(tmp_path), tmp_path / "out")


# Which photo belongs where


def test_sorted_photos_are_cut_into_shards_of_a_fixed_size(tmp_path: Path) -> None:
    touch(tmp_path / "in", "e.jpg", "a.jpg", "d.jpg", "b.jpg", "c.jpg")
    assert cut(tmp_path / "in", tmp_path / "plan") == [["a.jpg", "b.jpg"], ["c.jpg", "d.jpg"], ["e.jpg"]]


def test_photos_that_come_later_leave_old_shards_as_they_are(tmp_path: Path) -> None:
    touch(tmp_path / "in", "b.jpg", "d.jpg", "f.jpg")
    before = cut(tmp_path / "in", tmp_path / "plan")
    touch(tmp_path / "in", "a.jpg", "c.jpg", "e.jpg")
    assert cut(tmp_path / "in", tmp_path / "plan") == [*before, ["a.jpg", "c.jpg"], ["e.jpg"]]
    assert cut(tmp_path / "in", tmp_path / "plan", size=5) == [*before, ["a.jpg", "c.jpg"], ["e.jpg"]]


def test_photos_that_are_gone_stay_in_the_plan(tmp_path: Path) -> None:
    touch(tmp_path / "in", "a.jpg", "b.jpg", "c.jpg")
    before = cut(tmp_path / "in", tmp_path / "plan")
    (tmp_path / "in" / "a.jpg").unlink()
    assert cut(tmp_path / "in", tmp_path / "plan") == before


def test_names_that_are_no_utf_8_are_remembered(tmp_path: Path) -> None:
    strange = os.fsdecode(b"\xff.jpg")
    touch(tmp_path / "in", strange, "a.jpg")
    before = cut(tmp_path / "in", tmp_path / "plan")
    assert before == [["a.jpg", strange]]
    assert cut(tmp_path / "in", tmp_path / "plan") == before


@pytest.mark.parametrize("content", ["{", "[]\n", '{"name": 1}\n', '{"name": "a", "photos": []}\n'])
def test_a_damaged_plan_is_refused(tmp_path: Path, content: str) -> None:
    touch(tmp_path / "in", "a.jpg")
    (tmp_path / "plan").write_text(content)
    with pytest.raises(InvalidInput, match=r"^DEST: .*plan is damaged: "):
        cut(tmp_path / "in", tmp_path / "plan")


def test_two_archives_never_share_their_results(tmp_path: Path) -> None:
    source = Source(tmp_path, archives=("0.tar", "0.tgz"))
    with pytest.raises(InvalidInput, match=r"^SOURCE: 0.tar and 0.tgz would both become shard '0'"):
        archive_shards(source)


def test_keys_are_unique_and_as_webdataset_reads_them() -> None:
    names = ["a.jpg", "b.c.jpg", "a.png", "x/a.jpg", "a.PNG", "a_png.webp", "b_c.jpg", "b.c.JPG"]
    keys = ["a", "b_c", "a_png", "x/a", "a_PNG", "a_png_webp", "b_c_jpg", "b_c_JPG"]
    assert list(name_keys(names, set())) == list(zip(keys, names, strict=True))


def test_a_name_given_again_gets_a_key_of_its_own() -> None:
    assert [key for key, _ in name_keys(["a.jpg"] * 3, set())] == ["a", "a_jpg", "a_jpg_2"]


@pytest.mark.parametrize(
    ("name", "key"), [("/etc/a.jpg", "etc/a"), ("../../a.jpg", "a"), ("x/../a.jpg", "x/a"), ("\udcff.jpg", "?")]
)
def test_keys_lead_out_of_no_folder_and_are_utf_8(name: str, key: str) -> None:
    assert list(name_keys([name], set())) == [(key, name)]
