"""Contact sheets: each photo beside what networks see in it, all drawn alike, for looking at them one by one.

    python -m benchmarks.sheet OUT.jpg --people FOLDER [--count 24] [--sources coco lspet] --networks FILE...
    python -m benchmarks.sheet OUT.jpg --photos FILE_OR_FOLDER... --detector FILE --networks FILE...

The first takes annotated people (`FOLDER/val.json`, or `--annotations`), as many from each source, and writes the mean
OKS of the photo's people under each drawing. The second takes any photos and the boxes of a detector, or the whole
photo as one box. `--mediapipe VENV/bin/python` adds MediaPipe, which gets the same boxes as crops (`--look`). Networks
are those of `benchmarks.peers`; points show from each network's own threshold on, or from `--threshold`.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from benchmarks.peer_networks import ask_mediapipe, load_network
from benchmarks.peers import ask
from pose_core.detectors import WHOLE_IMAGE, load_detector
from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.geometry import photo_on_canvas, place
from pose_core.openpose import DEFAULT_THRESHOLD, openpose_people, place_people
from pose_core.renderers import render_overlay
from pose_core.styles import STYLES
from pose_core.timing import Timer
from pose_core.types import Image, Size
from training.evals.ground_truth import read_ground_truth
from training.evals.oks import EVERYBODY, evaluate_oks
from training.evals.predict import read_photo
from training.evals.records import Floats, GroundTruth, Predictions
from training.evals.sources import sources_by_photo
from training.evals.views import PhotoBoxes, Views, annotated_boxes

PICTURES: Final = (".jpg", ".jpeg", ".png", ".webp")
CAPTION_PX: Final = 18
BORDER_PX: Final = 4
JPEG_QUALITY: Final = 92


@dataclass(frozen=True, slots=True)
class Column:
    """What one network says about all photos.

    Attributes:
        predictions: in photo pixels.
        threshold: score from which a point is drawn.
        captions: photo id -> text below the drawing, before the network's name.
    """

    predictions: Predictions
    threshold: float
    captions: Mapping[int, str]


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("--people", type=Path, help="folder of annotated people")
    parser.add_argument("--annotations", default="val.json", help="file in that folder")
    parser.add_argument("--sources", nargs="+", help="folders of photos to choose from. Default: all")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0, help="chooses other photos")
    parser.add_argument("--photos", nargs="+", type=Path, help="files or folders instead")
    parser.add_argument("--detector", default=WHOLE_IMAGE, help="finds people in them")
    parser.add_argument("--networks", nargs="*", default=[])
    parser.add_argument("--mediapipe", type=Path, help="a Python that has mediapipe")
    parser.add_argument("--look", default="1.5", help="what MediaPipe is shown: photo, or a padding of boxes")
    parser.add_argument("--threshold", type=float, help="score from which points show. Default: each network's own")
    parser.add_argument("--cell", type=int, default=256, help="side of a picture in pixels")
    parser.add_argument("--across", type=int, default=2, help="photos side by side, each with its drawings")
    options = parser.parse_args()
    truth, views = choose(options)
    columns = [make_column(options, said, threshold, truth) for said, threshold in ask_all(options, views)]
    sheet = draw_sheet(views.photos, columns, options.cell, options.across)
    if not cv2.imwrite(str(options.output), sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
        raise InvalidInput(f"{options.output} cannot be written", field="output")


def choose(options: argparse.Namespace) -> tuple[GroundTruth | None, Views]:
    """The photos and boxes that the command line asks for."""
    if options.people is None:
        return None, detect_people(options.photos or [], options.detector)
    truth = read_ground_truth(options.people / options.annotations)
    views = annotated_boxes(truth, options.people)
    return truth, choose_photos(truth, views, options.count, options.seed, options.sources)


def choose_photos(truth: GroundTruth, views: Views, count: int, seed: int, sources: Sequence[str] | None) -> Views:
    """Photos at random, in turn from each source so that small ones show, too.

    Raises:
        UnknownChoice: a source without photos.
    """
    by_photo, groups = sources_by_photo(truth), defaultdict[str, list[PhotoBoxes]](list)
    order = np.random.default_rng(seed).permutation(len(views.photos))
    for photo in (views.photos[index] for index in order):
        groups[by_photo[photo.photo_id]].append(photo)
    for name in sources or ():
        if name not in groups:
            raise UnknownChoice("sources", name, sorted(groups))
    chosen = [groups[name] for name in sources or sorted(groups)]
    in_turn = (photo for photo in chain.from_iterable(zip_longest(*chosen)) if photo is not None)
    return replace(views, photos=tuple(islice(in_turn, count)))


def detect_people(paths: Iterable[Path], detector: str) -> Views:
    """The boxes of a detector; photos in which it finds nobody are left out of the networks' work, not of the sheet.

    Raises:
        InvalidInput: a file that is no readable photo, or no file at all.
    """
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix.lower() in PICTURES]
    if not files:
        raise InvalidInput("no pictures", field="photos")
    network = load_detector(detector, "cpu")
    photos, number = [], 0
    for index, file in enumerate(files):
        boxes = tuple(network.detect(load(PhotoBoxes(index, file, (), ())), network.threshold, Timer()))
        photos.append(PhotoBoxes(index, file, tuple(range(number, number + len(boxes))), boxes))
        number += len(boxes)
    return Views("detected", tuple(photos))


def load(photo: PhotoBoxes) -> Image:
    """A photo.

    Raises:
        InvalidInput: it cannot be read.
    """
    image = read_photo(photo)
    if image is None:
        raise InvalidInput(f"{photo.path} is no readable photo", field="photos")
    return image


def ask_all(options: argparse.Namespace, views: Views) -> list[tuple[Predictions, float]]:
    """What everybody says, and the score from which it is shown."""
    seen = replace(views, photos=tuple(photo for photo in views.photos if photo.boxes))
    networks = [load_network(name, options.people or Path(), 1) for name in options.networks]
    said = [(ask(network, seen, flip=False), network.spec.threshold) for network in networks]
    if options.mediapipe:
        answers = ask_mediapipe(options.mediapipe, seen, [options.look])
        said += [(answer, DEFAULT_THRESHOLD) for answer in answers.values()]
    return said


def make_column(
    options: argparse.Namespace, predictions: Predictions, threshold: float, truth: GroundTruth | None
) -> Column:
    """A column with the OKS of each photo, as far as people are annotated."""
    captions = {} if truth is None else caption_oks(truth, predictions)
    return Column(predictions, threshold if options.threshold is None else options.threshold, captions)


def caption_oks(truth: GroundTruth, predictions: Predictions) -> dict[int, str]:
    """Photo id -> mean OKS of its people, where points are labelled."""
    captions = {}
    for photo in {one.photo_id for one in predictions.people}:
        people = tuple(person for person in truth.people if person.photo_id == photo)
        oks = evaluate_oks(replace(truth, people=people), predictions).parts[EVERYBODY]
        captions[photo] = "" if oks is None else f"OKS {oks:.2f}  "
    return captions


def draw_sheet(photos: Sequence[PhotoBoxes], columns: Sequence[Column], cell_px: int, across: int) -> Image:
    """All photos, `across` side by side, each followed by its drawings."""
    rows = [draw_row(photo, columns, cell_px) for photo in photos]
    rows += [np.zeros_like(rows[0])] * (-len(rows) % across)
    lines = [np.concatenate(rows[start : start + across], axis=1) for start in range(0, len(rows), across)]
    return np.concatenate(lines)


def draw_row(photo: PhotoBoxes, columns: Sequence[Column], cell_px: int) -> Image:
    """A photo and its drawings."""
    image, size = load(photo), Size(cell_px, cell_px)
    placement = place(Size.of(image), size, "contain")
    canvas = photo_on_canvas(image, placement, size)
    cells = [frame(canvas, f"{photo.path.parent.name}/{photo.path.stem}")]
    for column in columns:
        scene = place_people(openpose_people(points_of(column.predictions, photo)), placement, size)
        drawn = render_overlay(STYLES["dwpose"](scene, column.threshold), canvas)
        cells.append(frame(drawn, f"{column.captions.get(photo.photo_id, '')}{column.predictions.network}"))
    return np.concatenate(cells, axis=1)


def points_of(predictions: Predictions, photo: PhotoBoxes) -> Floats:
    """Keypoints (people, 133, 3) of one photo; points that were not answered (NaN) have score 0."""
    people = [one.keypoints for one in predictions.people if one.photo_id == photo.photo_id]
    return np.nan_to_num(np.array(people).reshape(-1, 133, 3))


def frame(picture: Image, caption: str) -> Image:
    """A picture with a border and a line of text below."""
    border = (0, BORDER_PX + CAPTION_PX, 0, BORDER_PX)
    framed = cv2.copyMakeBorder(picture, *border, cv2.BORDER_CONSTANT, value=(0, 0, 0)).astype(np.uint8)
    at = (2, picture.shape[0] + CAPTION_PX - 5)
    cv2.putText(framed, caption, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return framed


if __name__ == "__main__":
    main()
