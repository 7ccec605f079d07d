"""MPII, as published and as HRNet's lists: who is read, where, and what is said about mistakes."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.geometry import crop_region
from pose_core.types import Size
from tests.training.mat_files import (
    MPII,
    MPII_JSON,
    joint,
    listed,
    rect,
    structure,
    write_listed,
    write_mpii,
    write_pictures,
)
from training.data import load_sources
from training.data.matlab import read_structure
from training.data.mpii import load_mpii
from training.data.mpii_json import load_mpii_json
from training.data.records import Loaded

HEADS = replace(MPII_JSON, options=(("head_boxes", "gt_valid.mat"),))


def load(folder: Path, *rects: dict[str, Any]) -> Loaded:
    """What is read of people in one picture."""
    write_mpii(folder, {"a.jpg": rects}, [1])
    return load_mpii(folder, MPII)


def test_people_of_training_pictures_are_read(tmp_path: Path) -> None:
    people = {"a.jpg": [rect()], "b.jpg": [], "c.jpg": [rect(), rect()], "test.jpg": [{"scale": 1.0}]}
    write_mpii(tmp_path, people, [1, 1, 1, 0])
    dataset, bad = load_mpii(tmp_path, MPII)
    assert bad == ()
    assert dataset.scheme == "mpii"
    assert dataset.id_N.tolist() == [0, 2000, 2001]
    person = dataset[0]
    assert person.keypoints[3].tolist() == [55.0, 42.0, 1.0], "0-based"
    assert person.picture.size == Size(200, 160)
    assert person.head_px == pytest.approx(0.6 * 50)


def test_the_crop_is_the_published_one(tmp_path: Path) -> None:
    """A quarter more than 200 pixels times the scale, 15 pixels times the scale below the middle."""
    box = load(tmp_path, rect())[0][0].box
    region = crop_region(box, Size(256, 256))
    assert (region.center_x, region.center_y) == pytest.approx((100.0, 71.0 + 9.0))
    assert (region.width, region.height) == pytest.approx((150.0, 150.0))


def test_joints_that_are_not_listed_have_no_weight_and_hidden_ones_do(tmp_path: Path) -> None:
    hidden = [joint(0) | {"is_visible": "0"}, joint(4) | {"is_visible": np.zeros((0, 0))}]
    person = load(tmp_path, rect(annopoints={"point": structure(hidden)}))[0][0]
    assert np.flatnonzero(person.keypoints[:, 2]).tolist() == [0, 4]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"objpos": None}, "objpos.x is absent"),
        ({"scale": np.nan}, "scale is nan"),
        ({"scale": 0.0}, "scale is 0"),
        ({"scale": 1 + 1j}, "scale is (1+1j)"),
        ({"scale": 1e4}, "scale is 10000"),
        ({"scale": 1e200}, "scale is 1e+200"),
        ({"annopoints": {"point": np.zeros((0, 0))}}, "no joint is listed"),
        ({"annopoints": {"point": structure([joint(16)])}}, "joint 16 does not exist, ids are 0 to 15"),
        ({"annopoints": {"point": structure([joint(3), joint(3)])}}, "joint 3 is listed twice"),
        (
            {"annopoints": {"point": structure([{"x": 999.0, "y": 5.0, "id": 0}])}},
            "no joint is inside the picture of 200 x 160 pixels",
        ),
    ],
)
def test_a_person_who_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    dataset, bad = load(tmp_path, rect(), rect(**changes))
    assert len(dataset) == 1
    assert [str(one) for one in bad] == [f"{tmp_path / 'images' / 'a.jpg'}, annotation 1: {reason}"]


def test_a_joint_outside_and_a_missing_head_box_are_named_and_lived_with(tmp_path: Path) -> None:
    outside = structure([joint(0), {"x": 301.0, "y": 5.0, "id": 10}])
    dataset, bad = load(tmp_path, rect(annopoints={"point": outside}, x1=None))
    assert [one.reason for one in bad] == [
        "head box missing (x1 is absent); PCKh leaves this person out",
        "right_wrist at 300.0, 4.0 is outside the picture of 200 x 160 pixels",
    ]
    assert np.flatnonzero(dataset[0].keypoints[:, 2]).tolist() == [0]
    assert math.isnan(dataset[0].head_px)


def test_pictures_that_are_not_there_are_named(tmp_path: Path) -> None:
    write_mpii(tmp_path, {"a.jpg": [rect()], "b.jpg": [rect()]}, [1, 1])
    (tmp_path / "images" / "a.jpg").unlink()
    (tmp_path / "images" / "b.jpg").write_text("no picture")
    dataset, bad = load_mpii(tmp_path, MPII)
    assert len(dataset) == 0
    assert bad[0].reason == "the picture's file is missing"
    assert bad[1].reason.startswith("the picture's file cannot be read")


def test_a_picture_too_large_or_with_an_impossible_name_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_listed(tmp_path, [listed(image="1\0.jpg"), listed()])
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 200 * 160 // 4)
    dataset, bad = load_mpii_json(tmp_path, MPII_JSON)
    assert len(dataset) == 0
    assert [one.reason.partition(": ")[2] for one in bad] == [
        "embedded null byte",
        "Image size (32000 pixels) exceeds limit of 16000 pixels, could be decompression bomb DOS attack.",
    ]


@pytest.mark.parametrize(
    ("changes", "where", "reason"),
    [
        ({"image": None}, "mpii.mat", "annolist(1).image.name is absent"),
        ({"image": np.zeros((0, 0))}, "mpii.mat", "annolist(1).image.name is absent"),
        ({"image": {"size": 1.0}}, "mpii.mat", "annolist(1).image.name is absent"),
        ({"image": {"name": ""}}, "mpii.mat", "annolist(1).image.name is []"),
        ({"annorect": 7.0}, "a.jpg", "annorect is 7.0, no structure"),
        ({"annorect": structure([rect(annopoints=2.0)])}, "a.jpg", "annopoints is 2.0, no structure"),
        ({"annorect": structure([rect(annopoints={"point": 2.0})])}, "a.jpg", "id is absent"),
    ],
)
def test_a_damaged_picture_is_named_and_the_others_are_read(
    tmp_path: Path, changes: dict[str, Any], where: str, reason: str
) -> None:
    sound = {"annorect": structure([rect()]), "image": {"name": "a.jpg"}}
    damaged = {key: value for key, value in {**sound, **changes}.items() if value is not None}
    release = {"annolist": structure([damaged, sound]), "img_train": np.ones((1, 2))}
    savemat(tmp_path / MPII.annotations, {"RELEASE": release})
    write_pictures(tmp_path, "a.jpg")
    dataset, (bad,) = load_mpii(tmp_path, MPII)
    assert dataset.id_N.tolist() == [1000]
    assert (bad.file.name, bad.reason) == (where, reason)


@pytest.mark.parametrize(
    ("annolist", "reasons"),
    [
        (np.array([[5.0, "x"]], object), ["annolist(1) is 5.0, no structure", "annolist(2) is x, no structure"]),
        (
            structure([{"image": {"name": "a.jpg"}, "annorect": np.array([[3.0, "x"]], object)}, {"image": 1.0}]),
            ["annorect is 3.0, no structure", "annorect is x, no structure"],
        ),
    ],
)
def test_what_is_no_picture_or_person_is_named(tmp_path: Path, annolist: np.ndarray, reasons: list[str]) -> None:
    """Cell arrays hold anything."""
    savemat(tmp_path / MPII.annotations, {"RELEASE": {"annolist": annolist, "img_train": np.ones((1, 2))}})
    write_pictures(tmp_path, "a.jpg")
    dataset, bad = load_mpii(tmp_path, MPII)
    assert len(dataset) == 0
    assert [one.reason for one in bad] == reasons


@pytest.mark.parametrize("flag", [np.nan, "1", 2.0, np.array([[np.ones((2, 2)), 1.0]], object)])
def test_pictures_are_for_training_or_not(tmp_path: Path, flag: Any) -> None:
    records = structure([{"annorect": structure([rect()]), "image": {"name": "a.jpg"}}] * np.size(flag))
    savemat(tmp_path / MPII.annotations, {"RELEASE": {"annolist": records, "img_train": flag}})
    with pytest.raises(InvalidInput, match=r"mpii\.mat: img_train\(1\) is .*, neither the number 0 nor 1"):
        load_mpii(tmp_path, MPII)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"other": 1}, r"mpii\.mat has no variable RELEASE; valid: other"),
        ({"RELEASE": {"annolist": structure([{"image": 1}])}}, r"RELEASE of .*mpii\.mat has no annolist and img_train"),
        (
            {"RELEASE": {"annolist": structure([{"image": 1}]), "img_train": np.ones((1, 3))}},
            r"mpii\.mat: img_train has shape \(3,\) for 1 pictures",
        ),
    ],
)
def test_another_file_is_refused(tmp_path: Path, content: dict[str, Any], message: str) -> None:
    savemat(tmp_path / MPII.annotations, content)
    with pytest.raises(InvalidInput, match=message):
        load_mpii(tmp_path, MPII)


def test_a_file_that_is_no_matlab_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / MPII.annotations).write_text("no MATLAB file, but long enough to have a head of sixteen bytes")
    with pytest.raises(InvalidInput, match=r"mpii\.mat cannot be read as a MATLAB file"):
        load_mpii(tmp_path, MPII)
    with pytest.raises(InvalidInput, match=r"annotations: .*none\.mat cannot be read: No such file"):
        load_mpii(tmp_path, replace(MPII, annotations="none.mat"))
    with pytest.raises(UnknownChoice, match="options of mpii: unknown value 'split'"):
        load_mpii(tmp_path, replace(MPII, options=(("split", "val"),)))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    """Compressed, so that the reader fails in many ways: cut after each 16th byte, and with one byte in 16 spoilt."""
    write_mpii(tmp_path, {"a.jpg": [rect()]}, [1])
    path = tmp_path / MPII.annotations
    release = loadmat(path)["RELEASE"]
    savemat(path, {"RELEASE": release}, do_compression=True)
    whole = path.read_bytes()
    spoilt = [whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :] for place in range(128, len(whole), 16)]
    for content in (*(whole[:place] for place in range(0, len(whole), 16)), *spoilt):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"annotations: .*mpii\.mat (cannot be read|has no variable RELEASE)"):
            read_structure(path, "RELEASE")


# ---- lists


def test_both_kinds_of_file_say_the_same(tmp_path: Path) -> None:
    published = load(tmp_path, rect())[0][0]
    write_listed(tmp_path, [listed()], np.array([[60.0, 20.0], [90.0, 60.0]])[..., None])
    person = load_mpii_json(tmp_path, HEADS)[0][0]
    np.testing.assert_array_equal(person.keypoints, published.keypoints)
    assert (person.box, person.head_px) == (published.box, published.head_px)


def test_people_of_one_picture_share_it(tmp_path: Path) -> None:
    write_listed(tmp_path, [listed(2), listed(1), listed(2)])
    dataset, bad = load_mpii_json(tmp_path, MPII_JSON)
    assert bad == ()
    assert len(dataset.pictures) == 2
    assert dataset.id_N.tolist() == [0, 1, 2]
    assert np.isnan(dataset.head_N).all()


def test_invisible_joints_have_no_weight(tmp_path: Path) -> None:
    joints = listed()["joints"]
    joints[6] = [-1.0, -1.0]
    write_listed(tmp_path, [listed(joints=joints, joints_vis=[1] * 6 + [0] + [1] * 9)])
    dataset, bad = load_mpii_json(tmp_path, MPII_JSON)
    assert bad == ()
    assert np.flatnonzero(dataset[0].keypoints[:, 2] == 0).tolist() == [6]


@pytest.mark.parametrize("counts", [0, 1])
def test_joints_outside_count_where_they_are_to_be_measured(tmp_path: Path, counts: int) -> None:
    joints = [[301.0, 5.0], *listed()["joints"][1:]]
    write_listed(tmp_path, [listed(joints=joints)])
    dataset, (bad,) = load_mpii_json(tmp_path, replace(MPII_JSON, options=(("keep_outside", counts),)))
    assert bad.reason == "right_ankle at 300.0, 4.0 is outside the picture of 200 x 160 pixels"
    assert dataset[0].keypoints[0].tolist() == [300.0, 4.0, counts]
    assert (dataset[0].keypoints[1:, 2] == 1).all()


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (listed(center=[1.0]), "center should be 2 numbers, is 1"),
        (listed(scale="big"), "scale is big"),
        (listed(joints=[[1.0, 2.0]] * 15), "joints should be 16 pairs"),
        (listed(joints=[[1.0, 2.0]] * 15 + [[1.0]]), "joints should be 2 numbers, is 1"),
        (listed(joints_vis=[1] * 15), "joints_vis should be 16 numbers, is 15"),
        (listed(3), "the picture's file is missing"),
    ],
)
def test_a_listed_person_who_cannot_be_used_is_named(tmp_path: Path, record: dict[str, Any], reason: str) -> None:
    write_listed(tmp_path, [listed(), record])
    dataset, (bad,) = load_mpii_json(tmp_path, MPII_JSON)
    assert len(dataset) == 1
    assert (bad.file, bad.annotation_id) == (tmp_path / "images" / record["image"], 1)
    assert bad.reason.startswith(reason)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ([1, 2], "the record should be an object, is [1, 2]"),
        ("1.jpg", "the record should be an object, is '1.jpg'"),
        (None, "the record should be an object, is None"),
        (listed(image=["1.jpg"]), "image should be a name, is ['1.jpg']"),
        (listed(image=""), "image should be a name, is ''"),
        ({"center": [1.0, 2.0]}, "image should be a name, is None"),
    ],
)
def test_a_record_without_a_picture_is_named(tmp_path: Path, record: Any, reason: str) -> None:
    write_listed(tmp_path, [record, listed()])
    dataset, (bad,) = load_mpii_json(tmp_path, MPII_JSON)
    assert dataset.id_N.tolist() == [1]
    assert str(bad) == f"{tmp_path / MPII_JSON.annotations}, annotation 0: {reason}"


def test_a_head_without_extent_is_named_and_lived_with(tmp_path: Path) -> None:
    boxes = [np.eye(2), np.zeros((2, 2)), np.full((2, 2), np.nan)]
    write_listed(tmp_path, [listed()] * 3, np.stack(boxes, axis=-1))
    dataset, bad = load_mpii_json(tmp_path, HEADS)
    assert np.isnan(dataset.head_N).tolist() == [False, True, True]
    reason = "head box has a diagonal of {} pixels; PCKh leaves this person out"
    assert [(one.annotation_id, one.reason) for one in bad] == [(1, reason.format("0")), (2, reason.format("nan"))]
    dataset, (one,) = load(tmp_path, rect(x2=60.0, y2=20.0))
    assert np.isnan(dataset.head_N).tolist() == [True]
    assert one.reason == reason.format("0")


def test_heads_of_other_people_are_refused(tmp_path: Path) -> None:
    write_listed(tmp_path, [listed()], np.zeros((2, 2, 3)))
    with pytest.raises(InvalidInput, match=r"gt_valid\.mat: headboxes_src has shape \(2, 2, 3\), expected \(2, 2, 1\)"):
        load_mpii_json(tmp_path, HEADS)
    (tmp_path / "gt_valid.mat").unlink()
    with pytest.raises(InvalidInput, match=r"head_boxes: .*gt_valid\.mat cannot be read: No such file"):
        load_mpii_json(tmp_path, HEADS)
    savemat(tmp_path / "gt_valid.mat", {"jnt_missing": 1})
    with pytest.raises(InvalidInput, match=r"head_boxes: .*gt_valid\.mat has no variable headboxes_src; valid: jnt_"):
        load_mpii_json(tmp_path, HEADS)
    (tmp_path / MPII_JSON.annotations).write_text("{}")
    with pytest.raises(InvalidInput, match=r"valid\.json should be a list of people"):
        load_mpii_json(tmp_path, MPII_JSON)


def test_a_set_can_be_read_in_another_scheme(tmp_path: Path) -> None:
    write_listed(tmp_path, [listed()])
    dataset = load_sources(tmp_path, [MPII_JSON], "lsp").dataset
    assert dataset.scheme == "lsp"
    assert dataset[0].keypoints.shape == (14, 3)
    assert dataset[0].keypoints[13].tolist() == [85.0, 66.0, 1.0], "the head top, the tenth of MPII's joints"
    with pytest.raises(InvalidInput, match="sources: people of different schemes: coco-wholebody, mpii"):
        load_sources(tmp_path, [MPII_JSON, replace(MPII_JSON, dataset="synthetic")])
