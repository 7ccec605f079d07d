"""Small MATLAB and JSON files in the layouts of MPII and LSP, with drawn pictures beside them, and records to spoil."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import savemat

from pose_core.types import Size
from tests.training.data_folder import gradient, jpeg
from training.recipe import Source

SIZE = Size(width=200, height=160)
MPII = Source(dataset="mpii", annotations="mpii.mat", images="images")
MPII_JSON = Source(dataset="mpii_json", annotations="valid.json", images="images")
LSP = Source(dataset="lsp", annotations="joints.mat", images="images")


def write_pictures(folder: Path, *names: str) -> None:
    """Pictures of `SIZE` in the folder `images`."""
    (folder / "images").mkdir(exist_ok=True)
    for name in names:
        (folder / "images" / name).write_bytes(jpeg(gradient(SIZE)))


# MPII


def joint(number: int) -> dict[str, Any]:
    """A joint inside every picture, 1-based."""
    return {"x": 41.0 + 5 * number, "y": 31.0 + 4 * number, "id": number, "is_visible": 1}


def rect(joints: Sequence[int] = range(16), **changes: Any) -> dict[str, Any]:
    """A labelled person around (100, 80) in a square of 120 pixels; fields that are None are left out."""
    record = {
        "x1": 60.0,
        "y1": 20.0,
        "x2": 90.0,
        "y2": 60.0,
        "scale": 0.6,
        "objpos": {"x": 101.0, "y": 72.0},
        "annopoints": {"point": structure([joint(number) for number in joints])},
        **changes,
    }
    return {key: value for key, value in record.items() if value is not None}


def structure(records: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Records as MATLAB keeps a list of them; a field that one of them lacks is empty there."""
    keys = dict.fromkeys(key for record in records for key in record)
    array = np.zeros((1, len(records)), dtype=[(key, object) for key in keys])
    for number, record in enumerate(records):
        for key in keys:
            array[0, number][key] = record.get(key, np.zeros((0, 0)))
    return array


def write_mpii(folder: Path, people: Mapping[str, Sequence[Mapping[str, Any]]], training: Sequence[int]) -> None:
    """The published file for pictures by name with their people, and which of them are for training."""
    records = [
        {"image": {"name": name}, "annorect": structure(rects) if rects else np.zeros((0, 0))}
        for name, rects in people.items()
    ]
    release = {"annolist": structure(records), "img_train": np.array([training])}
    savemat(folder / MPII.annotations, {"RELEASE": release})
    write_pictures(folder, *people)


def listed(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A person of HRNet's lists."""
    return {
        "image": f"{number}.jpg",
        "center": [101.0, 72.0],
        "scale": 0.6,
        "joints": [[41.0 + 5 * place, 31.0 + 4 * place] for place in range(16)],
        "joints_vis": [1] * 16,
        **changes,
    }


def write_listed(folder: Path, people: Sequence[Any], head_boxes: np.ndarray | None = None) -> None:
    """The list, its pictures 1 and 2, and the head boxes (2, 2, people)."""
    (folder / MPII_JSON.annotations).write_text(json.dumps(list(people)))
    if head_boxes is not None:
        savemat(folder / "gt_valid.mat", {"headboxes_src": head_boxes})
    write_pictures(folder, "1.jpg", "2.jpg")


# LSP


def lsp_joints(people: int = 2, flag: float = 0.0) -> np.ndarray:
    """(people, 14, 3): joints inside every picture, all with the same third number."""
    joints = np.full((people, 14, 3), flag)
    joints[..., 0] = 40 + 5 * np.arange(14)
    joints[..., 1] = 30 + 4 * np.arange(14)
    return joints


def write_lsp(folder: Path, joints: np.ndarray, *, extended: bool = False) -> None:
    """Joints (people, 14, 3) in the axes of LSP or of its extension, and their pictures."""
    savemat(folder / LSP.annotations, {"joints": joints.transpose((1, 2, 0) if extended else (2, 1, 0))})
    digits = 5 if extended else 4
    write_pictures(folder, *(f"im{number:0{digits}d}.jpg" for number in range(1, len(joints) + 1)))
