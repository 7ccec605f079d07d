"""The 133 COCO-WholeBody keypoints and how they map onto OpenPose's layouts: data only.

Sources: names, order and OKS sigmas are those of the COCO-WholeBody annotations (jin-s13/COCO-WholeBody, ECCV 2020)
as mmpose's coco_wholebody.py lists them; OpenPose orders are those of CMU's output documentation (COCO-18, BODY_25,
70 face points, 21 hand points). "left" and "right" are the person's own.
"""

from typing import Final, Literal, get_args

import numpy as np
from jaxtyping import Float64, Int64

KEYPOINT_COUNT: Final = 133

Part = Literal["body", "feet", "hands", "face"]
"""What a caller can switch on and off."""

PARTS: Final[tuple[Part, ...]] = get_args(Part)

BODY: Final = slice(0, 17)
FEET: Final = slice(17, 23)
FACE: Final = slice(23, 91)
LEFT_HAND: Final = slice(91, 112)
RIGHT_HAND: Final = slice(112, 133)

BODY_NAMES: Final = (
    *("nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder"),
    *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip", "right_hip"),
    *("left_knee", "right_knee", "left_ankle", "right_ankle"),
)

_FOOT_NAMES: Final = ("big_toe", "small_toe", "heel")
_FINGERS: Final = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
_HAND_NAMES: Final = ("hand_root", *(f"{finger}{joint}" for finger in _FINGERS for joint in range(1, 5)))

KEYPOINT_NAMES: Final[tuple[str, ...]] = (
    *BODY_NAMES,
    *(f"{side}_{name}" for side in ("left", "right") for name in _FOOT_NAMES),
    *(f"face-{number}" for number in range(68)),
    *(f"{side}_{name}" for side in ("left", "right") for name in _HAND_NAMES),
)

_FACE_PAIRS: Final = (
    *((left, 16 - left) for left in range(8)),  # jaw; 8 is the chin
    *((left, 43 - left) for left in range(17, 22)),  # eyebrows
    *((31, 35), (32, 34)),  # nostrils
    *((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),  # eyes
    *((48, 54), (49, 53), (50, 52), (55, 59), (56, 58)),  # outer lip
    *((60, 64), (61, 63), (65, 67)),  # inner lip
)

FLIP_PAIRS: Final[tuple[tuple[int, int], ...]] = (
    *((left, left + 1) for left in range(1, 17, 2)),
    *((left, left + 3) for left in range(17, 20)),
    *((FACE.start + one, FACE.start + other) for one, other in _FACE_PAIRS),
    *((left, left + 21) for left in range(LEFT_HAND.start, LEFT_HAND.stop)),
)
"""The 61 pairs of points that change places when the picture is mirrored."""


def _flip_order() -> Int64[np.ndarray, "133"]:
    order = np.arange(KEYPOINT_COUNT)
    for one, other in FLIP_PAIRS:
        order[[one, other]] = other, one
    return order


FLIP_ORDER: Final[Int64[np.ndarray, "133"]] = _flip_order()
"""`keypoints[FLIP_ORDER]` are the keypoints of the mirrored picture (x still to be mirrored)."""

# fmt: off
OKS_SIGMAS: Final[Float64[np.ndarray, "133"]] = np.array([
    # body
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062, 0.107, 0.107, 0.087,
    0.087, 0.089, 0.089,
    # feet
    0.068, 0.066, 0.066, 0.092, 0.094, 0.094,
    # face
    0.042, 0.043, 0.044, 0.043, 0.040, 0.035, 0.031, 0.025, 0.020, 0.023, 0.029, 0.032, 0.037, 0.038,
    0.043, 0.041, 0.045, 0.013, 0.012, 0.011, 0.011, 0.012, 0.012, 0.011, 0.011, 0.013, 0.015, 0.009,
    0.007, 0.007, 0.007, 0.012, 0.009, 0.008, 0.016, 0.010, 0.017, 0.011, 0.009, 0.011, 0.009, 0.007,
    0.013, 0.008, 0.011, 0.012, 0.010, 0.034, 0.008, 0.008, 0.009, 0.008, 0.008, 0.007, 0.010, 0.008,
    0.009, 0.009, 0.009, 0.007, 0.007, 0.008, 0.011, 0.008, 0.008, 0.008, 0.010, 0.008,
    # left hand
    0.029, 0.022, 0.035, 0.037, 0.047, 0.026, 0.025, 0.024, 0.035, 0.018, 0.024, 0.022, 0.026, 0.017,
    0.021, 0.021, 0.032, 0.020, 0.019, 0.022, 0.031,
    # right hand
    0.029, 0.022, 0.035, 0.037, 0.047, 0.026, 0.025, 0.024, 0.035, 0.018, 0.024, 0.022, 0.026, 0.017,
    0.021, 0.021, 0.032, 0.020, 0.019, 0.022, 0.031,
])
# fmt: on
"""Per-point spread of human labels, relative to the square root of the person's area; for the OKS metric."""

OPENPOSE_BODY: Final = (0, -1, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""COCO-WholeBody number of each of OpenPose's 18 body points; -1 is the neck, the middle of the shoulders."""

OPENPOSE_BODY_NAMES: Final = (
    *("nose", "neck", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)

SHOULDERS: Final = (5, 6)
"""COCO-WholeBody numbers of the shoulders, whose middle OpenPose calls the neck."""

BODY_25: Final = (0, 1, 2, 3, 4, 5, 6, 7, -1, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)
"""For each BODY_25 point its number among OpenPose-18 followed by the 6 feet points; -1 is the mid-hip."""

OPENPOSE_HIPS: Final = (8, 11)
"""OpenPose-18 numbers of the hips, whose middle BODY_25 calls the mid-hip."""

ANIMAL_COUNT: Final = 17
"""Points of an AP-10K animal (Yu et al., NeurIPS 2021 datasets): left and right eye, nose, neck, root of the tail, then
shoulder, elbow and paw of the left and the right front leg, then hip, knee and paw of both hind legs."""

OPENPOSE_PUPILS: Final = (14, 15)
"""OpenPose-18 numbers of the eyes, which end the 70-point face as its pupils."""
