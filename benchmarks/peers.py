"""Whole-body networks side by side: everybody sees the same people in the same boxes.

    python -m benchmarks.peers FOLDER NETWORK... [--mediapipe VENV/bin/python] [--sources coco lspet] [--json FILE]

`FOLDER` holds people in the layout of COCO-WholeBody: `val.json` (or `--annotations`) and the pictures it names.
A network is an ONNX file, a run, a checkpoint or the `.tflite` file of MoveNet; see `benchmarks.peer_networks` for
what the latter and MediaPipe need. MediaPipe is shown the whole photo and crops of several sizes, a line each. A
person, face or hand that it does not find counts as missed in OKS, PCK and feet, and is left out of the errors of faces
and hands, whose numbers stand in brackets.

Without `--flip` nobody sees a mirrored crop, as in the service. Stars mark numbers that count machine labels, too, by
their probability; those of hands and feet in our data were made with MediaPipe's own models, which favours it.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.peer_networks import CONFIDENCE, LOOKS, ask_mediapipe, load_network
from pose_core.codecs import Regression
from training.evals.by_source import COLUMNS, EVERYTHING, Headlines, evaluate_by_source
from training.evals.ground_truth import read_ground_truth
from training.evals.networks import EvalNetwork
from training.evals.predict import predict
from training.evals.records import GroundTruth, Predictions, Score
from training.evals.report import result_to_json
from training.evals.score_curve import ScoreCurve, evaluate_score_curve
from training.evals.views import Views, annotated_boxes

SOURCES: Final = ("coco", "lspet")
"""Sources with human labels of whole bodies."""

BY_SOURCE: Final = ("OKS", "PCK@0.1")
FINE: Final = ("PCK@0.05", "hands*")
"""Numbers that are in the JSON only."""

COUNTED: Final = ("face NME", "hands* > 24 px")


@dataclass(frozen=True, slots=True)
class Measured:
    """Numbers of one network.

    Attributes:
        name: of the network.
        rows: source, or `all` -> see `training.evals.by_source`.
        curve: how well its scores tell what is there.
    """

    name: str
    rows: Mapping[str, Headlines]
    curve: ScoreCurve


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("networks", nargs="*")
    parser.add_argument("--annotations", default="val.json", help="file in the folder")
    parser.add_argument("--mediapipe", type=Path, help="a Python that has mediapipe")
    parser.add_argument(
        "--looks", nargs="+", default=LOOKS, help="what MediaPipe is shown: photo, or paddings of boxes"
    )
    parser.add_argument("--confidence", type=float, default=CONFIDENCE, help="from which MediaPipe says anything")
    parser.add_argument("--sources", nargs="+", default=SOURCES, help="columns of their own")
    parser.add_argument("--flip", action="store_true", help="look at mirrored crops, too, where a network can")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="keep every number")
    options = parser.parse_args()
    truth = read_ground_truth(options.folder / options.annotations)
    views = annotated_boxes(truth, options.folder)
    networks = [load_network(name, options.folder, options.threads) for name in options.networks]
    measured = [measure(truth, ask(network, views, flip=options.flip)) for network in networks]
    if options.mediapipe:
        said = ask_mediapipe(options.mediapipe, views, options.looks, options.confidence)
        measured += [measure(truth, predictions) for predictions in said.values()]
    print("\n".join(table(measured, options.sources)))
    if options.json:
        options.json.write_text(json.dumps([to_json(one) for one in measured], indent=1) + "\n")


def ask(network: EvalNetwork, views: Views, *, flip: bool) -> Predictions:
    """What a network says; a regression cannot be averaged with its mirror image."""
    return predict(
        network, views, flip=flip and not isinstance(network.spec.codec, Regression), workers=1, progress=False
    )


def measure(truth: GroundTruth, predictions: Predictions) -> Measured:
    """All numbers of one network."""
    curve = evaluate_score_curve(truth, predictions)
    return Measured(predictions.network, evaluate_by_source(truth, predictions).rows, curve)


def table(measured: Sequence[Measured], sources: Sequence[str]) -> Iterator[str]:
    """A Markdown table, a line for each network; columns about which nobody says anything are left out."""
    columns = [
        (source, title) for source, title in list_columns(sources) if any(find(one, source, title) for one in measured)
    ]
    titles = [title if source == EVERYTHING else f"{title} {source}" for source, title in columns]
    yield f"| network | {' | '.join(titles)} | best threshold, F1@0.1 |"
    yield "|---|" + "---:|" * (len(columns) + 1)
    for one in measured:
        cells = [format_cell(find(one, source, title), counted=title in COUNTED) for source, title in columns]
        yield f"| {one.name} | {' | '.join(cells)} | {format_threshold(one.curve)} |"


def list_columns(sources: Sequence[str]) -> list[tuple[str, str]]:
    """Source and title of each column: what is split by source stands together."""
    split = [(source, title) for title in BY_SOURCE for source in (EVERYTHING, *sources)]
    return [*split, *((EVERYTHING, title) for title in COLUMNS if title not in (*BY_SOURCE, *FINE))]


def find(measured: Measured, source: str, title: str) -> Score | None:
    """One number; None where it could not be measured."""
    return measured.rows.get(source, {}).get(title)


def format_cell(score: Score | None, *, counted: bool) -> str:
    """Three digits, and how many faces or hands they rest on."""
    if score is None or score.value is None:
        return "-"
    return f"{score.value:.3f} ({score.count})" if counted else f"{score.value:.3f}"


def format_threshold(curve: ScoreCurve) -> str:
    """The threshold with the best F1 where a shown point has to be in the right place, and that F1."""
    best = {score.name: score.value for score in curve.scores() if score.part == "all best@0.1"}
    threshold, f1 = best.get("threshold"), best.get("F1@0.1")
    return "-" if threshold is None or f1 is None else f"{threshold:.2f}, {f1:.3f}"


def to_json(measured: Measured) -> dict[str, Any]:
    """Every number of a network; null for what could not be measured."""
    return {
        "network": measured.name,
        "sources": {
            source: {title: score and {"value": score.value, "count": score.count} for title, score in row.items()}
            for source, row in measured.rows.items()
        },
        "score-curve": result_to_json(measured.curve),
    }


if __name__ == "__main__":
    main()
