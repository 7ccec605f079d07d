"""The numbers that decide, for a whole set and for each of its sources: one row each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, NamedTuple

from training.evals.feet import evaluate_feet
from training.evals.hand_error import evaluate_hand_error
from training.evals.nme import evaluate_face_nme
from training.evals.oks import evaluate_oks
from training.evals.pck import evaluate_pck
from training.evals.records import GroundTruth, Predictions, Result, Score
from training.evals.sources import keep_sources, list_sources

EVERYTHING: Final = "all"


class Column(NamedTuple):
    """One number of a metric.

    Attributes:
        evaluate: the metric, with its options.
        part: see `training.evals.records.Score`.
        name: the same.
    """

    evaluate: Callable[[GroundTruth, Predictions], Result]
    part: str
    name: str


evaluate_all_hands = partial(evaluate_hand_error, labels="weighted")

COLUMNS: Final[Mapping[str, Column]] = {
    "OKS": Column(evaluate_oks, "body", "OKS"),
    "PCK@0.05": Column(evaluate_pck, "body", "PCK@0.05"),
    "PCK@0.1": Column(evaluate_pck, "body", "PCK@0.1"),
    "face NME": Column(evaluate_face_nme, "face", "mean"),
    "hands*": Column(evaluate_all_hands, "hand", "mean"),
    "hands* > 24 px": Column(evaluate_all_hands, "large-hand", "mean"),
    "right foot": Column(evaluate_feet, "foot", "right foot"),
    "feet* PCK@0.1": Column(evaluate_feet, "foot labelled", "PCK@0.1"),
}
"""Title -> number. A star marks those that count machine labels, too, by their probability; all others rest on human
labels alone."""

Headlines = Mapping[str, Score | None]
"""Title in `COLUMNS` -> number; None where nothing could be asked."""


def measure_headlines(truth: GroundTruth, predictions: Predictions) -> Headlines:
    """The numbers of `COLUMNS` on annotated boxes.

    Raises:
        InvalidInput: predictions on detected boxes.
    """
    results: dict[Callable[[GroundTruth, Predictions], Result], tuple[Score, ...]] = {}
    for column in COLUMNS.values():
        if column.evaluate not in results:
            results[column.evaluate] = column.evaluate(truth, predictions).scores()
    return {title: find_score(results[column.evaluate], column) for title, column in COLUMNS.items()}


def find_score(scores: tuple[Score, ...], column: Column) -> Score | None:
    """One number among many, None where it is missing or could not be measured."""
    found = (score for score in scores if (score.part, score.name) == (column.part, column.name))
    return next((score for score in found if score.value is not None), None)


@dataclass(frozen=True, slots=True)
class BySource:
    """The headlines of a set and of its sources.

    Attributes:
        rows: `all`, then each source of a mixed set -> its headlines.
        people: for each of these, how many persons it has, crowds left out.
    """

    counted: ClassVar[str] = "people"

    rows: Mapping[str, Headlines]
    people: Mapping[str, int]

    @property
    def notes(self) -> Mapping[str, int | str]:
        """What the stars mean."""
        return {"*": "counts machine labels, too, by their probability"}

    def scores(self) -> tuple[Score, ...]:
        """Every headline of each row but those that could not be measured anywhere."""
        titles = [title for title in COLUMNS if any(row[title] for row in self.rows.values())]
        return tuple(
            Score(source, title, value_of(row[title]), self.people[source])
            for source, row in self.rows.items()
            for title in titles
        )


def evaluate_by_source(truth: GroundTruth, predictions: Predictions) -> BySource:
    """The headlines of everybody as `all`, then those of each source of a mixed set, on annotated boxes.

    Raises:
        InvalidInput: predictions on detected boxes.
    """
    rows, people = {EVERYTHING: measure_headlines(truth, predictions)}, {EVERYTHING: count_people(truth)}
    for source in list_sources(truth):
        part, said = keep_sources(truth, predictions, (source,))
        rows[source], people[source] = measure_headlines(part, said), count_people(part)
    return BySource(rows, people)


def value_of(score: Score | None) -> float | None:
    """The number itself."""
    return None if score is None else score.value


def count_people(truth: GroundTruth) -> int:
    """How many persons a set has, crowds left out."""
    return sum(not person.crowd for person in truth.people)
