"""Which points a network or an annotation file knows, and in which order. A new scheme is a line in `SCHEMES`.

Points are known by name, so that any scheme can be read as any other one, and mirrored. Those that COCO-WholeBody lacks
(pelvis, thorax, neck and head top) are learnt and measured, but not part of an answer of the service.

Sources: COCO-WholeBody, see `pose_core.skeleton`; MPII Human Pose (Andriluka et al., CVPR 2014), joint ids 0 to 15;
Leeds Sports Pose (Johnson and Everingham, BMVC 2010), its README. All of them name a person's own left and right.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from jaxtyping import Float, Int64

from pose_core.skeleton import BODY_NAMES, FLIP_ORDER, KEYPOINT_NAMES


@dataclass(frozen=True, slots=True, eq=False)
class Scheme:
    """An order of points.

    Attributes:
        points: their names, those of `pose_core.skeleton.KEYPOINT_NAMES` where they are among the 133.
        flip_order: `keypoints[flip_order]` are the keypoints of the mirrored picture (x still to be mirrored).
    """

    points: tuple[str, ...]
    flip_order: Int64[np.ndarray, "points"]

    def __len__(self) -> int:
        return len(self.points)


_MIRRORED: Final = {name: KEYPOINT_NAMES[other] for name, other in zip(KEYPOINT_NAMES, FLIP_ORDER, strict=True)}


def scheme_of(*points: str) -> Scheme:
    """The scheme of these points; the mirror image of a point that COCO-WholeBody lacks is itself."""
    mirrored = [_MIRRORED.get(name, name) for name in points]
    return Scheme(points, np.array([points.index(name) for name in mirrored], np.int64))


_RIGHT_LEG: Final = ("right_ankle", "right_knee", "right_hip")
_LEFT_LEG: Final = ("left_hip", "left_knee", "left_ankle")
_RIGHT_ARM: Final = ("right_wrist", "right_elbow", "right_shoulder")
_LEFT_ARM: Final = ("left_shoulder", "left_elbow", "left_wrist")
_TRUNK: Final = ("pelvis", "thorax", "neck", "head_top")

WHOLE_BODY: Final = "coco-wholebody"

SCHEMES: Final[Mapping[str, Scheme]] = {
    WHOLE_BODY: scheme_of(*KEYPOINT_NAMES),
    "coco": scheme_of(*BODY_NAMES),
    "limbs": scheme_of(*BODY_NAMES[5:]),
    "mpii": scheme_of(*_RIGHT_LEG, *_LEFT_LEG, *_TRUNK, *_RIGHT_ARM, *_LEFT_ARM),
    "lsp": scheme_of(*_RIGHT_LEG, *_LEFT_LEG, *_RIGHT_ARM, *_LEFT_ARM, "neck", "head_top"),
}
"""By name: all 133 points, the 17 of COCO, the 12 of arms and legs that all the others have, the 16 of MPII, the 14 of
LSP. MPII's upper neck and LSP's neck are both called `neck`."""


@lru_cache
def shared_points(source: str, target: str) -> tuple[Int64[np.ndarray, "shared"], Int64[np.ndarray, "shared"]]:
    """Where the points that two schemes share stand in the one and in the other, in the order of the first.

    Args:
        source: a key of `SCHEMES`.
        target: the same.
    """
    position = {name: number for number, name in enumerate(SCHEMES[target].points)}
    pairs = [(number, position[name]) for number, name in enumerate(SCHEMES[source].points) if name in position]
    in_source, in_target = np.array(pairs, np.int64).reshape(-1, 2).T
    return in_source, in_target


def convert_scheme(
    keypoints: Float[np.ndarray, "*people points 3"], source: str, target: str
) -> Float[np.ndarray, "*people others 3"]:
    """The same points in another scheme; those that the source lacks are zero, with their score or weight.

    Args:
        keypoints: in any frame, the third number a score or a weight.
        source: the scheme they are in, a key of `SCHEMES`.
        target: the one wanted.
    """
    in_source, in_target = shared_points(source, target)
    converted = np.zeros((*keypoints.shape[:-2], len(SCHEMES[target]), 3), keypoints.dtype)
    converted[..., in_target, :] = keypoints[..., in_source, :]
    return converted
