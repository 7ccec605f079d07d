"""Evaluation during a run: from a network to numbers, the one that decides first."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, cast

from torch import nn

from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.estimators import EstimatorSpec
from training.contracts import Evaluate, Exportable
from training.evals import EVALS
from training.evals.networks import torch_network
from training.evals.predict import predict
from training.evals.records import BoxKind, GroundTruth, Prediction, Predictions
from training.evals.report import evaluate, flatten
from training.evals.views import PhotoBoxes, Views

_LOG = logging.getLogger(__name__)

HEADLINE = "coco-wholebody-ap/wholebody/AP"
"""What the published recipe chooses its best checkpoint by."""

FIRST_PHOTOS: Final = 50
"""So many photos are asked first whether the headline can be measured."""


def make_evaluate(
    truth: GroundTruth,
    views: Views,
    *,
    spec: EstimatorSpec,
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
        spec: what the network expects and answers.
        metrics: see `training.evals.report.evaluate`.
        headline: the number that comes first; a higher one has to be better.
        flip: see `training.evals.predict.predict`.
        batch_size: the same.
        workers: the same.
        progress: the same.

    Returns:
        A function of the network, which returns every number that could be measured by `metric/part/score`.

    Raises:
        InvalidInput: there is nobody to look at or no picture of them, or the headline cannot be measured on this set.
    """
    require_pictures(truth, views)
    require_measurable(truth, views, metrics, headline)

    def run(network: nn.Module) -> Mapping[str, float]:
        ready = torch_network(cast("Exportable", network), "evaluation", spec)
        predictions = predict(ready, views, flip=flip, batch_size=batch_size, workers=workers, progress=progress)
        return headline_first(flatten(evaluate(truth, predictions, metrics)), headline)

    return run


def require_pictures(truth: GroundTruth, views: Views) -> None:
    """Find out before the first step whether there is anything to look at.

    Raises:
        InvalidInput: nobody, or no picture.
    """
    paths = [photo.path for photo in views.photos]
    if not paths:
        raise InvalidInput(f"nobody to look at in {truth.name}", field="validation data")
    if missing := [path for path in paths if not path.is_file()]:
        message = f"{len(missing)} of {len(paths)} pictures of {truth.name} are missing, the first is {missing[0]}"
        if len(missing) == len(paths):
            raise InvalidInput(message, field="validation data")
        _LOG.warning(message)


def require_measurable(truth: GroundTruth, views: Views, metrics: Sequence[str] | None, headline: str) -> None:
    """Find out before the first step whether the headline is a number, from the labels of a network that is right.

    Raises:
        InvalidInput: it is not.
        UnknownChoice: no metric is called like its beginning.
    """
    metric = headline.partition("/")[0]
    if metric not in EVALS:
        raise UnknownChoice("headline", metric, EVALS)
    for photos in (views.photos[:FIRST_PHOTOS], views.photos):  # a few will do, unless they lack what is asked for
        said = right_answers(truth, views.kind, photos)
        ids = {photo.photo_id for photo in photos}
        part = replace(
            truth,
            photos=tuple(photo for photo in truth.photos if photo.id in ids),
            people=tuple(person for person in truth.people if person.photo_id in ids),
        )
        numbers = flatten(evaluate(part, said, [name for name in metrics or EVALS if name == metric]))
        if numbers.get(headline) is not None:
            return
    headline_first(numbers, headline)


def right_answers(truth: GroundTruth, kind: BoxKind, photos: Sequence[PhotoBoxes]) -> Predictions:
    """What a network says that knows the labels, each point as surely as it is labelled."""
    keypoints = {(person.photo_id, person.id): person.keypoints for person in truth.people}
    people = [
        Prediction(photo.photo_id, number, box, box.area, keypoints[photo.photo_id, number])
        for photo in photos
        for number, box in zip(photo.ids, photo.boxes, strict=True)
        if (photo.photo_id, number) in keypoints
    ]
    return Predictions("labels", kind, tuple(people), truth.scheme)


def headline_first(numbers: Mapping[str, float | None], headline: str) -> dict[str, float]:
    """What could be measured, in order but for the headline.

    Raises:
        InvalidInput: the headline could not be measured.
    """
    measured = {name: value for name, value in numbers.items() if value is not None}
    if headline not in measured:
        raise InvalidInput(f"{headline} could not be measured on this set", field="headline", choices=measured)
    return {headline: measured[headline], **measured}
