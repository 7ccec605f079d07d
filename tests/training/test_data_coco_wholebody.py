"""Annotation files: what the reference reads out of them, and what is said about the mistakes in them."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_core.errors import InvalidInput
from pose_core.types import PersonBox
from tests.training.data_folder import (
    PART_LENGTHS,
    SOURCE,
    annotation,
    image_record,
    points,
    write_document,
    write_folder,
)
from training.data import DATASETS, load_sources
from training.data.coco_wholebody import load_coco_wholebody
from training.data.documents import find_document
from training.data.records import Loaded
from training.recipe import Source


def load(folder: Path, **options: int | str) -> Loaded:
    return load_coco_wholebody(folder, replace(SOURCE, options=tuple(options.items())))


# ---- parity


@pytest.fixture
def recorded(dwpose_oracle: Path, tmp_path: Path) -> Loaded:
    """The recordings' invented set, with empty files in the place of pictures."""
    document = dwpose_oracle / "synth_wholebody.json"
    for image in json.loads(document.read_text())["images"]:
        (tmp_path / image["file_name"]).touch()
    return load_coco_wholebody(tmp_path, Source(dataset="coco_wholebody", annotations=str(document)))


@pytest.mark.shared
def test_people_are_those_of_the_reference(recorded: Loaded, dwpose_oracle: Path) -> None:
    expected, dataset = np.load(dwpose_oracle / "dataset.npz"), recorded.dataset
    np.testing.assert_array_equal(dataset.id_N, expected["ids"])
    assert [person.picture.image_id for person in dataset] == expected["img_ids"].tolist()
    np.testing.assert_allclose(dataset.box_N5[:, :4], expected["bbox"], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(dataset.keypoint_NK3[..., :2], expected["keypoints"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(dataset.keypoint_NK3[..., 2], expected["visible"])


@pytest.mark.shared
def test_only_the_box_outside_its_picture_is_a_mistake_of_the_recorded_set(recorded: Loaded) -> None:
    assert [(record.annotation_id, record.reason[:13]) for record in recorded.bad] == [(1147, "bbox has no a")]


@pytest.mark.shared
def test_people_pack_is_read_whole(shared: Path) -> None:
    source = Source(dataset="coco_wholebody", annotations="val.json", options=(("confidence_weights", 1),))
    dataset, bad = load_coco_wholebody(shared / "data" / "people", source)
    assert (len(dataset), bad) == (562, ())
    weights = dataset.keypoint_NK3[..., 2]
    assert weights.min() == 0
    assert weights.max() == 1
    assert ((weights > 0) & (weights < 1)).any()


# ---- what is read


def test_a_person_is_read(tmp_path: Path) -> None:
    dataset, bad = load(write_folder(tmp_path, [annotation(7)]))
    assert bad == ()
    (person,) = dataset
    assert person.annotation_id == 7
    assert person.box == PersonBox(10.0, 5.0, 90.0, 75.0)
    assert person.picture.file == tmp_path / "images" / "1.jpg"
    np.testing.assert_array_equal(person.keypoints[112:, :2], np.reshape(points(21), (-1, 3))[:, :2])
    assert (person.keypoints[:, 2] == 1).all()


def test_box_is_cut_to_the_last_pixel(tmp_path: Path) -> None:
    (person,) = load(write_folder(tmp_path, [annotation(bbox=[-5, -5, 500, 500])])).dataset
    assert person.box == PersonBox(0.0, 0.0, 119.0, 89.0)


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, [0, 1, 1, 1, 0]),
        ({"confidence_weights": 1}, [0, 0.25, 1, 1, 0]),
        ({"human_labels": 1}, [0, 0, 1, 1, 0]),
        ({"human_labels": 1, "confidence_weights": 1}, [0, 0, 1, 1, 0]),
    ],
)
def test_flags_become_weights(tmp_path: Path, options: dict[str, int], weights: list[float]) -> None:
    hand = points(21)
    hand[2:15:3] = [0, 0.25, 1, 2, -1]
    folder = write_folder(tmp_path, [annotation(lefthand_kpts=hand)])
    (person,) = load(folder, **options).dataset
    assert person.keypoints[91:96, 2].tolist() == weights


