"""One pose per person: of poses that lie on top of each other only the best stays.

Source: mmpose@759b39c1 oks_nms with the settings of the whole-body metric.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pose_core.skeleton import OKS_SIGMAS
from training.evals.records import Floats

SAME_PERSON_OKS: Final = 0.9


def compute_oks(keypoints: Floats, area: float, others: Floats, areas: Floats) -> Floats:
    """Object keypoint similarity of one pose to several, 1 for the same place and towards 0 far away.

    Mean over all 133 points of exp(-d^2 / (2 (2 sigma)^2 A)), where A is the mean of both areas; no point is left out,
    whatever its score.

    Args:
        keypoints: (133, 2 or more) x and y in photo pixels.
        area: of the pose's box in square pixels.
        others: (people, 133, 2 or more).
        areas: (people,).

    Returns:
        (people,) float64.
    """
    squared = ((others[:, :, :2] - keypoints[:, :2]) ** 2).sum(axis=-1)
    mean_area = (area + areas) / 2 + np.spacing(1)
    return np.exp(-squared / (2 * OKS_SIGMAS) ** 2 / mean_area[:, None] / 2).mean(axis=-1)


def suppress_poses(
    keypoints: Floats, areas: Floats, scores: Floats, threshold: float = SAME_PERSON_OKS
) -> NDArray[np.intp]:
    """Which poses stay, best first: greedily, a pose goes if its OKS to a better one is above the threshold.

    Of equal scores the later one is taken for the better (numpy's ascending order, reversed, as the reference has it).

    Args:
        keypoints: (people, 133, 2 or more) x and y in photo pixels.
        areas: (people,) in square pixels.
        scores: (people,).
        threshold: of the OKS.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    kept = []
    while len(order):
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[compute_oks(keypoints[best], areas[best], keypoints[order], areas[order]) <= threshold]
    return np.array(kept, np.intp)
