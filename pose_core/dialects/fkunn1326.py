"""The file of fkunn1326's and space-nuko's editors: a canvas and 18 places per body, without scores.

`{"width": w, "height": h, "keypoints": [[[x, y] * 18], ...]}`, always in pixels; face, hands and feet have no place.

Neither editor can mark a point as missing: a saved body always has 18 places and all are drawn when it is loaded.
While fkunn1326's editor takes over a detection, [-1, -1] stands for an undetected point until it has been placed next
to its neighbours. We write that mark, which loads as a point just outside the canvas, and read it as missing.
space-nuko's editor saves and loads one list per person, which is what we write; fkunn1326's editor itself saves and
loads all places in one list, which is read too.

Sources: fkunn1326/openpose-editor `javascript/main.js` (serializeJSON, loadJSON, detectImage; 2023) and its issues 19,
22 and 62; space-nuko/ComfyUI-OpenPose-Editor@0bdca4d `js/openpose.js` (serializeJSON, loadJSON).
"""

import numpy as np
from jaxtyping import Float64

from pose_core.dialects.dialect import Dialect, Object
from pose_core.dialects.document import MAX_PEOPLE, pick_frame, read_canvas, read_list, read_rows
from pose_core.dialects.keypoints_2d import known
from pose_core.errors import InvalidPoseData
from pose_core.openpose import OpenPosePerson, OpenPoseScene, visible
from pose_core.types import Size

BODY_COUNT = 18
MISSING = -1.0
"""Both coordinates of a missing point."""


def write_person(person: OpenPosePerson, threshold: float, _size: Size) -> list[list[float]]:
    """The 18 places of one body."""
    shown = visible(person.body, threshold)
    if person.body is None or shown is None:
        return [[MISSING, MISSING] for _ in range(BODY_COUNT)]
    places: list[list[float]] = np.where(shown[:, None], person.body[:, :2], MISSING).tolist()
    return places


def write(scene: OpenPoseScene, threshold: float) -> Object:
    """The file of the bodies; people of whose body nothing shows are left out, they would be 18 dots in a corner."""
    people = [person for person in scene.people if visible(person.body, threshold) is not None]
    bodies = [write_person(person, threshold, scene.size) for person in people]
    return {"width": scene.size.width, "height": scene.size.height, "keypoints": bodies}


def read(document: object, *, size: Size | None = None, frame: int = 0) -> OpenPoseScene:
    """The bodies of one frame, nested by person or not; every point that is there scores 1."""
    picked = pick_frame(document, frame)
    canvas = read_canvas(picked, "width", "height", size)
    places = read_list(picked.get("keypoints"), "keypoints", BODY_COUNT * MAX_PEOPLE)
    bodies = _nested(places) if any(map(_is_body, places)) else _chunked(places)
    return OpenPoseScene(canvas, tuple(OpenPosePerson(body=body) for body in bodies))


def _is_body(entry: object) -> bool:
    return isinstance(entry, list) and (not entry or isinstance(entry[0], list | None))


def _nested(people: list[object]) -> list[Float64[np.ndarray, "18 3"] | None]:
    bodies = []
    for number, places in enumerate(read_list(people, "keypoints", MAX_PEOPLE)):
        field = f"keypoints[{number}]"
        listed = read_list(places, field, BODY_COUNT)
        if len(listed) not in (0, BODY_COUNT):
            raise InvalidPoseData(f"has {len(listed)} points", field=field, choices=[str(BODY_COUNT), "0"])
        bodies.append(_read_body(listed, [f"{field}[{i}]" for i in range(len(listed))]))
    return bodies


def _chunked(places: list[object]) -> list[Float64[np.ndarray, "18 3"] | None]:
    if len(places) % BODY_COUNT:
        message = f"has {len(places)} points, expected lists of {BODY_COUNT} or a multiple of {BODY_COUNT} points"
        raise InvalidPoseData(message, field="keypoints")
    fields = [f"keypoints[{i}]" for i in range(len(places))]
    starts = range(0, len(places), BODY_COUNT)
    return [_read_body(places[i : i + BODY_COUNT], fields[i : i + BODY_COUNT]) for i in starts]


def _read_body(places: list[object], fields: list[str]) -> Float64[np.ndarray, "18 3"] | None:
    if not places:
        return None
    points = read_rows([[MISSING, MISSING] if place is None else place for place in places], fields, ("x", "y"))
    there = (points != MISSING).any(axis=1)
    return known(np.where(there[:, None], np.column_stack([points, there]), 0.0))


def recognises(frame: Object) -> bool:
    """Places without people around them."""
    return "keypoints" in frame and "people" not in frame


DIALECT = Dialect(
    summary="fkunn1326's and space-nuko's editors",
    write=write,
    write_person=write_person,
    read=read,
    recognises=recognises,
)
