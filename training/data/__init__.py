"""Annotated people, by the kind of their annotations. A new kind is a file here and a line in `DATASETS`."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from pose_core.errors import UnknownChoice
from training.data.coco_wholebody import load_coco_wholebody
from training.data.records import BadRecord, Loaded, concatenate
from training.data.synthetic import load_synthetic
from training.data.ubody import load_ubody
from training.recipe import Source

logger = logging.getLogger(__name__)

DATASETS: dict[str, Callable[[Path, Source], Loaded]] = {
    "coco_wholebody": load_coco_wholebody,
    "synthetic": load_synthetic,
    "ubody": load_ubody,
}
"""Name -> a function of the data folder and the source; options are those of the function behind the name."""

LOGGED: Final = 20
"""So many mistakes are named in the log; all are returned."""


def load_sources(folder: Path, sources: Sequence[Source]) -> Loaded:
    """The people of several sources, one after the other, as a training set is put together.

    Mistakes are logged, with their number, and returned.

    Raises:
        InvalidInput: there is no source, or one is not what it should be.
    """
    for source in sources:
        if source.dataset not in DATASETS:
            raise UnknownChoice("dataset", source.dataset, DATASETS)
    loaded = [DATASETS[source.dataset](folder, source) for source in sources]
    dataset = concatenate([one.dataset for one in loaded])
    bad = tuple(record for one in loaded for record in one.bad)
    log_bad(dataset.name, bad)
    return Loaded(dataset, bad)


def log_bad(name: str, bad: Sequence[BadRecord]) -> None:
    """Say how many mistakes there are, and which the first ones are."""
    for record in bad[:LOGGED]:
        logger.warning("%s", record)
    if bad:
        logger.warning("%s: %d mistakes in the annotations, the first %d above", name, len(bad), len(bad[:LOGGED]))
