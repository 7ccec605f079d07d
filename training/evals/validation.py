"""Evaluation during a run: from a network to numbers, the one that decides first."""

from collections.abc import Mapping, Sequence
from typing import cast

from torch import nn

from pose_core.errors import InvalidInput
from training.contracts import Evaluate, Exportable
from training.evals.networks import torch_network
from training.evals.predict import predict
from training.evals.records import GroundTruth
from training.evals.report import evaluate, flatten
from training.evals.views import Views

HEADLINE = "coco-wholebody-ap/wholebody/AP"
"""What the published recipe chooses its best checkpoint by."""


def make_evaluate(
    truth: GroundTruth,
    views: Views,
    *,
    metrics: Sequence[str] | None = None,
    headline: str = HEADLINE,
    flip: bool = True,
    batch_size: int = 64,
    workers: int = 2,
    progress: bool = True,
) -> Evaluate:
    """A function that predicts the whole set with a network and measures.

    Args:
        truth: the annotated set.
        views: the boxes, see `training.evals.views`.
        metrics: see `training.evals.report.evaluate`.
        headline: the number that comes first; a higher one has to be better.
        flip: see `training.evals.predict.predict`.
        batch_size: the same.
        workers: the same.
        progress: the same.

    Returns:
        A function of the network, which returns every number that could be measured by `metric/part/score`.
    """

    def run(network: nn.Module) -> Mapping[str, float]:
        ready = torch_network(cast("Exportable", network), "evaluation")
        predictions = predict(ready, views, flip=flip, batch_size=batch_size, workers=workers, progress=progress)
        return headline_first(flatten(evaluate(truth, predictions, metrics)), headline)

    return run


def headline_first(numbers: Mapping[str, float | None], headline: str) -> dict[str, float]:
    """What could be measured, in order but for the headline.

    Raises:
        InvalidInput: the headline could not be measured.
    """
    measured = {name: value for name, value in numbers.items() if value is not None}
    if headline not in measured:
        raise InvalidInput(f"{headline} could not be measured on this set", field="headline", choices=measured)
    return {headline: measured[headline], **measured}
