"""How the file of a known name gets here, and whether it is the right one.

Trust: the table holds a sha256 where at least two independent public repositories pin the same one. Elsewhere the
first download is trusted: its sha256 is written down, and every later file has to match it.

What lies in the cache folder for a row whose `file_name` is F:

    F              the ONNX file; it only ever appears complete and verified
    F.sha256       sha256 of the first download, readable by `sha256sum -c`; only where the table has none
    F.part         what has arrived so far (of the zip, where it comes as one)
    F.part.etag    see `download`
    F.lock         held by the process that pulls
"""

import fcntl
import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pose_core.download import Job, download, flush, forget, is_http, sync, write_whole
from pose_core.errors import DownloadFailed, UnknownChoice, WeightsCorrupt
from pose_core.weights import HUB, WEIGHTS, Weights, cache_folder, places, resolve


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What `verify` read from the disk, and which sha256 that was compared with."""

    name: str
    path: Path
    size_bytes: int
    sha256: str
    compared_with: Literal["table", "first download", "nothing"]


def verify(name: str, cache: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Verified:
    """Read the whole file of a known name and compare size and sha256; nothing is deleted.

    Raises:
        UnknownChoice: not a known name.
        WeightsMissing: never pulled, or an incomplete package.
        WeightsCorrupt: the file is not the expected one; `pull` replaces it, unless it is part of the package.
    """
    row = _row(name)
    return _check(row, resolve(name, cache, environ=environ), _record_of(row, cache or cache_folder(environ)))


def pull(
    name: str,
    cache: Path | None = None,
    *,
    progress: bool = True,
    timeout_s: float = 30.0,
    attempts: int = 5,
    pause_s: float = 1.0,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """Bring the file of a known name here, or find that it already is, and verify it either way.

    A damaged file in the cache folder is downloaded again; a damaged one in the hub's cache is left to its owner.
    What an interrupted download left behind is continued. Several processes may pull the same name: one works, the
    others wait for it.

    Args:
        name: a key of `WEIGHTS`.
        cache: the folder to put it in; `cache_folder(environ)` if not given.
        progress: show a bar on stderr.
        timeout_s: how long a silent server is waited for.
        attempts: connections made before giving up; only lost connections and servers in trouble are tried again.
        pause_s: wait before the second attempt; doubles for every further one.
        environ: honours SKELMAP_HOME, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT and HF_HUB_OFFLINE.

    Raises:
        UnknownChoice: not a known name.
        DownloadFailed: forbidden by HF_HUB_OFFLINE, refused by the server, or no connection, or no room on the disk.
        WeightsCorrupt: something else was delivered than expected, and is deleted; or a file of the package is damaged.
    """
    row, folder = _row(name), cache or cache_folder(environ)
    try:
        if (present := _verified_place(row, folder, environ)) is not None:
            return present
        _refuse_embedded(row)
        _refuse_offline(row, environ)
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder / f"{row.file_name}.lock"):
            if (present := _verified_place(row, folder, environ)) is not None:
                return present
            part = folder / f"{row.file_name}.part"
            size_bytes = None if row.is_archive else row.size_bytes
            download(
                Job(name, _address(row, environ), part, size_bytes, progress, timeout_s),
                attempts=attempts,
                pause_s=pause_s,
            )
            return _accept(row, part)
    except OSError as error:
        raise DownloadFailed(f"{name}: cannot use {folder}: {error}") from error


def _row(name: str) -> Weights:
    if name not in WEIGHTS:
        raise UnknownChoice("model", name, WEIGHTS)
    return WEIGHTS[name]


def _verified_place(row: Weights, folder: Path, environ: Mapping[str, str]) -> Path | None:
    """The first place with an undamaged file."""
    for place in places(row, folder, environ):
        if place.is_file():
            with suppress(WeightsCorrupt):
                return _check(row, place, _record_of(row, folder)).path
    return None


def _record_of(row: Weights, folder: Path) -> Path:
    return folder / f"{row.file_name}.sha256"


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """Wait until nobody else, process or thread, holds the lock; a process that dies lets go of it."""
    with lock.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _refuse_embedded(row: Weights) -> None:
    if row.is_embedded:
        raise WeightsCorrupt(
            f"{row.name} is part of the package, whose file of it is missing or damaged: install skelmap again"
        )


def _refuse_offline(row: Weights, environ: Mapping[str, str]) -> None:
    value = environ.get("HF_HUB_OFFLINE", "")
    if value.lower() in {"1", "true", "yes", "on"}:
        raise DownloadFailed(f"{row.name}: HF_HUB_OFFLINE={value} forbids downloads, and there is no intact file here")


def _address(row: Weights, environ: Mapping[str, str]) -> str:
    """The row's address, on the mirror of the hub that HF_ENDPOINT names."""
    endpoint = environ.get("HF_ENDPOINT", "").rstrip("/")
    url = f"{endpoint}/{row.url.removeprefix(HUB)}" if endpoint and row.url.startswith(HUB) else row.url
    if not is_http(url):
        raise DownloadFailed(f"{row.name}: {url} is neither http nor https")
    return url


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(row: Weights, path: Path, record: Path) -> Verified:
    size = path.stat().st_size
    if row.size_bytes not in {None, size}:
        raise WeightsCorrupt(f"{row.name}: {path} has {size} bytes, expected {row.size_bytes}")
    recorded = record.read_text(errors="replace").partition(" ")[0] if row.sha256 is None and record.is_file() else None
    expected, actual = row.sha256 or recorded, _sha256(path)
    if expected not in {None, actual}:
        since = f" (that of the first download, {record})" if row.sha256 is None else ""
        raise WeightsCorrupt(f"{row.name}: {path} has sha256 {actual}, expected {expected}{since}")
    compared_with: Literal["table", "first download", "nothing"] = "nothing"
    if expected is not None:
        compared_with = "first download" if row.sha256 is None else "table"
    return Verified(name=row.name, path=path, size_bytes=size, sha256=actual, compared_with=compared_with)


