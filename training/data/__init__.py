"""Annotated people, by the kind of their annotations. A new kind is a file here and a line in `DATASETS`.

Whole pictures with boxes, for detectors, are in `SCENES`.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pose_core.errors import InvalidInput, UnknownChoice
from training.data.coco_boxes import load_coco_boxes
from training.data.coco_wholebody import load_coco_wholebody
from training.data.lsp import load_lsp
from training.data.mpii import load_mpii
from training.data.mpii_json import load_mpii_json
from training.data.records import BadRecord, Loaded, concatenate
from training.data.scenes import LoadedScenes, joined, scenes_of
from training.data.synthetic import load_synthetic
from training.data.ubody import load_ubody
from training.recipe import Source

logger = logging.getLogger(__name__)

DATASETS: dict[str, Callable[[Path, Source], Loaded]] = {
    "coco_wholebody": load_coco_wholebody,
    "lsp": load_lsp,
    "mpii": load_mpii,
    "mpii_json": load_mpii_json,
    "synthetic": load_synthetic,
    "ubody": load_ubody,
}
"""Name -> a function of the data folder and the source; options are those of the function behind the name."""

SCENES: dict[str, Callable[[Path, Source], LoadedScenes]] = {
    "coco_boxes": load_coco_boxes,
    "synthetic": lambda folder, source: scenes_of(load_synthetic(folder, source)),
}
"""The same for detectors."""

LOGGED: Final = 20
"""So many mistakes are named in the log; all are returned."""


def load_sources(folder: Path, sources: Sequence[Source], scheme: str | None = None) -> Loaded:
    """The people of several sources, one after the other, as a training set is put together.

    Mistakes are logged, with their number, and returned.

    Args:
        folder: of the data.
        sources: at least one.
        scheme: the points that are wanted, a key of `pose_core.schemes.SCHEMES`; None for those that the sources have.

    Raises:
        InvalidInput: there is no source, or one is not what it should be.
    """
    for source in sources:
        if source.dataset not in DATASETS:
            raise UnknownChoice("dataset", source.dataset, DATASETS)
    loaded = [DATASETS[source.dataset](folder, source) for source in sources]
    datasets = [one.dataset for one in loaded]
    dataset = concatenate(datasets if scheme is None else [one.in_scheme(scheme) for one in datasets])
    bad = tuple(record for one in loaded for record in one.bad)
    log_bad(dataset.name, bad)
    return Loaded(dataset, bad)


def load_scenes(folder: Path, sources: Sequence[Source]) -> LoadedScenes:
    """The pictures of several sources, one after the other; otherwise like `load_sources`.

    Raises:
        InvalidInput: there is no source, or one is not what it should be.
    """
    if not sources:
        raise InvalidInput("at least one data set is needed", field="sources")
    for source in sources:
        if source.dataset not in SCENES:
            raise UnknownChoice("dataset", source.dataset, SCENES)
    loaded = joined([SCENES[source.dataset](folder, source) for source in sources])
    log_bad(loaded.name, loaded.bad)
    return loaded


def log_bad(name: str, bad: Sequence[BadRecord]) -> None:
    """Say how many mistakes there are, and which the first ones are."""
    for record in bad[:LOGGED]:
        logger.warning("%s", record)
    if bad:
        logger.warning("%s: %d mistakes in the annotations, the first %d above", name, len(bad), len(bad[:LOGGED]))