def test_people_come_picture_by_picture(tmp_path: Path) -> None:
    folder = write_folder(
        tmp_path, [annotation(5, 2), annotation(6, 1), annotation(7, 2), annotation(8, 1)], pictures=2
    )
    dataset = load(folder).dataset
    assert dataset.id_N.tolist() == [6, 8, 5, 7]
    assert len(dataset.pictures) == 2


@pytest.mark.parametrize(
    "changes", [{"iscrowd": 1}, {"num_keypoints": 0}, {"keypoints": [0] * 51, "num_keypoints": None}]
)
def test_crowds_and_unlabelled_people_are_left_out_and_no_mistake(tmp_path: Path, changes: dict[str, Any]) -> None:
    dataset, bad = load(write_folder(tmp_path, [annotation(1, **changes), annotation(2)]))
    assert (dataset.id_N.tolist(), bad) == ([2], ())


# ---- mistakes

NAN = [*points(20), float("nan"), 3.0, 2.0]
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no box": ({"bbox": None}, "bbox is absent"),
    "a box without width": ({"bbox": [10, 10, 0, 30]}, "bbox has no area: 0.0 x 30.0"),
    "a box of negative height": ({"bbox": [10, 10, 30, -3]}, "bbox has no area"),
    "a box outside the picture": ({"bbox": [300, 10, 30, 30]}, "no area inside the picture of 120 x 90"),
    "a box of words": ({"bbox": [1, 2, 3, "wide"]}, "bbox holds something that is no number"),
    "a box of three numbers": ({"bbox": [1, 2, 3]}, "bbox should be 4 numbers, is 3"),
    "an infinite box": ({"bbox": [1, 2, float("inf"), 4]}, "bbox holds inf at position 2"),
    "NaN in a hand": ({"lefthand_kpts": NAN}, "lefthand_kpts holds nan at position 60"),
    "too few points": ({"keypoints": points(16)}, "keypoints should be 51 numbers, is 48"),
    "points in lists": ({"foot_kpts": [[1, 2, 2]] * 18}, "foot_kpts holds lists"),
    "a part that is no list": ({"face_kpts": "none"}, "face_kpts should be 204 numbers, is str"),
    "an absurd coordinate": ({"face_kpts": [1e9, *points(68)[1:]]}, "face_kpts holds 1000000000.0"),
    "no positive coordinate": ({name: [0.0, 0.0, 2.0] * (n // 3) for name, n in PART_LENGTHS.items()}, "above 0"),
    "an unknown picture": ({"image_id": 99}, "picture 99 is not listed"),
    "a picture id that is no number": ({"image_id": [1]}, "picture [1] is not listed"),
    "no id": ({"id": None}, "id is absent"),
    "an enormous id": ({"id": 10**30}, "id is absent or no whole number"),
}


@pytest.mark.parametrize(("changes", "reason"), BAD.values(), ids=BAD.keys())
def test_a_mistake_is_reported_and_the_others_are_read(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    dataset, (record,) = load(write_folder(tmp_path, [annotation(1), annotation(2, **changes), annotation(3)]))
    assert dataset.id_N.tolist() == [1, 3]
    assert reason in record.reason
    assert record.annotation_id == (None if "id" in changes else 2)
    unknown = {"image_id"} & changes.keys()
    assert record.file == tmp_path / ("annotations.json" if unknown else "images/1.jpg")


@pytest.mark.parametrize("record", [None, 5, "text", []])
def test_a_record_that_is_no_object_is_reported(tmp_path: Path, record: object) -> None:
    dataset, (bad,) = load(write_folder(tmp_path, [record, annotation(3)]))
    assert dataset.id_N.tolist() == [3]
    assert "should be an object" in bad.reason


def test_absent_parts_are_reported_and_count_as_unlabelled(tmp_path: Path) -> None:
    dataset, (bad,) = load(write_folder(tmp_path, [annotation(4, foot_kpts=None, face_kpts=None)]))
    assert (bad.annotation_id, bad.file.name) == (4, "1.jpg")
    assert bad.reason.startswith("foot_kpts, face_kpts absent")
    weights = dataset[0].keypoints[:, 2]
    assert (weights[17:91] == 0).all()
    assert (weights[:17] == 1).all()
    assert (weights[91:] == 1).all()


def test_a_missing_picture_is_reported_with_everybody_in_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, [annotation(1), annotation(2, 2), annotation(3, 2)], pictures=2)
    (folder / "images" / "2.jpg").unlink()
    dataset, bad = load(folder)
    assert dataset.id_N.tolist() == [1]
    assert [(record.file.name, record.annotation_id) for record in bad] == [("2.jpg", 2), ("2.jpg", 3)]
    assert "missing" in bad[0].reason


@pytest.mark.parametrize("changes", [{"id": None}, {"file_name": 5}, {"width": 0}, {"height": "tall"}])
def test_a_picture_record_with_a_mistake_is_reported(tmp_path: Path, changes: dict[str, Any]) -> None:
    write_folder(tmp_path, [])
    images = [image_record(1), {**image_record(2), **changes}]
    write_document(tmp_path / "annotations.json", images, [annotation(1), annotation(2, 2)])
    dataset, bad = load(tmp_path)
    assert dataset.id_N.tolist() == [1]
    assert [record.annotation_id for record in bad] == [None, 2]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"images": []}', b'{"images": {}, "annotations": []}', b"\xff\xfe"])
def test_a_file_that_is_no_document_ends_with_a_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "annotations.json").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"annotations\.json"):
        load(tmp_path)


