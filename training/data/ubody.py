"""UBody: whole-body annotations of videos in fifteen scenes, one annotation file per scene.

Source: OSX (Lin et al., CVPR 2023). DWPose@0232d66 looks only at pictures whose id is a multiple of ten and divides
them by a list of the videos that are for testing. mmpose@759b39c1 has a converter that divides the files beforehand;
it too takes every tenth id. Both layouts are read here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pose_core.errors import InvalidInput, UnknownChoice
from training.data.coco_wholebody import read_people
from training.data.records import BadRecord, Loaded, Person, Picture, dataset_of, options_of
from training.recipe import Source

SCENES = (
    *("Magic_show", "Entertainment", "ConductMusic", "Online_class", "TalkShow", "Speech", "Fitness", "Interview"),
    *("Olympic", "TVShow", "Singing", "SignLanguage", "Movie", "LiveVlog", "VideoConference"),
)
"""In the order in which the published recipe lists them."""

OPTIONS: Final[Mapping[str, str | int | float]] = {
    "split": "train",
    "scenes": ",".join(SCENES),
    "layout": "raw",
    "test_videos": "",
    "interval": 10,
    "confidence_weights": 0,
}
"""Names of the options and their defaults."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """Which pictures are used.

    Attributes:
        split: train or val.
        interval: a picture is used whose id is a multiple of this.
        test_videos: names of the videos that are for `val`; None where the annotation files are divided already.
    """

    split: str
    interval: int
    test_videos: frozenset[str] | None

    def wants(self, picture: Picture) -> bool:
        """Whether a picture is one of them."""
        if picture.image_id % self.interval:
            return False
        return self.test_videos is None or (video_of(picture.file) in self.test_videos) == (self.split == "val")


def load_ubody(folder: Path, source: Source) -> Loaded:
    """The people of some or all scenes.

    Args:
        folder: the data folder.
        source: `annotations` is the folder that holds one folder per scene, `images` the one with the pictures.
            Options, with the defaults of `OPTIONS`:

            - `split`: `train` or `val`;
            - `scenes`: names between commas;
            - `layout`: `raw`, as downloaded and decoded, or `converted` by mmpose's tool;
            - `test_videos`: for `raw`, where the list `intra_scene_test_list.npy` is, below the data folder;
            - `interval`: a picture is used whose id is a multiple of it;
            - `confidence_weights`: see `training.data.coco_wholebody.keypoint_weights`.

    Raises:
        InvalidInput: an option or a file is not what it should be.
    """
    options = options_of(source, OPTIONS)
    layout = _choice("layout", options["layout"], ("raw", "converted"))
    selection = Selection(
        split=_choice("split", options["split"], ("train", "val")),
        interval=int(options["interval"]),
        test_videos=_test_videos(folder / str(options["test_videos"])) if layout == "raw" else None,
    )
    people: list[Person] = []
    bad: list[BadRecord] = []
    for name in str(options["scenes"]).split(","):
        scene = _choice("scenes", name.strip(), SCENES)
        document, images = _paths(folder / source.annotations, folder / source.images, scene, layout, selection.split)
        found = read_people(
            document, images, confidence_weights=bool(options["confidence_weights"]), keep=selection.wants
        )
        people += found[0]
        bad += found[1]
    return Loaded(dataset_of(f"ubody {selection.split}", people), tuple(bad))


def video_of(file: Path) -> str:
    """The name of the video a picture is from: its folder, without the mark of a part of a longer video."""
    return file.parent.name.split("_Trim")[0]


def _paths(annotations: Path, images: Path, scene: str, layout: str, split: str) -> tuple[Path, Path]:
    """A scene's annotation file, and the folder that its file names refer to."""
    if layout == "raw":
        return annotations / scene / "keypoint_annotation.json", images / scene
    return annotations / scene / f"{split}_annotations.json", images


def _choice(field: str, value: object, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise UnknownChoice(field, value, choices)
    return str(value)


def _test_videos(path: Path) -> frozenset[str]:
    try:
        names = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        message = f"the layout 'raw' needs intra_scene_test_list.npy; {path} cannot be read: {error}"
        raise InvalidInput(message, field="test_videos") from error
    return frozenset(str(name) for name in names)