def _accept(row: Weights, part: Path) -> Path:
    """Turn a complete download into the file of the row; whatever else it left behind is deleted."""
    target, record, fresh = part.with_suffix(""), _record_of(row, part.parent), part
    try:
        if row.is_archive:
            fresh = part.with_suffix(".unpacked")
            _unpack(row, part, fresh)
        verified = _check(row, fresh, record)
        if verified.compared_with == "nothing":
            write_whole(record, f"{verified.sha256}  {row.file_name}\n")
        fresh.replace(target)
        sync(target.parent)
    except WeightsCorrupt as error:
        raise WeightsCorrupt(f"{error}; it came from {row.url} and was deleted") from error
    finally:
        fresh.unlink(missing_ok=True)
        forget(part)
    return target


def _unpack(row: Weights, archive: Path, target: Path) -> None:
    """Copy the one ONNX file out of a zip; nothing else of it reaches the disk."""
    if row.archive_sha256 not in {None, actual := _sha256(archive)}:
        raise WeightsCorrupt(f"{row.name}: {archive} has sha256 {actual}, expected {row.archive_sha256}")
    try:
        with ZipFile(archive) as zipped, zipped.open(_onnx_member(row, zipped)) as member, target.open("wb") as file:
            shutil.copyfileobj(member, file, 1 << 20)
            flush(file)
    except (BadZipFile, EOFError, RuntimeError, ValueError, zlib.error) as error:  # RuntimeError: it is encrypted
        raise WeightsCorrupt(f"{row.name}: {archive} is not a usable zip: {error}") from error


def _onnx_member(row: Weights, zipped: ZipFile) -> ZipInfo:
    members = zipped.infolist()
    for member in members:
        path = PureWindowsPath(member.filename)  # knows both kinds of separators, and drives
        if path.anchor or ".." in path.parts:
            raise WeightsCorrupt(f"{row.name}: the zip has a member that leaves its folder, {member.filename!r}")
    models = [member for member in members if member.filename.endswith(".onnx")]
    if len(models) != 1:
        raise WeightsCorrupt(f"{row.name}: the zip has {len(models)} .onnx members, expected 1")
    if models[0].compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
        raise WeightsCorrupt(f"{row.name}: {models[0].filename} is compressed in an unusual way")
    return models[0]
