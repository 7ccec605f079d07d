"""MediaPipe's points of people in boxes; run by a Python that has `mediapipe`, which needs an OpenCV of its own.

    VENV/bin/python benchmarks/mediapipe_points.py REQUEST.json ANSWER.json

A wheel that bundles the models is enough, such as mediapipe 0.10.21: Holistic with the full pose model, which finds the
same 33 pose points as Pose alone, then the face mesh and both hands. Every picture is looked at by itself.

Request: `{"confidence": 0.1, "looks": ["photo", "1.25"], "photos": [{"file": ..., "people": [{"id": 7, "box": [left,
top, right, bottom]}]}]}`. The confidence is how sure MediaPipe has to be of a person to say anything. A look is
`photo`, where MediaPipe gets the whole photo and its one answer goes to the box it overlaps best, or the padding of a
crop, where it gets each box made larger by that factor and cut to the photo.
Answer: `{"version": ..., "looks": {"photo": {"7": {"pose": [[x, y, visibility], ...], "face": [[x, y], ...],
"left_hand": ..., "right_hand": ...}}}}` in photo pixels; parts that were not found are null, people are missing.

It imports nothing of this project, and needs numpy, OpenCV and mediapipe only.
"""

import argparse
import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

PHOTO = "photo"
PARTS = {
    "pose": "pose_landmarks",
    "face": "face_landmarks",
    "left_hand": "left_hand_landmarks",
    "right_hand": "right_hand_landmarks",
}
"""Name in the answer -> attribute of MediaPipe's result. Left and right are the person's own."""

FULL_POSE = 1
"""Complexity of the pose model that the wheel bundles."""

Pixels = NDArray[np.uint8]
Box = Sequence[float]
"""Left, top, right, bottom in photo pixels."""

Found = dict[str, list[list[float]] | None]
"""Part -> points in photo pixels, None where it was not found."""

Look = Callable[[Pixels], Found | None]
"""An RGB picture to what MediaPipe found in it, in its pixels; None without a person."""


def main() -> None:
    """Answer a request."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("request", type=Path)
    parser.add_argument("answer", type=Path)
    options = parser.parse_args()
    mediapipe: Any = importlib.import_module("mediapipe")  # another environment has it, not the project's
    request = json.loads(options.request.read_text())
    with mediapipe.solutions.holistic.Holistic(
        static_image_mode=True,
        model_complexity=FULL_POSE,
        min_detection_confidence=request["confidence"],
        min_tracking_confidence=request["confidence"],
    ) as network:
        answer = answer_request(request, lambda picture: ask(network, picture))
    options.answer.write_text(json.dumps({"version": mediapipe.__version__, **answer}))


def ask(network: Any, picture: Pixels) -> Found | None:  # noqa: ANN401 - MediaPipe is not typed
    """What MediaPipe finds in an RGB picture, in its pixels."""
    result = network.process(picture)
    if result.pose_landmarks is None:
        return None
    height, width = picture.shape[:2]
    return {part: read_landmarks(getattr(result, name), width, height) for part, name in PARTS.items()}


def read_landmarks(landmarks: Any, width: int, height: int) -> list[list[float]] | None:  # noqa: ANN401 - see `ask`
    """Fractions of the sides to pixels, whose centres are whole numbers; a third number is the visibility."""
    if landmarks is None:
        return None
    return [[one.x * width - 0.5, one.y * height - 0.5, one.visibility] for one in landmarks.landmark]


def answer_request(request: Any, look: Look) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Look at every photo in every way that was asked for."""
    looks: dict[str, dict[str, Found]] = {name: {} for name in request["looks"]}
    for photo in request["photos"]:
        image = read_rgb(photo["file"])
        boxes = {str(one["id"]): one["box"] for one in photo["people"]}
        for name, people in looks.items():
            people.update(
                see_photo(image, boxes, look) if name == PHOTO else see_crops(image, boxes, float(name), look)
            )
    return {"looks": looks}


def read_rgb(file: str) -> Pixels:
    """A photo in RGB, turned upright."""
    image = cv2.imread(file, cv2.IMREAD_COLOR)
    if image is None:
        raise SystemExit(f"{file} is no readable photo")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8)


def see_photo(image: Pixels, boxes: Mapping[str, Box], look: Look) -> Iterator[tuple[str, Found]]:
    """The one answer for a whole photo, with the id of the box it overlaps best; nothing if it overlaps none."""
    found = look(image)
    if found is None or found["pose"] is None:
        return
    points = np.array(found["pose"])[:, :2]
    extent = (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    overlaps = {number: overlap(extent, box) for number, box in boxes.items()}
    best = max(overlaps, key=lambda number: overlaps[number])
    if overlaps[best] > 0:
        yield best, found


def see_crops(image: Pixels, boxes: Mapping[str, Box], padding: float, look: Look) -> Iterator[tuple[str, Found]]:
    """The answer for each box, with its id."""
    for number, box in boxes.items():
        left, top, right, bottom = pad_box(box, padding, image.shape[1], image.shape[0])
        if right > left and bottom > top and (found := look(np.ascontiguousarray(image[top:bottom, left:right]))):
            yield number, {part: move(points, left, top) for part, points in found.items()}


def pad_box(box: Box, padding: float, width: int, height: int) -> tuple[int, int, int, int]:
    """A box made larger around its middle, in whole pixels and cut to the photo: left, top, right, bottom."""
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    reach = (box[2] - box[0]) * padding / 2, (box[3] - box[1]) * padding / 2
    left, top = (max(0, round(at - extent)) for at, extent in zip(middle, reach, strict=True))
    right, bottom = (
        min(side, round(at + extent) + 1) for at, extent, side in zip(middle, reach, (width, height), strict=True)
    )
    return left, top, right, bottom


def move(points: list[list[float]] | None, left: float, top: float) -> list[list[float]] | None:
    """Pixels of a crop to those of the photo."""
    return points and [[x + left, y + top, *rest] for x, y, *rest in points]


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared) if shared else 0.0


if __name__ == "__main__":
    main()
