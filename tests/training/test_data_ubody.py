"""UBody: which pictures of which scenes are used, in both layouts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.errors import InvalidInput
from tests.training.data_folder import annotation, gradient, image_record, jpeg, write_document
from training.data.records import Loaded
from training.data.ubody import SCENES, load_ubody, video_of
from training.recipe import Source

SOURCE = Source(dataset="ubody", annotations="annotations", images="images")
RAW = (("layout", "raw"), ("test_videos", "splits/intra_scene_test_list.npy"), ("scenes", "Movie,Speech"))

FRAMES = {
    10: "video_a/000001.png",
    11: "video_a/000002.png",
    20: "/video_b_Trim3/000001.png",
    30: "video_c_Trim1/000007.png",
}
"""Ids and names of each scene's pictures; video_b is held out."""


def load(folder: Path, *options: tuple[str, str | int]) -> Loaded:
    return load_ubody(folder, replace(SOURCE, options=options))


def write_scene(folder: Path, scene: str, file: str, frames: dict[int, str], prefix: str = "") -> None:
    for name in frames.values():
        picture = folder / "images" / scene / name.lstrip("/")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(jpeg(gradient()))
    images = [image_record(number, file_name=prefix + name) for number, name in frames.items()]
    records = [annotation(1000 + number, number) for number in frames]
    write_document(folder / "annotations" / scene / file, images, records)


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for scene in ("Movie", "Speech"):
        write_scene(tmp_path, scene, "keypoint_annotation.json", FRAMES)
    (tmp_path / "splits").mkdir()
    np.save(tmp_path / "splits" / "intra_scene_test_list.npy", np.array(["video_b", "video_z"]))
    return tmp_path


def test_every_tenth_id_of_videos_that_are_not_held_out_trains(raw: Path) -> None:
    dataset, bad = load(raw, *RAW)
    assert bad == ()
    assert dataset.id_N.tolist() == [1010, 1030] * 2
    assert dataset[0].picture.file == raw / "images" / "Movie" / "video_a" / "000001.png"
    assert dataset[2].picture.file == raw / "images" / "Speech" / "video_a" / "000001.png"


def test_the_rest_validates(raw: Path) -> None:
    dataset = load(raw, *RAW, ("split", "val")).dataset
    assert dataset.id_N.tolist() == [1020] * 2


def test_another_interval(raw: Path) -> None:
    assert load(raw, *RAW, ("interval", 1)).dataset.id_N.tolist() == [1010, 1011, 1030] * 2


def test_frames_that_are_not_wanted_may_be_missing(raw: Path) -> None:
    (raw / "images" / "Movie" / "video_a" / "000002.png").unlink()
    assert load(raw, *RAW).bad == ()
    (raw / "images" / "Movie" / "video_a" / "000001.png").unlink()
    (bad,) = load(raw, *RAW).bad
    assert (bad.annotation_id, bad.file.name) == (1010, "000001.png")


def test_converted_files_are_divided_already(tmp_path: Path) -> None:
    train = {10: "video_b/000001.png", 15: "video_b/000002.png"}
    write_scene(tmp_path, "Movie", "train_annotations.json", train, prefix="Movie/")
    write_scene(tmp_path, "Movie", "val_annotations.json", {20: "video_a/000001.png"}, prefix="Movie/")
    options = (("layout", "converted"), ("scenes", "Movie"))
    train_people, bad = load(tmp_path, *options)
    assert bad == ()
    assert train_people.id_N.tolist() == [1010]
    assert train_people[0].picture.file == tmp_path / "images" / "Movie" / "video_b" / "000001.png"
    assert load(tmp_path, *options, ("split", "val")).dataset.id_N.tolist() == [1020]


def test_all_scenes_by_default(raw: Path) -> None:
    assert len(SCENES) == len(set(SCENES)) == 15
    with pytest.raises(InvalidInput, match="Magic_show"):
        load(raw, *RAW[:2])


def test_video_names() -> None:
    assert video_of(Path("images/Movie/x_Trim12_a/000001.png")) == "x"
    assert video_of(Path("images/Movie/x_y/000001.png")) == "x_y"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((("split", "test"),), "valid: train, val"),
        ((("layout", "flat"),), "valid: raw, converted"),
        ((("scene", "Movie"),), "valid: confidence_weights, interval, layout, scenes, split, test_videos"),
        ((*RAW, ("scenes", "Movies")), "valid: Magic_show"),
        ((), "intra_scene_test_list"),
        ((("test_videos", "none.npy"),), "No such file"),
    ],
)
def test_mistaken_options_are_refused(raw: Path, options: tuple[tuple[str, str]], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load(raw, *options)


def test_a_list_that_holds_objects_is_not_unpickled(raw: Path) -> None:
    np.save(raw / "splits" / "objects.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(InvalidInput, match="cannot be read"):
        load(raw, ("test_videos", "splits/objects.npy"))
