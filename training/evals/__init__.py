"""How good a network is: one file per metric. A new one is a file here and a line in `EVALS`."""

from collections.abc import Callable, Mapping
from functools import partial

from pose_core.schemes import WHOLE_BODY
from training.evals.by_source import BySource, evaluate_by_source
from training.evals.coco_wholebody_ap import WholeBodyAp, evaluate_coco_wholebody_ap
from training.evals.feet import Feet, evaluate_feet
from training.evals.ground_truth import read_ground_truth
from training.evals.hand_error import evaluate_hand_error
from training.evals.nme import evaluate_face_nme
from training.evals.oks import MeanOks, evaluate_oks
from training.evals.part_errors import PartErrors
from training.evals.pck import Pck, evaluate_pck
from training.evals.pck_torso import PckTorso, evaluate_pck_torso
from training.evals.pckh import Pckh, evaluate_pckh
from training.evals.records import GroundTruth, Prediction, Predictions, Result, Score
from training.evals.score_curve import ScoreCurve, evaluate_score_curve

EVALS: dict[str, Callable[..., Result]] = {
    "coco-wholebody-ap": evaluate_coco_wholebody_ap,
    "pck": evaluate_pck,
    "pck-torso": evaluate_pck_torso,
    "pckh": evaluate_pckh,
    "pckh-hrnet": partial(evaluate_pckh, convention="hrnet"),
    "pckh-pytorch-pose": partial(evaluate_pckh, convention="pytorch-pose"),
    "oks": evaluate_oks,
    "face-nme": evaluate_face_nme,
    "hand-error": evaluate_hand_error,
    "feet": evaluate_feet,
    "score-curve": evaluate_score_curve,
    "by-source": evaluate_by_source,
}
"""Name -> metric of (ground truth, predictions); options are those of the function behind the name."""

OTHER_SCHEMES: Mapping[str, tuple[str, ...]] = {
    "pck-torso": (WHOLE_BODY, "mpii", "lsp"),
    "pckh": ("mpii",),
    "pckh-hrnet": ("mpii",),
    "pckh-pytorch-pose": ("mpii",),
}
"""Metrics that are not of the 133 points alone, and the schemes that a set must have for them to make sense."""


def metrics_of(scheme: str) -> list[str]:
    """The metrics of a set whose annotated points are those of a key of `pose_core.schemes.SCHEMES`."""
    return [name for name in EVALS if scheme in OTHER_SCHEMES.get(name, (WHOLE_BODY,))]


__all__ = [
    "EVALS",
    "BySource",
    "Feet",
    "GroundTruth",
    "MeanOks",
    "PartErrors",
    "Pck",
    "PckTorso",
    "Pckh",
    "Prediction",
    "Predictions",
    "Result",
    "Score",
    "ScoreCurve",
    "WholeBodyAp",
    "metrics_of",
    "read_ground_truth",
]
