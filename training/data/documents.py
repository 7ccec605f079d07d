"""JSON documents in COCO's layout, before anybody looks at the people in them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from training.data.records import BadRecord, Picture
from training.documents import BadAnnotation, Record, lists_of, load_json, picture_fields, picture_number, whole_number


def find_document(name: str, folder: Path) -> Path:
    """An annotation file from where we are, as those that we write are, or, if there is none, below the data folder."""
    return Path(name) if Path(name).is_file() else folder / name


def read_document(path: Path) -> tuple[list[Record], list[Record]]:
    """The lists `images` and `annotations` of a COCO document.

    Raises:
        InvalidInput: there is no such file, or it is not such a document.
    """
    return lists_of(load_json(path), path)


def read_pictures(
    records: Sequence[Record], document: Path, folder: Path, keep: Callable[[Picture], bool]
) -> tuple[dict[int, Picture | None], list[BadRecord]]:
    """Pictures by id; None for those that `keep` does not want.

    Args:
        records: the list `images`.
        document: where it is from.
        folder: what its file names refer to.
        keep: says whether a picture is wanted.
    """
    pictures: dict[int, Picture | None] = {}
    bad = []
    for record in records:
        try:
            number, name, size = picture_fields(record)
        except BadAnnotation as error:
            bad.append(BadRecord(document, None, str(error)))
        else:
            picture = Picture(number, folder / name, size)
            pictures[number] = picture if keep(picture) else None
    return pictures, bad


def picture_of(record: Record, pictures: Mapping[int, Picture | None]) -> Picture | None:
    """The picture of an annotation; None for one that is not wanted.

    Raises:
        BadAnnotation: no such picture is listed, or the annotation is no JSON object.
    """
    return pictures[picture_number(record, pictures)]


def in_picture_order(records: Sequence[Record], pictures: Mapping[int, Picture | None]) -> list[Record]:
    """Annotations in the order in which their pictures are listed, those of unknown pictures last."""
    position = {number: place for place, number in enumerate(pictures)}

    def place(record: Record) -> int:
        number = whole_number(record, "image_id")
        return len(position) if number is None else position.get(number, len(position))

    return sorted(records, key=place)
