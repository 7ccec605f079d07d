"""Where the people of a mixed set come from, to measure each source by itself.

A source is the folder that a photo lies in: `coco` for `images/coco/000000000139.jpg`. Photos that are named without a
folder have no source, and so has a set whose photos all lie in one.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePath

from pose_core.errors import UnknownChoice
from training.evals.records import GroundTruth, Photo, Predictions


def source_of(photo: Photo) -> str:
    """Name of the folder that a photo lies in; empty without one."""
    return PurePath(photo.file_name).parent.name


def sources_by_photo(truth: GroundTruth) -> Mapping[int, str]:
    """Photo id -> source."""
    return {photo.id: source_of(photo) for photo in truth.photos}


def list_sources(truth: GroundTruth) -> tuple[str, ...]:
    """The sources of a set with people, by name; none if there are not at least two."""
    by_photo = sources_by_photo(truth)
    found = sorted({by_photo[person.photo_id] for person in truth.people})
    return tuple(found) if len(found) > 1 else ()


def keep_sources(
    truth: GroundTruth, predictions: Predictions, sources: tuple[str, ...]
) -> tuple[GroundTruth, Predictions]:
    """The part of a set that comes from some sources, and what was predicted for it.

    Raises:
        UnknownChoice: a source that the set does not have.
    """
    by_photo = sources_by_photo(truth)
    for source in sources:
        if source not in by_photo.values():
            raise UnknownChoice("sources", source, sorted(set(by_photo.values())))
    kept = {photo_id for photo_id, source in by_photo.items() if source in sources}
    return (
        replace(
            truth,
            name=f"{truth.name}, {' and '.join(sources)}",
            photos=tuple(photo for photo in truth.photos if photo.id in kept),
            people=tuple(person for person in truth.people if person.photo_id in kept),
        ),
        replace(predictions, people=tuple(one for one in predictions.people if one.photo_id in kept)),
    )
