"""Every way to train a student, by name. A new one is a file here and a line in `METHODS`."""

from collections.abc import Callable

from training.contracts import Method
from training.methods.blockwise import Blockwise
from training.methods.distilpose import Distilpose
from training.methods.dwpose import DwposeStage1, DwposeStage2
from training.methods.fpd import Fpd
from training.methods.mimic import Mimic
from training.methods.regression import Regression
from training.methods.supervised import Supervised
from training.methods.supervised_heatmaps import SupervisedHeatmaps
from training.methods.yolox import Yolox

METHODS: dict[str, Callable[..., Method]] = {
    "mimic": Mimic,
    "supervised": Supervised,
    "dwpose-stage1": DwposeStage1,
    "dwpose-stage2": DwposeStage2,
    "supervised-heatmaps": SupervisedHeatmaps,
    "fpd": Fpd,
    "regression": Regression,
    "distilpose": Distilpose,
    "yolox": Yolox,
    "blockwise": Blockwise,
}
"""Name -> a constructor that takes the student, the teacher or None, and the options of a recipe by name."""
