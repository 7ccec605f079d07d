"""Precision and recall of several detectors on the photos of the people pack that people labelled.

    python -m benchmarks.detectors FOLDER NETWORK... [--fold 0 --folds 3] [--plot FILE] [--json FILE]

`FOLDER` holds `detector_train.json` and `detector_val.json`. A network is a run or a checkpoint of `training`, or an
ONNX file or name that `pose_core.detectors` knows. `NAME=a,b,c` stands for one detector that was trained in folds: a
judges the photos of fold 0, b those of fold 1 and so on, each having seen none of them.

Sizes are those of photos 640 pixels wide or high. The curve of all photos together is drawn, and a table printed.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from matplotlib.figure import Figure

from pose_core.detectors import Detector, load_detector
from pose_core.errors import InvalidInput
from training.assemble import find_weights
from training.data import load_scenes
from training.data.scenes import LoadedScenes
from training.deployable import load_network
from training.evals.detection import Detection, Found, Truth, evaluate_detection
from training.evals.detectors import find_people, torch_detector
from training.recipes.skelmap_det import FOLDS, held_photos
from training.relabel import OPEN_SIZE
from training.tasks.detection import photos_of, truth_of

COLUMNS: Final = ("AP50", "P@R0.9", "score@R0.9", "P@0.3", "R@0.3")


def labelled_photos(folder: Path, fold: int, folds: int) -> LoadedScenes:
    """The photos of COCO without any label of a machine, of one fold."""
    return load_scenes(folder, [held_photos(fold, folds)])


def open_detector(name: str) -> Detector:
    """A run, a checkpoint, a file or a name.

    Raises:
        PoseError: there is no such detector.
    """
    if name.endswith(".safetensors") or Path(name).is_dir():
        network, description = load_network(find_weights(name, Path()))
        return torch_detector(network, description.input_size, description.recipe)
    return load_detector(name, "cpu", open_size=OPEN_SIZE)


def judge(detectors: Sequence[Detector], sets: Sequence[LoadedScenes]) -> Detection:
    """The curves of one detector, or of one per set, on all sets together."""
    truth: list[Truth] = []
    found: list[Found] = []
    for number, loaded in enumerate(sets):
        truth += truth_of(loaded)
        found += find_people(detectors[number % len(detectors)], photos_of(loaded), progress=True)
    return evaluate_detection(truth, found)


def detectors_of(argument: str, folds: int) -> tuple[str, list[Detector]]:
    """What one argument of the command line means: a name for the table, and one detector or one for each fold.

    Raises:
        InvalidInput: neither one network nor one for each fold.
    """
    name, _, names = argument.rpartition("=")
    detectors = [open_detector(each) for each in names.split(",")]
    if len(detectors) not in {1, folds}:
        raise InvalidInput(f"{argument}: {len(detectors)} networks for {folds} folds", field="network")
    return name or detectors[0].name, detectors


def table(results: Mapping[str, Detection]) -> str:
    """Rows of Markdown, one per detector and range of sizes."""
    lines = [f"| detector | people | count | {' | '.join(COLUMNS)} |", "|---|---|---:|" + "---:|" * len(COLUMNS)]
    for name, result in results.items():
        for part, curve in result.curves.items():
            values = {score.name: score.value for score in result.scores() if score.part == part}
            cells = " | ".join("-" if values[key] is None else f"{values[key]:.3f}" for key in COLUMNS)
            lines.append(f"| {name} | {part} | {curve.people} | {cells} |")
    return "\n".join(lines)


def plot(results: Mapping[str, Detection]) -> Figure:
    """One panel per range of sizes, one curve per detector; a dot where the score is 0.3."""
    parts = [*next(iter(results.values())).curves]
    figure = Figure(figsize=(5 * len(parts), 4.5), layout="constrained")
    for axes, part in zip(figure.subplots(1, len(parts)), parts, strict=True):
        for name, result in results.items():
            curve = result.curves[part]
            (line,) = axes.plot(
                curve.recall, curve.precision, label=f"{name}, AP50 {curve.average_precision() or 0:.3f}"
            )
            precision, recall = curve.at_score(0.3)
            axes.plot([recall], [precision], "o", color=line.get_color())
        axes.set(title=f"{part}: {curve.people} people", xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1))
        axes.grid(alpha=0.3)
        axes.legend(loc="lower left")
    return figure


def main() -> None:
    """Measure, print and draw."""
    options = _options()
    folds = range(options.folds) if options.fold is None else [options.fold]
    sets = [labelled_photos(options.folder, fold, options.folds) for fold in folds]
    print(f"{sum(len(loaded.scenes) for loaded in sets)} photos")
    named = [detectors_of(argument, len(sets)) for argument in options.networks]
    results = {name: judge(detectors, sets) for name, detectors in named}
    print(table(results))
    if options.plot:
        plot(results).savefig(options.plot, dpi=110)
    if options.json:
        scores = {name: numbers_of(result) for name, result in results.items()}
        options.json.write_text(json.dumps(scores, indent=2) + "\n")


def numbers_of(result: Detection) -> dict[str, float | None]:
    """Every number by `part/score`."""
    return {f"{score.part}/{score.name}": score.value for score in result.scores()}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the annotated photos")
    parser.add_argument("networks", nargs="+", metavar="NETWORK", help="[NAME=]RUN, file or name, or one for each fold")
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--fold", type=int, help="only the photos of this one")
    parser.add_argument("--plot", type=Path, help="draw the curves into this PNG or SVG file")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
