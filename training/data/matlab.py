"""What the readers of MATLAB files share: a file's variables, and pictures whose size no annotation says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64
from PIL import Image as PillowImage
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from pose_core.errors import InvalidInput
from pose_core.types import Size
from training.data.records import Picture
from training.documents import BadAnnotation


def read_structure(path: Path, name: str) -> Any:  # noqa: ANN401 - whatever is in the file
    """A variable of a MATLAB file as lists, dictionaries and numbers.

    Raises:
        InvalidInput: there is no such file, it is no MATLAB file up to version 7.2, or has no such variable.
    """
    return read_variable(path, name, simplify_cells=True)


def read_array(path: Path, name: str) -> Float64[np.ndarray, "..."]:
    """A variable of a MATLAB file as an array of numbers, all of its axes kept.

    Raises:
        InvalidInput: see `read_structure`; or it holds something else.
    """
    try:
        return np.asarray(read_variable(path, name)).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{path}: {name} are no numbers: {error}", field="annotations") from error


def read_variable(path: Path, name: str, *, simplify_cells: bool = False) -> Any:  # noqa: ANN401 - as above
    """A variable of a MATLAB file as `scipy.io.loadmat` gives it."""
    try:
        content: Mapping[str, Any] = loadmat(path, simplify_cells=simplify_cells)
    except (OSError, ValueError, TypeError, IndexError, NotImplementedError, MatReadError) as error:
        raise InvalidInput(f"{path} cannot be read as a MATLAB file: {error}", field="annotations") from error
    if name not in content:
        names = sorted(key for key in content if not key.startswith("__"))
        raise InvalidInput(f"{path} has no variable {name}", field="annotations", choices=names)
    return content[name]


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - what MATLAB made of a list
    """A list that MATLAB writes as nothing where it is empty, and as its only element where it has one."""
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, Mapping) else []


def picture_at(file: Path, number: int) -> Picture:
    """A picture on disk with the size that its head says, as stored.

    Raises:
        BadAnnotation: it is missing, or no picture.
    """
    try:
        with PillowImage.open(file) as image:
            return Picture(number, file, Size(*image.size))
    except FileNotFoundError:
        raise BadAnnotation("the picture's file is missing") from None
    except OSError as error:
        raise BadAnnotation(f"the picture's file cannot be read: {error}") from error
