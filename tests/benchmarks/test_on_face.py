"""Parts of a face in the box of a face."""

import numpy as np

from benchmarks.on_face import MOUTH, on_face, table

BOX = (10.0, 20.0, 30.0, 40.0)


def test_a_part_is_on_the_face_or_not() -> None:
    keypoints = np.zeros((133, 3), np.float32)
    keypoints[0, :2] = (10, 20)
    keypoints[1, :2] = (41, 30)
    keypoints[2, :2] = (30, 61)
    assert on_face(keypoints, BOX) == {"nose": True, "left eye": False, "right eye": False, "mouth": False}


def test_the_mouth_is_the_middle_of_its_points() -> None:
    keypoints = np.zeros((133, 3), np.float32)
    keypoints[MOUTH, :2] = np.linspace((0, 20), (50, 60), 20)
    assert slice(71, 91) == MOUTH
    assert on_face(keypoints, BOX)["mouth"]


def test_the_table_has_shares_by_source() -> None:
    right, wrong = (dict.fromkeys(("nose", "left eye", "right eye", "mouth"), value) for value in (True, False))
    lines = table({"b": [right], "a": [right, wrong, wrong, right | {"nose": False}]}).splitlines()
    assert lines[2:] == ["| a | 4 | 0.250 | 0.500 | 0.500 | 0.500 |", "| b | 1 | 1.000 | 1.000 | 1.000 | 1.000 |"]
