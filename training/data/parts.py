"""Parts of a person by the names of their points, for whatever scheme the points are in."""

from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Int64

from pose_core.schemes import SCHEMES
from pose_core.skeleton import BODY, FACE, FEET, KEYPOINT_NAMES, LEFT_HAND, RIGHT_HAND

FIRST_HIP: Final = 11

_FACE: Final = frozenset(KEYPOINT_NAMES[FACE])
_HANDS: Final = frozenset((*KEYPOINT_NAMES[LEFT_HAND], *KEYPOINT_NAMES[RIGHT_HAND]))

HEAD: Final = frozenset((*KEYPOINT_NAMES[:5], "head_top")) | _FACE

UPPER_BODY: Final = frozenset((*KEYPOINT_NAMES[BODY.start : FIRST_HIP], "thorax", "neck", "head_top"))
LOWER_BODY: Final = frozenset((*KEYPOINT_NAMES[FIRST_HIP : FEET.stop], "pelvis"))
"""Hips, legs and feet; face and hands belong to neither half of the body."""

UPPER_HALF: Final = UPPER_BODY | _FACE | _HANDS
"""Everything above the hips."""


@lru_cache
def points_of(part: frozenset[str], scheme: str) -> Int64[np.ndarray, "points"]:
    """Which points of a scheme, a key of `pose_core.schemes.SCHEMES`, belong to a part."""
    return np.flatnonzero([name in part for name in SCHEMES[scheme].points])
