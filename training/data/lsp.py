"""Leeds Sports Pose and its extension: `joints.mat` and the pictures beside it, 14 joints.

Sources: Johnson and Everingham, BMVC 2010 (2,000 people; 1 to 1,000 are for training) and CVPR 2011 (10,000 more for
training), with their READMEs. The two files differ in their axes and in what the third number means: in the first file
1 is a joint that is occluded, and all joints have coordinates; in the extension 1 is a joint that is labelled.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float64

from pose_core.errors import InvalidInput
from pose_core.types import PersonBox, Size
from training.data.matlab import joints_inside, picture_at, read_array
from training.data.records import BadRecord, Loaded, Person, WeightedKeypoints, dataset_of, options_of
from training.documents import BadAnnotation, clipped
from training.recipe import Source

SCHEME: Final = "lsp"
JOINTS: Final = 14

OPTIONS: Final[dict[str, str | int | float]] = {"first": 1, "last": 0, "keep_outside": 0}
"""Which people, counted from 1, where 0 is the last one of the file; and whether joints outside the picture count, as
they do in published measurements."""

MARGIN: Final = 0.1
"""What the box reaches beyond the joints on each side, as a fraction of their longer extent; nobody drew one."""


def load_lsp(folder: Path, source: Source) -> Loaded:
    """The people of one file.

    Args:
        folder: the data folder.
        source: `annotations` is the MATLAB file, `images` the folder of `im0001.jpg` or `im00001.jpg` and so on; with
            the options of `OPTIONS`.

    Raises:
        InvalidInput: the file is not one of the two, does not have these people, or an option does not exist.
    """
    options = options_of(source, OPTIONS)
    path, images = folder / source.annotations, folder / source.images
    joint_NJ3, digits = read_joints(path)
    first, last = whole_option(options, "first"), whole_option(options, "last") or len(joint_NJ3)
    if not 1 <= first <= last <= len(joint_NJ3):
        message = f"{path} has people 1 to {len(joint_NJ3)}, not {first} to {last}"
        raise InvalidInput(message, field="options of lsp")
    people: list[Person] = []
    bad: list[BadRecord] = []
    for number in range(first, last + 1):
        file, reasons = images / f"im{number:0{digits}d}.jpg", list[str]()
        try:
            picture = picture_at(file, number)
            joints = usable(joint_NJ3[number - 1])
            inside = joints_inside(joints, picture.size, SCHEME, reasons)
            kept = joints if options["keep_outside"] else inside
            people.append(Person(picture, number, box_around(inside, picture.size), kept, SCHEME))
        except BadAnnotation as error:
            reasons.append(str(error))
        bad.extend(BadRecord(file, number, reason) for reason in reasons)
    return Loaded(dataset_of(source.annotations, people, SCHEME), tuple(bad))


def whole_option(options: Mapping[str, str | int | float], name: str) -> int:
    """An option that counts people.

    Raises:
        InvalidInput: it is no whole number, or below 0.
    """
    value = options[name]
    if not isinstance(value, int) or value < 0:
        raise InvalidInput(f"{name} should be a whole number, at least 0, is {value!r}", field="options of lsp")
    return value


def read_joints(path: Path) -> tuple[Float64[np.ndarray, "people 14 3"], int]:
    """X, y and 1 for a joint that can be used, 0 otherwise, as written; and how many digits a picture's name has.

    Raises:
        InvalidInput: it is neither of the two files, or has no people.
    """
    joints = read_array(path, "joints")
    if joints.ndim == 3 and not joints.size:
        raise InvalidInput(f"{path} has no people: joints have shape {joints.shape}", field="annotations")
    if joints.ndim == 3 and joints.shape[:2] == (3, JOINTS):
        coordinate_NJ3 = joints.transpose(2, 1, 0).copy()
        coordinate_NJ3[..., 2] = 1  # where a joint is occluded somebody still said where it is
        return coordinate_NJ3, 4
    if joints.ndim == 3 and joints.shape[:2] == (JOINTS, 3):
        return joints.transpose(2, 0, 1), 5
    message = f"{path}: joints have shape {joints.shape}, expected (3, 14, people) of LSP or (14, 3, people) of LSPET"
    raise InvalidInput(message, field="annotations")


def usable(joints: Float64[np.ndarray, "14 3"]) -> WeightedKeypoints:
    """Joints as weighted keypoints.

    Raises:
        BadAnnotation: a usable one has a coordinate that is no finite number.
    """
    kept = joints[:, 2] > 0
    if not np.isfinite(joints[kept]).all():
        raise BadAnnotation("a joint has a coordinate that is no finite number")
    return np.where(kept[:, None], joints, 0).astype(np.float32)


def box_around(joints: WeightedKeypoints, size: Size) -> PersonBox:
    """The extent of the usable joints with a margin, cut to the picture.

    Raises:
        BadAnnotation: nothing of it is inside, or there are no two places.
    """
    points = joints[joints[:, 2] > 0, :2].astype(float)
    low, high = points.min(axis=0), points.max(axis=0)
    if (low == high).all():
        raise BadAnnotation("joints at one place give no box")
    margin = MARGIN * (high - low).max()
    (left, top), (right, bottom) = (low - margin).tolist(), (high + margin).tolist()
    return clipped(PersonBox(left, top, right, bottom), size)
