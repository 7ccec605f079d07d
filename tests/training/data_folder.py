"""A small data folder with real pictures and annotations, and records to spoil."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

from pose_core.types import Image, Size
from training.recipe import Source

SIZE = Size(120, 90)
PART_LENGTHS = {"keypoints": 51, "foot_kpts": 18, "face_kpts": 204, "lefthand_kpts": 63, "righthand_kpts": 63}
SOURCE = Source(dataset="coco_wholebody", annotations="annotations.json", images="images")


def gradient(size: Size = SIZE) -> Image:
    """Red grows to the right, green downwards."""
    y, x = np.mgrid[: size.height, : size.width]
    red, green = x * 255 // max(1, size.width - 1), y * 255 // max(1, size.height - 1)
    return np.stack([red, green, np.full_like(red, 90)], axis=-1).astype(np.uint8)


def jpeg(image: Image) -> bytes:
    """A JPEG without loss of colour resolution."""
    content: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(image), quality=98, colorsubsampling="444")
    return content


def points(count: int, flag: float = 2.0) -> list[float]:
    """Points inside the box of `annotation`, x, y and flag one after the other."""
    return [number for place in range(count) for number in (20.0 + place % 60, 15.0 + place % 50, flag)]


def annotation(number: int = 1, image_id: int = 1, **changes: object) -> dict[str, Any]:
    """A record without a mistake; `changes` replace fields, and those that are None are left out."""
    record = {
        "id": number,
        "image_id": image_id,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [10.0, 5.0, 80.0, 70.0],
        "num_keypoints": 17,
        **{name: points(length // 3) for name, length in PART_LENGTHS.items()},
        **changes,
    }
    return {key: value for key, value in record.items() if value is not None}


def image_record(number: int = 1, **changes: object) -> dict[str, Any]:
    """What a document says about a picture of `write_folder`."""
    return {"id": number, "file_name": f"{number}.jpg", "width": SIZE.width, "height": SIZE.height, **changes}


def write_folder(folder: Path, records: Sequence[object], pictures: int = 1) -> Path:
    """Pictures 1, 2, ... and a document with these annotations, where `SOURCE` looks for them."""
    (folder / "images").mkdir()
    for number in range(1, pictures + 1):
        (folder / "images" / f"{number}.jpg").write_bytes(jpeg(gradient()))
    write_document(folder / "annotations.json", [image_record(number) for number in range(1, pictures + 1)], records)
    return folder


def write_document(path: Path, images: Sequence[Mapping[str, Any]], records: Sequence[object]) -> None:
    """A document in COCO's layout."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": list(images), "annotations": list(records)}))
