"""Reading annotations: everything that is sound arrives, everything that is not is named."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pose_core.errors import InvalidInput
from pose_core.types import Size
from tests.training.annotated import BOXES, make_content, make_points
from training.evals.ground_truth import read_ground_truth


def test_records_arrive_whole() -> None:
    truth = read_ground_truth(make_content(), "set")
    assert (truth.name, truth.problems) == ("set", ())
    assert [photo.file_name for photo in truth.photos] == ["1.png", "2.png"]
    assert truth.photos[0].size == Size(200, 160)
    first = truth.people[0]
    assert (first.id, first.photo_id, first.box, first.area, first.crowd) == (10, 1, (20, 20, 60, 100), 3000, False)
    assert first.body_points == 17
    np.testing.assert_array_equal(first.keypoints, make_points(BOXES[0], 0))


def test_a_path_is_read_and_named(tmp_path: Path) -> None:
    path = tmp_path / "val.json"
    path.write_text(json.dumps(make_content()))
    truth = read_ground_truth(path)
    assert truth.name == str(path)
    assert len(truth.people) == 3


def test_optional_fields_may_be_absent_and_other_categories_are_no_people() -> None:
    content = make_content()
    for field in ("area", "iscrowd", "num_keypoints", "category_id"):
        del content["annotations"][0][field]
    content["annotations"][1]["category_id"] = 2
    people = read_ground_truth(content).people
    assert [person.id for person in people] == [10, 12]
    assert (people[0].area, people[0].crowd, people[0].body_points) == (None, False, 17)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bbox": [5, 5, 0, 10]}, "bbox has no area: 0.0 x 10.0"),
        ({"bbox": [5, 5, float("nan"), 10]}, "bbox holds nan at position 2"),
        ({"bbox": [5, 5]}, "bbox should be 4 numbers, is 2"),
        ({"bbox": "5 5 9 9"}, "bbox should be 4 numbers, is str"),
        ({"bbox": None}, "bbox is absent"),
        ({"bbox": [5, 5, 1e300, 9]}, r"bbox holds 1e\+300"),
        ({"image_id": 9}, "picture 9 is not listed"),
        ({"image_id": [9]}, r"picture \[9\] is not listed"),
        ({"keypoints": [0] * 48}, "keypoints should be 51 numbers, is 48"),
        ({"keypoints": 5}, "keypoints should be 51 numbers, is int"),
        ({"keypoints": ["x"] * 51}, "keypoints holds something that is no number"),
        ({"keypoints": [1e300] * 51}, r"keypoints holds 1e\+300"),
        ({"face_kpts": [0] * 203 + [float("nan")]}, "face_kpts holds nan at position 203"),
        ({"area": "large"}, "area is 'large'"),
        ({"area": 1e300}, r"area is '1e\+300'"),
    ],
)
def test_damaged_record_is_left_out_and_named(
    change: dict[str, Any], message: str, caplog: pytest.LogCaptureFixture
) -> None:
    content = make_content()
    content["annotations"][1] |= change
    with caplog.at_level(logging.WARNING):
        truth = read_ground_truth(content, "val.json")
    assert [person.id for person in truth.people] == [10, 12]
    assert len(truth.problems) == 1
    assert truth.problems[0].startswith("val.json: annotation 11: ")
    assert caplog.messages == [*truth.problems]
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(truth.problems[0])


@pytest.mark.parametrize("record", [None, [1, 2], "person", 7, {}, {"id": None}])
def test_records_that_are_none_are_named(record: object) -> None:
    content = make_content()
    content["annotations"].insert(0, record)
    truth = read_ground_truth(content)
    assert [person.id for person in truth.people] == [10, 11, 12]
    assert len(truth.problems) == 1


def test_a_record_without_a_number_is_named_and_a_count_of_null_is_counted() -> None:
    content = make_content()
    del content["annotations"][0]["id"]
    content["annotations"][1] |= {"num_keypoints": None, "category_id": None}
    truth = read_ground_truth(content)
    assert [(person.id, person.body_points) for person in truth.people] == [(11, 17), (12, 17)]
    assert truth.problems == ("annotations: annotation None: id is absent or no whole number",)


@pytest.mark.parametrize("image", [None, {}, {"id": 2, "file_name": "2.png", "height": 9}, {"id": 2, "width": 1e300}])
def test_a_photo_that_is_none_takes_only_its_people_along(image: object) -> None:
    content = make_content()
    content["images"][1] = image
    truth = read_ground_truth(content)
    assert [photo.id for photo in truth.photos] == [1]
    assert [person.id for person in truth.people] == [10, 11]
    assert len(truth.problems) == 2


def test_names_are_relative_and_can_be_chosen_by_their_beginning() -> None:
    content = make_content()
    content["images"][0]["file_name"], content["images"][1]["file_name"] = "/coco/1.png", "coco_other/2.png"
    content["annotations"][2]["bbox"] = None
    assert [photo.file_name for photo in read_ground_truth(content).photos] == ["coco/1.png", "coco_other/2.png"]
    chosen = read_ground_truth(content, below="coco/")
    assert ([photo.id for photo in chosen.photos], [person.id for person in chosen.people]) == ([1], [10, 11])


def test_missing_part_counts_as_not_labelled() -> None:
    content = make_content()
    del content["annotations"][0]["lefthand_kpts"]
    truth = read_ground_truth(content)
    assert len(truth.people) == 3
    assert not truth.people[0].keypoints[91:112].any()
    assert "annotation 10: lefthand_kpts is missing, lefthand counts as not labelled" in truth.problems[0]


def test_many_problems_are_not_all_logged(caplog: pytest.LogCaptureFixture) -> None:
    content = make_content()
    content["annotations"] = [{**content["annotations"][0], "bbox": []} for _ in range(20)]
    assert len(read_ground_truth(content).problems) == 20
    assert len(caplog.messages) == 6
    assert caplog.messages[-1] == "... and 15 more problems"


def test_something_else_is_refused() -> None:
    contents: list[Any] = [{"annotations": []}, {"annotations": {}, "images": []}, []]
    for content in contents:
        with pytest.raises(InvalidInput, match="val lacks the lists 'images' and 'annotations'"):
            read_ground_truth(content, "val")


@pytest.mark.parametrize("content", [None, b"{"])
def test_unreadable_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "val.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"val\.json (cannot be read: No such file|is no JSON document)"):
        read_ground_truth(path)


@pytest.mark.shared
def test_points_are_those_that_the_reference_reads(dwpose_oracle: Path) -> None:
    truth = read_ground_truth(dwpose_oracle / "synth_wholebody.json")
    people = {person.id: person for person in truth.people}
    with np.load(dwpose_oracle / "dataset.npz") as recorded:
        for row, number in enumerate(recorded["ids"]):
            person = people[number]
            np.testing.assert_allclose(person.keypoints[:, :2], recorded["keypoints"][row], atol=1e-4)
            np.testing.assert_array_equal(person.keypoints[:, 2] > 0, recorded["visible"][row])
            assert person.body_points == recorded["num_keypoints"][row]
            assert person.photo_id == recorded["img_ids"][row]
