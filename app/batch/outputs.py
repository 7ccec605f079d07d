"""How the results of a shard are written: as files in a tar, and as a table.

Equal answers give equal bytes: a shard that is done twice, because nobody knew that it was finished, replaces itself.
That is why the format `json`, which tells how long things took, is not among them.
"""

import io
import tarfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Protocol

from app.answer import Answer
from app.batch.photos import Photo
from app.formats import FORMATS
from pose_core.errors import InvalidInput, UnknownChoice
from pose_core.skeleton import KEYPOINT_COUNT

PARQUET: Final = "parquet"
FILES: Final = tuple(name for name in FORMATS if name != "json")
OUTPUTS: Final = (*FILES, PARQUET)
ROW_GROUP: Final = 256
"""Photos that a table holds in memory before they are written."""


class Writer(Protocol):
    """Takes the answers of a shard, one after the other."""

    def add(self, photo: Photo, answer: Answer) -> None:
        """Write the results of one photo, all or none."""

    def close(self) -> None:
        """Write what comes last."""


class TarWriter:
    """A tar as WebDataset reads it: for every photo one file per format, named by its key."""

    def __init__(self, path: Path, formats: Sequence[str]) -> None:
        self._formats = formats
        self._tar = tarfile.open(path, "w")  # noqa: SIM115 - closed by close()

    def add(self, photo: Photo, answer: Answer) -> None:
        """One file per format."""
        formats = [FORMATS[name] for name in self._formats]
        for name, content in [(f"{photo.key}.{form.extension}", form.write(answer)) for form in formats]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            self._tar.addfile(member, io.BytesIO(content))

    def close(self) -> None:
        """Write the end of the archive."""
        self._tar.close()


class ParquetWriter:
    """A table with a row per photo.

    Columns: `key`, `photo` (its name), `width`, `height` of the upright photo in pixels, `boxes` (a list of left, top,
    right, bottom, score), `keypoints` (a list of 133 x (x, y, score), one after the other), in photo pixels.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa  # noqa: PLC0415 - of an extra
        from pyarrow import parquet  # noqa: PLC0415

        self._schema = pa.schema(
            [
                ("key", pa.string()),
                ("photo", pa.string()),
                ("width", pa.int32()),
                ("height", pa.int32()),
                ("boxes", pa.list_(pa.list_(pa.float64(), 5))),
                ("keypoints", pa.list_(pa.list_(pa.float32(), 3 * KEYPOINT_COUNT))),
            ]
        )
        self._file = parquet.ParquetWriter(path, self._schema)
        self._table_of = pa.Table.from_pylist
        self._rows: list[dict[str, object]] = []

    def add(self, photo: Photo, answer: Answer) -> None:
        """One row."""
        boxes = [pose.box for pose in answer.poses]
        self._rows.append(
            {
                "key": photo.key,
                "photo": photo.name,
                "width": answer.photo_size.width,
                "height": answer.photo_size.height,
                "boxes": [[box.left, box.top, box.right, box.bottom, box.score] for box in boxes],
                "keypoints": [pose.keypoints.ravel() for pose in answer.poses],
            }
        )
        if len(self._rows) == ROW_GROUP:
            self._flush()

    def close(self) -> None:
        """Write the remaining rows and the index."""
        if self._rows:
            self._flush()
        self._file.close()

    def _flush(self) -> None:
        self._file.write_table(self._table_of(self._rows, schema=self._schema))
        self._rows = []


def files_of(outputs: Sequence[str]) -> dict[str, Callable[[Path], Writer]]:
    """What opens each file of a shard, by its extension."""
    formats = [name for name in outputs if name != PARQUET]
    tar = {"tar": lambda path: TarWriter(path, formats)} if formats else {}
    table = {PARQUET: ParquetWriter} if PARQUET in outputs else {}
    return {**tar, **table}


def check_outputs(given: str) -> tuple[str, ...]:
    """The names in a list with commas, in the order of OUTPUTS.

    Raises:
        UnknownChoice: another name.
        InvalidInput: none, or what writes it is not installed.
    """
    names = {name.strip() for name in given.split(",") if name.strip()}
    for name in sorted(names - set(OUTPUTS)):
        raise UnknownChoice("--output", name, OUTPUTS)
    if not names:
        raise InvalidInput("names nothing to write", field="--output", choices=OUTPUTS)
    if PARQUET in names and find_spec("pyarrow") is None:
        raise InvalidInput("parquet needs pyarrow: install skelmap[parquet]", field="--output")
    return tuple(name for name in OUTPUTS if name in names)
