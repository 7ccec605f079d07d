"""Data sets: a sequence of people out of a few arrays."""

from pathlib import Path

import numpy as np
import pytest

from pose_core.errors import InvalidInput
from pose_core.types import PersonBox, Size
from training.data.records import BadRecord, Person, Picture, concatenate, dataset_of, options_of
from training.recipe import Source


def person(number: int, picture: Picture) -> Person:
    box = PersonBox(float(number), 2.0, 30.0, 40.0, 0.5)
    return Person(picture, number, box, np.full((133, 3), number, np.float32))


def pictures(count: int) -> list[Picture]:
    return [Picture(number, Path(f"{number}.jpg"), Size(50, 60)) for number in range(count)]


def test_people_come_back() -> None:
    one, other = pictures(2)
    people = [person(3, one), person(1, other), person(2, one)]
    dataset = dataset_of("three", people)
    assert len(dataset) == 3
    assert len(dataset.pictures) == 2
    for found, given in zip(dataset, people, strict=True):
        assert (found.annotation_id, found.box) == (given.annotation_id, given.box)
        assert found.picture is given.picture
        np.testing.assert_array_equal(found.keypoints, given.keypoints)
        assert found.keypoints.dtype == np.float32


def test_nobody() -> None:
    dataset = dataset_of("empty", [])
    assert list(dataset) == []
    assert dataset.keypoint_NK3.shape == (0, 133, 3)
    assert list(concatenate([dataset, dataset])) == []


def test_keypoints_of_a_person_are_not_copied() -> None:
    dataset = dataset_of("two", [person(number, pictures(1)[0]) for number in (1, 2)])
    assert np.shares_memory(dataset[1].keypoints, dataset.keypoint_NK3)


def test_subset_keeps_the_given_order() -> None:
    dataset = dataset_of("five", [person(number, picture) for number, picture in enumerate(pictures(5))])
    chosen = dataset.subset([4, 0])
    assert [one.annotation_id for one in chosen] == [4, 0]
    assert [one.picture.image_id for one in chosen] == [4, 0]
    assert len(dataset.subset([])) == 0


def test_sets_are_put_one_after_the_other() -> None:
    first, second = (dataset_of(name, [person(n, p) for n, p in enumerate(pictures(2))]) for name in ("a", "b"))
    both = concatenate([first, second])
    assert both.name == "a + b"
    assert both.id_N.tolist() == [0, 1, 0, 1]
    assert both[3].picture is second.pictures[1]


def test_no_set_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        concatenate([])


def test_options_are_completed_and_checked() -> None:
    source = Source(dataset="kind", annotations="", options=(("b", 5),))
    assert options_of(source, {"a": 1, "b": 2}) == {"a": 1, "b": 5}
    with pytest.raises(InvalidInput, match="options of kind: unknown value 'b'; valid: a, c"):
        options_of(source, {"c": 1, "a": 2})


def test_a_mistake_names_file_and_annotation() -> None:
    assert str(BadRecord(Path("a/b.jpg"), 5, "upside down")) == "a/b.jpg, annotation 5: upside down"
