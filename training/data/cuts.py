"""Photos that end somewhere across a person: portraits, half figures, somebody at the edge of the picture.

Cutting a photo is the same as serving a smaller one: nothing is known beyond the cut, and the box of the person is the
part that a detector would still see. Not from the published pipeline; DWPose's half bodies zoom in but go on seeing
the rest of the photo.
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from pose_core.schemes import WHOLE_BODY
from pose_core.types import PersonBox, Size
from training.data.parts import HEAD, LOWER_BODY, UPPER_HALF, points_of

HALVES: Final = (UPPER_HALF, LOWER_BODY)

LEAST_POINTS: Final = 4
"""Labelled points that make a part worth a picture of its own."""

LEAST_PX: Final = 16
"""No side of a cut photo is shorter."""

MARGINS: Final = {"head": (0.3, 1.3), "half": (0.05, 0.3)}
"""How much is left around a part on each side, as a fraction of its longer side."""

REMOVED: Final = (0.15, 0.55)
"""How much of a person's box one cut takes away."""

HEAD_SHARE: Final = 0.35
HALF_SHARE: Final = 0.25
"""How often the photo is a portrait or half a figure, where the labels allow it; otherwise one side is cut off."""


class Window(NamedTuple):
    """The columns and rows that are left of a photo; the last ones are excluded."""

    left: int
    top: int
    right: int
    bottom: int

    def holds(self, points: Float[np.ndarray, "points 2"]) -> Bool[np.ndarray, "points"]:
        """Which points are still in the picture."""
        inside = (points >= (self.left, self.top)) & (points <= (self.right - 1, self.bottom - 1))
        return np.logical_and(inside[:, 0], inside[:, 1])

    def clip(self, box: PersonBox) -> PersonBox:
        """What is left of a box."""
        return PersonBox(
            left=max(box.left, float(self.left)),
            top=max(box.top, float(self.top)),
            right=min(box.right, self.right - 1.0),
            bottom=min(box.bottom, self.bottom - 1.0),
            score=box.score,
        )


def whole(photo: Size) -> Window:
    """A photo that was not cut."""
    return Window(0, 0, photo.width, photo.height)


def draw_window(
    keypoints: Float[np.ndarray, "points 3"],
    box: PersonBox,
    photo: Size,
    random: np.random.Generator,
    scheme: str = WHOLE_BODY,
) -> Window:
    """Cut a photo somewhere across a person.

    Args:
        keypoints: x, y, weight in photo pixels.
        box: of the person.
        photo: its size.
        random: decides.
        scheme: of the keypoints, a key of `pose_core.schemes.SCHEMES`.

    Returns:
        What is left; the whole photo where hardly anything would be.
    """
    choice = random.random()
    if choice < HEAD_SHARE:
        cut = draw_around(keypoints[points_of(HEAD, scheme)], MARGINS["head"], random)
    elif choice < HEAD_SHARE + HALF_SHARE:
        half = points_of(HALVES[random.integers(2)], scheme)
        cut = draw_around(keypoints[half], MARGINS["half"], random)
    else:
        cut = None
    window = rounded(cut or draw_side(box, photo, random), photo)
    left = window.clip(box)
    return window if min(left.right - left.left, left.bottom - left.top) >= LEAST_PX else whole(photo)


def draw_around(
    keypoints: Float[np.ndarray, "points 3"], margins: tuple[float, float], random: np.random.Generator
) -> PersonBox | None:
    """The labelled points of a part with a margin of its own on each side; None where there are too few."""
    points = keypoints[keypoints[:, 2] > 0, :2]
    if len(points) < LEAST_POINTS:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    left, top, right, bottom = random.uniform(*margins, 4) * (high - low).max()
    edges = (low[0] - left, low[1] - top, high[0] + right, high[1] + bottom)
    return PersonBox(*map(float, edges))


def draw_side(box: PersonBox, photo: Size, random: np.random.Generator) -> PersonBox:
    """The photo without what lies beyond a line through the person, on a random side."""
    share, side = random.uniform(*REMOVED), random.integers(4)
    width, height = (box.right - box.left) * share, (box.bottom - box.top) * share
    edges = [0.0, 0.0, float(photo.width), float(photo.height)]
    edges[side] = (box.left + width, box.top + height, box.right - width, box.bottom - height)[side]
    return PersonBox(*map(float, edges))


def rounded(cut: PersonBox, photo: Size) -> Window:
    """Whole pixels inside the photo."""
    left, right = (int(np.clip(x, 0, photo.width)) for x in (cut.left, cut.right))
    top, bottom = (int(np.clip(y, 0, photo.height)) for y in (cut.top, cut.bottom))
    return Window(left, top, right, bottom)
