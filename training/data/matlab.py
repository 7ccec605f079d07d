"""What the readers of MPII and LSP share: MATLAB variables, pictures whose size no annotation says, joints outside."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from PIL import Image as PillowImage
from scipy.io import loadmat

from pose_core.errors import InvalidInput
from pose_core.schemes import SCHEMES
from pose_core.types import Size
from training.data.records import Picture, WeightedKeypoints
from training.documents import BadAnnotation


def read_structure(path: Path, name: str) -> Any:  # noqa: ANN401 - whatever is in the file
    """A variable of a MATLAB file as lists, dictionaries and numbers.

    Raises:
        InvalidInput: there is no such file, it is damaged or no MATLAB file up to version 7.2, or has no such variable.
    """
    return read_variable(path, name, "annotations", simplify_cells=True)


def read_array(path: Path, name: str, field: str = "annotations") -> Float64[np.ndarray, "..."]:
    """A variable of a MATLAB file as an array of numbers, all of its axes kept.

    Args:
        path: of the file.
        name: of the variable.
        field: what the file was given as, for errors.

    Raises:
        InvalidInput: see `read_structure`; or it holds something else.
    """
    value = read_variable(path, name, field)
    try:
        return np.asarray(value).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{path}: {name} are no numbers: {error}", field=field) from error


def read_variable(path: Path, name: str, field: str, *, simplify_cells: bool = False) -> Any:  # noqa: ANN401 - as above
    """A variable of a MATLAB file as `scipy.io.loadmat` gives it."""
    try:
        stored = BytesIO(path.read_bytes())
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field=field) from error
    try:
        content: Mapping[str, Any] = loadmat(stored, simplify_cells=simplify_cells)
    except Exception as error:  # of a damaged file that reader raises whatever its bytes lead to
        message = f"{path} cannot be read as a MATLAB file up to version 7.2, or it is damaged: {error}"
        raise InvalidInput(message, field=field) from error
    if name not in content:
        names = sorted(key for key in content if not key.startswith("__"))
        raise InvalidInput(f"{path} has no variable {name}", field=field, choices=names)
    return content[name]


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - what MATLAB made of a list
    """A list that MATLAB writes as nothing where it is empty, and as its only element where it has one."""
    if isinstance(value, list):
        return value
    if isinstance(value, np.ndarray) and (not value.size or value.dtype == object):
        return list(value.flat)
    return [] if value is None else [value]


def shown(value: Any) -> str:  # noqa: ANN401 - whatever is in the file
    """A value of a record as messages show it, on one line."""
    return "absent" if value is None else " ".join(str(value).split())[:80]


def picture_at(file: Path, number: int) -> Picture:
    """A picture on disk with the size that its head says, as stored.

    Raises:
        BadAnnotation: it is missing, no picture, or larger than Pillow opens.
    """
    try:
        with PillowImage.open(file) as image:
            return Picture(number, file, Size(*image.size))
    except FileNotFoundError:
        raise BadAnnotation("the picture's file is missing") from None
    except (OSError, ValueError, PillowImage.DecompressionBombError) as error:
        raise BadAnnotation(f"the picture's file cannot be read: {error}") from error


def joints_inside(joints: WeightedKeypoints, size: Size, scheme: str, reasons: list[str]) -> WeightedKeypoints:
    """Joints of which those outside the picture have no weight.

    Args:
        joints: in pixels of the picture.
        size: of the picture.
        scheme: which joints these are, a key of `pose_core.schemes.SCHEMES`.
        reasons: what is wrong with the record, to which every joint outside is added.

    Raises:
        BadAnnotation: none is inside.
    """
    place: Float64[np.ndarray, "points 2"] = joints[:, :2].astype(np.float64)
    is_inside = ((place >= -0.5) & (place <= [size.width - 0.5, size.height - 0.5])).all(axis=1)
    outside = np.flatnonzero((joints[:, 2] > 0) & ~is_inside)
    if not (joints[is_inside, 2] > 0).any():
        raise BadAnnotation(f"no joint is inside the picture of {size.width} x {size.height} pixels")
    for joint in outside:
        where = ", ".join(f"{value:.1f}" for value in place[joint])
        name = SCHEMES[scheme].points[joint]
        reasons.append(f"{name} at {where} is outside the picture of {size.width} x {size.height} pixels")
    kept = joints.copy()
    kept[outside, 2] = 0
    return kept
