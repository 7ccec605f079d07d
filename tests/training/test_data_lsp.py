"""Leeds Sports Pose and its extension: axes, what the third number means, and what is said about mistakes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pose_core.errors import InvalidInput
from pose_core.types import Size
from tests.training.mat_files import LSP, lsp_joints, write_lsp
from training.data.lsp import load_lsp


def test_an_occluded_joint_of_lsp_counts(tmp_path: Path) -> None:
    joints = lsp_joints()
    joints[0, 3, 2] = 1
    write_lsp(tmp_path, joints)
    dataset, bad = load_lsp(tmp_path, LSP)
    assert bad == ()
    assert dataset.scheme == "lsp"
    assert (dataset.keypoint_NK3[..., 2] == 1).all()
    assert dataset[0].keypoints[3].tolist() == [55.0, 42.0, 1.0]
    assert dataset[1].picture.file == tmp_path / "images" / "im0002.jpg"


def test_an_unlabelled_joint_of_the_extension_does_not(tmp_path: Path) -> None:
    joints = lsp_joints(flag=1.0)
    joints[0, 3] = 0
    write_lsp(tmp_path, joints, extended=True)
    dataset, bad = load_lsp(tmp_path, LSP)
    assert bad == ()
    assert np.flatnonzero(dataset[0].keypoints[:, 2] == 0).tolist() == [3]
    assert dataset[1].picture.file == tmp_path / "images" / "im00002.jpg"


def test_the_box_is_the_extent_with_a_margin_inside_the_picture(tmp_path: Path) -> None:
    """The joints reach from (40, 30) to (105, 82); a tenth of 65 is added on each side."""
    write_lsp(tmp_path, lsp_joints(1))
    dataset, _ = load_lsp(tmp_path, LSP)
    box = dataset[0].box
    assert (box.left, box.top, box.right, box.bottom) == pytest.approx((33.5, 23.5, 111.5, 88.5))
    assert dataset[0].picture.size == Size(200, 160)


def test_some_people_of_a_file_can_be_asked_for(tmp_path: Path) -> None:
    write_lsp(tmp_path, lsp_joints(5))
    dataset, _ = load_lsp(tmp_path, replace(LSP, options=(("first", 2), ("last", 4))))
    assert dataset.id_N.tolist() == [2, 3, 4]
    with pytest.raises(InvalidInput, match=r"options of lsp: .*has people 1 to 5, not 2 to 9"):
        load_lsp(tmp_path, replace(LSP, options=(("first", 2), ("last", 9))))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"first": "2"}, "options of lsp: first should be a whole number, at least 0, is '2'"),
        ({"first": 1.7}, "options of lsp: first should be a whole number, at least 0, is 1.7"),
        ({"last": -1}, "options of lsp: last should be a whole number, at least 0, is -1"),
    ],
)
def test_people_are_asked_for_by_whole_numbers(
    tmp_path: Path, options: dict[str, str | int | float], message: str
) -> None:
    write_lsp(tmp_path, lsp_joints(2))
    with pytest.raises(InvalidInput) as caught:
        load_lsp(tmp_path, replace(LSP, options=tuple(options.items())))
    assert str(caught.value) == message


def test_a_file_without_people_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / LSP.annotations, {"joints": np.zeros((3, 14, 0))})
    with pytest.raises(InvalidInput, match=r"annotations: .*joints\.mat has no people"):
        load_lsp(tmp_path, LSP)


def test_joints_at_one_place_give_no_box(tmp_path: Path) -> None:
    joints = lsp_joints(2, flag=0.0)
    joints[0, 3, 2] = 1
    joints[1, 3:5, 2] = 1
    write_lsp(tmp_path, joints, extended=True)
    dataset, (bad,) = load_lsp(tmp_path, LSP)
    assert dataset.id_N.tolist() == [2]
    assert bad.reason == "joints at one place give no box"


def test_mistakes_are_named_with_file_person_and_reason(tmp_path: Path) -> None:
    joints = lsp_joints(4)
    joints[0, 13, :2] = 250, 10
    joints[1, 0, 0] = np.nan
    joints[2, :, 0] += 1000
    write_lsp(tmp_path, joints)
    (tmp_path / "images" / "im0004.jpg").unlink()
    dataset, bad = load_lsp(tmp_path, LSP)
    assert dataset.id_N.tolist() == [1]
    assert dataset[0].keypoints[13, 2] == 0
    folder = tmp_path / "images"
    assert [str(one) for one in bad] == [
        f"{folder / 'im0001.jpg'}, annotation 1: head_top at 250.0, 10.0 is outside the picture of 200 x 160 pixels",
        f"{folder / 'im0002.jpg'}, annotation 2: a joint has a coordinate that is no finite number",
        f"{folder / 'im0003.jpg'}, annotation 3: no joint is inside the picture of 200 x 160 pixels",
        f"{folder / 'im0004.jpg'}, annotation 4: the picture's file is missing",
    ]


def test_joints_outside_count_where_they_are_to_be_measured(tmp_path: Path) -> None:
    """The box is that of the others."""
    joints = lsp_joints(1)
    joints[0, 13, :2] = 250, 10
    write_lsp(tmp_path, joints)
    taught, _ = load_lsp(tmp_path, LSP)
    measured, bad = load_lsp(tmp_path, replace(LSP, options=(("keep_outside", 1),)))
    assert len(bad) == 1
    assert measured[0].keypoints[13].tolist() == [250.0, 10.0, 1.0]
    assert measured[0].box == taught[0].box


def test_a_person_without_a_usable_joint_is_named(tmp_path: Path) -> None:
    write_lsp(tmp_path, lsp_joints(1), extended=True)
    dataset, (bad,) = load_lsp(tmp_path, LSP)
    assert len(dataset) == 0
    assert bad.reason == "no joint is inside the picture of 200 x 160 pixels"


@pytest.mark.parametrize("shape", [(2, 14, 3), (3, 16, 5), (14, 3)])
def test_joints_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    savemat(tmp_path / LSP.annotations, {"joints": np.zeros(shape)})
    with pytest.raises(InvalidInput, match=r"joints\.mat: joints have shape .* expected \(3, 14, people\) of LSP"):
        load_lsp(tmp_path, LSP)


def test_joints_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / LSP.annotations, {"joints": np.array([["a"]], dtype=object)})
    with pytest.raises(InvalidInput, match="joints are no numbers"):
        load_lsp(tmp_path, LSP)
    savemat(tmp_path / LSP.annotations, {"points": np.zeros(3)})
    with pytest.raises(InvalidInput, match=r"^annotations: \S*joints\.mat has no variable joints; valid: points$"):
        load_lsp(tmp_path, LSP)
