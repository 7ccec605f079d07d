"""How good a network is: one file per metric. A new one is a file here and a line in `EVALS`."""

from collections.abc import Callable

from training.evals.coco_wholebody_ap import WholeBodyAp, evaluate_coco_wholebody_ap
from training.evals.ground_truth import read_ground_truth
from training.evals.hand_error import HandError, evaluate_hand_error
from training.evals.nme import FaceNme, evaluate_face_nme
from training.evals.pck import Pck, evaluate_pck
from training.evals.records import GroundTruth, Prediction, Predictions, Result, Score

EVALS: dict[str, Callable[..., Result]] = {
    "coco-wholebody-ap": evaluate_coco_wholebody_ap,
    "pck": evaluate_pck,
    "face-nme": evaluate_face_nme,
    "hand-error": evaluate_hand_error,
}
"""Name -> metric of (ground truth, predictions); options are those of the function behind the name."""

__all__ = [
    "EVALS",
    "FaceNme",
    "GroundTruth",
    "HandError",
    "Pck",
    "Prediction",
    "Predictions",
    "Result",
    "Score",
    "WholeBodyAp",
    "read_ground_truth",
]