def test_an_absent_document_ends_with_a_message(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        load(tmp_path)


def test_an_unknown_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="valid: below, confidence_weights"):
        load(tmp_path, confident=1)


def test_only_pictures_whose_name_begins_as_wanted(tmp_path: Path) -> None:
    write_folder(tmp_path, [annotation(1), annotation(2, image_id=2)], pictures=2)
    assert load(tmp_path, below="2").dataset.id_N.tolist() == [2]
    assert load(tmp_path, below="").dataset.id_N.tolist() == [1, 2]


def test_a_folder_s_name_is_not_the_beginning_of_another_s(tmp_path: Path) -> None:
    write_folder(tmp_path, [annotation(1, 1), annotation(2, 2)], pictures=2)
    for folder, name in (("coco", "1.jpg"), ("coco_other", "2.jpg")):
        (tmp_path / "images" / folder).mkdir()
        (tmp_path / "images" / name).rename(tmp_path / "images" / folder / name)
    images = [image_record(1, file_name="coco/1.jpg"), image_record(2, file_name="coco_other/2.jpg")]
    write_document(tmp_path / "annotations.json", images, [annotation(1, 1), annotation(2, 2)])
    assert load(tmp_path, below="coco/").dataset.id_N.tolist() == [1]
    assert load(tmp_path, below="coco").dataset.id_N.tolist() == [1, 2]


# ---- several sources


def test_sources_are_put_together_and_mistakes_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_folder(tmp_path, [annotation(1), *(annotation(number, bbox=[0, 0, 0, 0]) for number in range(2, 40))])
    figures = Source(dataset="synthetic", annotations="", options=(("count", 3),))
    with caplog.at_level(logging.WARNING):
        dataset, bad = load_sources(tmp_path, [SOURCE, figures])
    assert dataset.id_N.tolist() == [1, 0, 1, 2]
    assert dataset[0].picture.image_id == 1
    assert dataset[3].picture.image_id == 2
    assert len(bad) == 38
    assert len(caplog.messages) == 21
    assert "annotation 2: bbox has no area" in caplog.messages[0]
    assert "38 mistakes" in caplog.messages[-1]


def test_an_unknown_kind_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=", ".join(DATASETS)):
        load_sources(tmp_path, [Source(dataset="coco", annotations="")])


def test_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        load_sources(tmp_path, [])


def test_annotations_may_lie_where_we_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that were looked at again are written beside the runs, and not into the data folder."""
    data, here = tmp_path / "data", tmp_path / "here"
    for folder in (data, here):
        folder.mkdir()
    monkeypatch.chdir(here)
    assert find_document("labels.json", data) == data / "labels.json", "named in the message that it is missing"
    (data / "labels.json").write_text("{}")
    assert find_document("labels.json", data) == data / "labels.json"
    (here / "labels.json").write_text("{}")
    assert find_document("labels.json", data) == Path("labels.json")
