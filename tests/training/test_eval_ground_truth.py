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
        ({"bbox": [5, 5, 0, 10]}, r"bbox \[5, 5, 0, 10\] is not"),
        ({"bbox": [5, 5, float("nan"), 10]}, "bbox .* is not"),
        ({"bbox": [5, 5]}, "bbox .* is not"),
        ({"image_id": 9}, "photo 9 is not in the list"),
        ({"keypoints": [0] * 48}, "keypoints holds 48 numbers instead of 51"),
        ({"face_kpts": [0] * 203 + [float("nan")]}, "face_kpts holds a number that is not finite"),
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
    with pytest.raises(InvalidInput, match="val: no annotation file"):
        read_ground_truth({"annotations": []}, "val")
    content = make_content()
    del content["images"][1]["width"]
    with pytest.raises(InvalidInput, match="val: image 2 has no 'width'"):
        read_ground_truth(content, "val")


@pytest.mark.parametrize("content", [None, b"{"])
def test_unreadable_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "val.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"val\.json: cannot be read as json"):
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
