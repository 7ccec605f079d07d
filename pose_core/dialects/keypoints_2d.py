"""What the four dialects with `*_keypoints_2d` lists share: each part is one flat list of x, y, score.

They differ in what they write for a missing part and for a score, and are read by one and the same reader, so that it
does not matter which of them a document was labelled as. Sources: CMU OpenPose's output documentation,
Mikubill/sd-webui-controlnet@56cec5b `annotator/openpose`, Fannovel16/comfyui_controlnet_aux@e8b689a
`src/custom_controlnet_aux/dwpose` and Comfy-Org/ComfyUI@47e4a90 `comfy_extras/nodes_sdpose.py`.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from pose_core.dialects.dialect import Object
from pose_core.dialects.document import (
    MAX_PEOPLE,
    list_people,
    pick_frame,
    read_canvas,
    read_list,
    read_number,
    read_rows,
)
from pose_core.errors import InvalidPoseData
from pose_core.openpose import OpenPosePerson, OpenPoseScene, visible
from pose_core.skeleton import ANIMAL_COUNT, BODY_25, OPENPOSE_PUPILS
from pose_core.types import Size

Points = Float64[np.ndarray, "points 3"]
"""Points of a part: x px, y px, score."""


def read(document: object, *, size: Size | None = None, frame: int = 0) -> OpenPoseScene:
    """One frame of a document with `*_keypoints_2d` lists.

    A part may be null, absent or empty; the body has 18 points (COCO) or 25 (BODY_25), the face 68 or 70; scores are
    kept as they are. An animal is one flat list of 51 numbers (A1111) or 17 lists of three (comfyui_controlnet_aux).

    ComfyUI's SDPose nodes label the hands the wrong way round; that is not undone, as the file does not tell.
    """
    picked = pick_frame(document, frame)
    canvas = read_canvas(picked, "canvas_width", "canvas_height", size)
    people = list_people(picked)
    animals = [] if picked.get("animals") is None else read_list(picked["animals"], "animals", MAX_PEOPLE)
    return OpenPoseScene(
        canvas,
        tuple(_read_person(person, canvas, f"people[{i}]") for i, person in enumerate(people)),
        tuple(_read_animal(animal, f"animals[{i}]") for i, animal in enumerate(animals)),
    )


def _read_person(person: Object, canvas: Size, field: str) -> OpenPosePerson:
    def part(name: str, *counts: int) -> Points | None:
        return _read_part(person.get(name), canvas, f"{field}.{name}", counts)

    body, feet = part("pose_keypoints_2d", 18, 25), part("foot_keypoints_2d", 6)
    if body is not None and len(body) == 25:
        body, own_feet = _split_body_25(body)
        feet = own_feet if feet is None else feet
    return OpenPosePerson(
        body=body,
        feet=feet,
        face=_with_pupils(part("face_keypoints_2d", 68, 70), body),
        left_hand=part("hand_left_keypoints_2d", 21),
        right_hand=part("hand_right_keypoints_2d", 21),
    )


def _read_animal(value: object, field: str) -> Float64[np.ndarray, "17 3"]:
    numbers = read_list(value, field, longest=3 * ANIMAL_COUNT)
    if numbers and isinstance(numbers[0], list):
        points = read_rows(numbers, [f"{field}[{i}]" for i in range(len(numbers))], ("x", "y", "score"))
    else:
        points = np.array([read_number(number, f"{field}[{i}]") for i, number in enumerate(numbers)])
    if points.size != 3 * ANIMAL_COUNT:
        choices = [f"{3 * ANIMAL_COUNT} ({ANIMAL_COUNT} points of x, y, score)"]
        raise InvalidPoseData(f"has {points.size} numbers", field=field, choices=choices)
    return points.reshape(ANIMAL_COUNT, 3)


def _read_part(values: object, canvas: Size, field: str, counts: Sequence[int]) -> Points | None:
    if values is None or values == []:
        return None
    numbers = read_list(values, field, longest=3 * max(counts))
    if len(numbers) not in [3 * count for count in counts]:
        choices = [f"{3 * count} ({count} points of x, y, score)" for count in counts]
        raise InvalidPoseData(f"has {len(numbers)} numbers", field=field, choices=[*choices, "0", "null"])
    checked = [read_number(value, f"{field}[{i}]") for i, value in enumerate(numbers)]
    return known(_to_pixels(np.array(checked).reshape(-1, 3), canvas))


def _to_pixels(points: Points, canvas: Size) -> Points:
    """Points of a part in pixels, multiplied by the canvas if all that are there lie within 1 of the origin.

    Frozen quirk of the reference, which guesses this part by part: nothing in a document says whether its coordinates
    are pixels or fractions of the canvas.
    """
    there = points[points[:, 2] > 0]
    if not len(there) or np.abs(there[:, :2]).max() > 1:
        return points
    return points * (canvas.width, canvas.height, 1.0)


def known(points: Points) -> Points | None:
    """The part, or None if no score in it differs from 0: the zero-filled list that stands for a missing part."""
    return points if points[:, 2].any() else None


def _split_body_25(
    points: Float64[np.ndarray, "25 3"],
) -> tuple[Float64[np.ndarray, "18 3"] | None, Float64[np.ndarray, "6 3"] | None]:
    """OpenPose-18 body and feet of a BODY_25 body; its mid-hip follows from the hips and is dropped."""
    order = np.array(BODY_25)
    both = np.zeros((24, 3))
    both[order[order >= 0]] = points[order >= 0]
    return known(both[:18]), known(both[18:])


def _with_pupils(face: Points | None, body: Float64[np.ndarray, "18 3"] | None) -> Float64[np.ndarray, "70 3"] | None:
    """The face as 70 points: OpenPose's last two are the pupils, for which the body's eyes stand in."""
    if face is None or len(face) == 70:
        return face
    return np.concatenate([face, np.zeros((2, 3)) if body is None else body[list(OPENPOSE_PUPILS)]])


def flat(points: Points | None, threshold: float, *, real_scores: bool = False) -> list[float] | None:
    """A part as its list of numbers, None where nothing of it shows.

    Hidden points are 0, 0, 0, shown ones score 1 unless `real_scores` asks for what the network said.
    """
    shown = visible(points, threshold)
    if points is None or shown is None:
        return None
    scores = points[:, 2] if real_scores else np.ones(len(points))
    written = np.where(shown[:, None], np.column_stack([points[:, :2], scores]), 0.0)
    numbers: list[float] = written.ravel().tolist()
    return numbers


def zeros(count: int) -> list[float]:
    """The list of a part of `count` points that are all missing."""
    return [0.0] * (3 * count)


def nullable_person(person: OpenPosePerson, threshold: float, _size: Size) -> Object:
    """The entry of both pre-processors, A1111's and comfyui_controlnet_aux's: null for a missing face or hand."""
    return {
        "pose_keypoints_2d": flat(person.body, threshold) or zeros(18),
        "face_keypoints_2d": flat(person.face, threshold),
        "hand_left_keypoints_2d": flat(person.left_hand, threshold),
        "hand_right_keypoints_2d": flat(person.right_hand, threshold),
    }


def canvas_of(scene: OpenPoseScene) -> Object:
    """The keys that name the canvas."""
    return {"canvas_height": scene.size.height, "canvas_width": scene.size.width}


def box_of(person: OpenPosePerson) -> Object:
    """Sibling keys that no other program reads: where the estimator looked and the detector's score."""
    if person.box is None:
        return {}
    box = person.box
    return {"box": [box.left, box.top, box.right, box.bottom], "box_score": box.score}
