"""The public weights: what they are, whose they are, and how a file gets here whole.

A name of `WEIGHTS` and the path of a local `.onnx` file are equally good everywhere. Only `pull` contacts a server.

Trust: the table holds a sha256 where at least two independent public repositories pin the same one. Elsewhere the
first download is trusted: its sha256 is written down, and every later file has to match it.

What lies in the cache folder for a row whose `file_name` is F:

    F              the ONNX file; it only ever appears complete and verified
    F.sha256       sha256 of the first download, readable by `sha256sum -c`; only where the table has none
    F.part         what has arrived so far (of the zip, where it comes as one)
    F.part.etag    which version of the file the server said that is; without it nothing is resumed
    F.lock         held by the process that pulls
"""

import fcntl
import hashlib
import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from functools import partial
from http.client import HTTPException, HTTPResponse
from itertools import count
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Literal
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from tqdm import tqdm

from pose_core.errors import DownloadFailed, UnknownChoice, WeightsCorrupt, WeightsMissing


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One public ONNX file.

    Attributes:
        name: what users write.
        role: finds people (detector) or the keypoints of one person (estimator).
        architecture: which decoder fits the outputs; RTMW has the outputs of RTMPose.
        url: the ONNX file, or a zip that holds it.
        data_terms: what the training data asks of users; the licence of the code does not lift it.
        input_size: width, height in pixels of the network's view. Not read from the files beside the ONNX: the
            `pipeline.json` of rtmw-l-384 says 192x256.
        code_licence: SPDX name of the licence of the code and of the file as published.
        default_threshold: score above which a keypoint or a person counts as seen.
        size_bytes: of the ONNX file, where known.
        sha256: of the ONNX file, where known.
        archive_sha256: of the zip, where known.
    """

    name: str
    role: Literal["estimator", "detector"]
    architecture: Literal["rtmpose", "yolox", "rtmdet"]
    url: str
    data_terms: str
    input_size: tuple[int, int]
    code_licence: str = "Apache-2.0"
    default_threshold: float = 0.3
    size_bytes: int | None = None
    sha256: str | None = None
    archive_sha256: str | None = None

    @property
    def file_name(self) -> str:
        """Name of the ONNX file in the cache: the address's last part, as `.onnx`."""
        return PurePosixPath(urlsplit(self.url).path).with_suffix(".onnx").name

    @property
    def is_archive(self) -> bool:
        """Whether the address leads to a zip."""
        return urlsplit(self.url).path.endswith(".zip")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What `verify` read from the disk, and which sha256 that was compared with."""

    name: str
    path: Path
    size_bytes: int
    sha256: str
    compared_with: Literal["table", "first download", "nothing"]


_HUB = "https://huggingface.co/"
_DWPOSE_URL = f"{_HUB}yzd-v/DWPose/resolve/1a7144101628d69ee7a3768d1ee3a094070dc388/"
_RTMPOSE_URL = "https://download.openmmlab.com/mmpose/v1/projects/rtmposev1/onnx_sdk/"
_RTMW_URL = "https://download.openmmlab.com/mmpose/v1/projects/rtmw/onnx_sdk/"

_COCO_TERMS = "trained on COCO: annotations CC BY 4.0, photos under the terms of their owners on Flickr"
_UBODY_TERMS = "trained on COCO-WholeBody and UBody: non-commercial research only"
_COCKTAIL_TERMS = "trained on 14 data sets (x: 13), COCO-WholeBody and UBody among them: non-commercial research only"
_HUMANART_TERMS = "trained on HumanArt and COCO: HumanArt is for non-commercial research only"

_dwpose = partial(Weights, role="estimator", architecture="rtmpose", data_terms=_UBODY_TERMS, input_size=(192, 256))
_rtmw = partial(Weights, role="estimator", architecture="rtmpose", data_terms=_COCKTAIL_TERMS, input_size=(192, 256))
_yolox = partial(Weights, role="detector", architecture="yolox", data_terms=_HUMANART_TERMS, input_size=(640, 640))

WEIGHTS: dict[str, Weights] = {
    "dwpose-t": _dwpose(
        name="dwpose-t",
        url=f"{_RTMPOSE_URL}rtmpose-t_simcc-ucoco_dw-ucoco_270e-256x192-dcf277bf_20230728.zip",
    ),
    "dwpose-s": _dwpose(
        name="dwpose-s",
        url=f"{_RTMPOSE_URL}rtmpose-s_simcc-ucoco_dw-ucoco_270e-256x192-3fd922c8_20230728.zip",
    ),
    "dwpose-m": _dwpose(
        name="dwpose-m",
        url=f"{_RTMPOSE_URL}rtmpose-m_simcc-ucoco_dw-ucoco_270e-256x192-c8b76419_20230728.zip",
    ),
    "dwpose-l": _dwpose(
        name="dwpose-l",
        url=f"{_RTMPOSE_URL}rtmpose-l_simcc-ucoco_dw-ucoco_270e-256x192-4d6dfc62_20230728.zip",
    ),
    "dwpose-l-384": _dwpose(  # the file of the DWPose authors, which most pre-processors use
        name="dwpose-l-384",
        url=f"{_DWPOSE_URL}dw-ll_ucoco_384.onnx",
        input_size=(288, 384),
        size_bytes=134_399_116,
        sha256="724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843",
    ),
    "dwpose-l-384-openmmlab": _dwpose(  # the same size of network, published and exported by OpenMMLab
        name="dwpose-l-384-openmmlab",
        url=f"{_RTMPOSE_URL}rtmpose-l_simcc-ucoco_dw-ucoco_270e-384x288-2438fd99_20230728.zip",
        input_size=(288, 384),
        size_bytes=134_399_323,
        sha256="8cfecfc2226d8e14b510c2fd28442226c518b4d60690535753187877411d4005",
        archive_sha256="b06f1bc598ddbdb5008a61f4a411aa11ed331370b4f7f438126d6d99e168d147",
    ),
    "rtmw-m": _rtmw(  # l-m like the checkpoint of RTMW-m; MMPose's list of exports links one called m-s instead
        name="rtmw-m",
        url=f"{_RTMW_URL}rtmw-dw-l-m_simcc-cocktail14_270e-256x192_20231122.zip",
    ),
    "rtmw-l": _rtmw(
        name="rtmw-l",
        url=f"{_RTMW_URL}rtmw-dw-x-l_simcc-cocktail14_270e-256x192_20231122.zip",
        archive_sha256="1e3e77558dfc199129bfff1c583e51b4ee190914de6ae30688243c20163c148c",
    ),
    "rtmw-l-384": _rtmw(
        name="rtmw-l-384",
        url=f"{_RTMW_URL}rtmw-dw-x-l_simcc-cocktail14_270e-384x288_20231122.zip",
        input_size=(288, 384),
        size_bytes=229_320_930,
        sha256="bd033156e5104c4f5d2edfe0453e02661e30a2f3da453ec93c8764d561b83054",
        archive_sha256="a87e1af41a0a067776dba7d46e1c21c8f6e9f18e247e0e606718dd1f31e96ffd",
    ),
    "rtmw-x-384": _rtmw(
        name="rtmw-x-384",
        url=f"{_RTMW_URL}rtmw-x_simcc-cocktail13_pt-ucoco_270e-384x288-0949e3a9_20230925.zip",
        input_size=(288, 384),
    ),
    "yolox-l": _yolox(
        name="yolox-l",
        url=f"{_DWPOSE_URL}yolox_l.onnx",
        data_terms=_COCO_TERMS,
        size_bytes=216_746_733,
        sha256="7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411",
    ),
    "yolox-nano-humanart": _yolox(
        name="yolox-nano-humanart",
        url=f"{_RTMPOSE_URL}yolox_nano_8xb8-300e_humanart-40f6f0d0.zip",
        input_size=(416, 416),
        size_bytes=3_722_395,
        sha256="1450966de24902b18aada1a78913d7efd8fc8dcd51bd4d0d5591476bd4a38821",
    ),
    "yolox-tiny-humanart": _yolox(
        name="yolox-tiny-humanart",
        url=f"{_RTMPOSE_URL}yolox_tiny_8xb8-300e_humanart-6f3252f9.zip",
        input_size=(416, 416),
        sha256="ceb11c07298f95c50d7c5abeb906d03340c85f23aa79e3e66966e7fb6c307250",
    ),
    "yolox-s-humanart": _yolox(
        name="yolox-s-humanart",
        url=f"{_RTMPOSE_URL}yolox_s_8xb8-300e_humanart-3ef259a7.zip",
        sha256="332e09ea9696e3401049b6c5314851db020b6430f85da159e65f37034ab3aee8",
    ),
    "yolox-m-humanart": _yolox(
        name="yolox-m-humanart",
        url=f"{_RTMPOSE_URL}yolox_m_8xb8-300e_humanart-c2c7a14a.zip",
        size_bytes=101_400_344,
        sha256="3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",
        archive_sha256="a000224fd8ba283202bc62d4a5fcdfe353adb9f468777dbac1ea2ada2093adde",
    ),
    "yolox-l-humanart": _yolox(
        name="yolox-l-humanart",
        url=f"{_RTMPOSE_URL}yolox_l_8xb8-300e_humanart-ce1d7a62.zip",
    ),
    "yolox-x-humanart": _yolox(
        name="yolox-x-humanart",
        url=f"{_RTMPOSE_URL}yolox_x_8xb8-300e_humanart-a39d44ed.zip",
        sha256="8e9ea96a176bd48501eaaa77216e49ee30794d2f8ba80c7b9862beca4ea972da",
    ),
}
"""Every name that can be pulled; within a family from small to large."""


def row_of(path: str | os.PathLike[str]) -> Weights | None:
    """The row whose official file name a local file has, to learn what to feed it; None for any other file."""
    name = Path(path).name
    return next((row for row in WEIGHTS.values() if row.file_name == name), None)


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """`$SKELMAP_HOME`, else `$HF_HOME/skelmap`, else `~/.cache/huggingface/skelmap`; it need not exist."""
    return _folder(environ, "SKELMAP_HOME") or _hub_home(environ) / "skelmap"


def find(
    name_or_path: str | os.PathLike[str], cache: Path | None = None, *, environ: Mapping[str, str] = os.environ
) -> Path | None:
    """The file behind a known name or a local path, unverified; None where there is none.

    A known name is looked for in the cache folder and then, for rows from the Hugging Face hub, in the hub's cache.
    """
    row = WEIGHTS.get(os.fspath(name_or_path))
    for place in _places(row, cache or cache_folder(environ), environ) if row else [Path(name_or_path)]:
        with suppress(OSError, RuntimeError):  # a name too long for any file, the home of an unknown user
            if (file := place.expanduser()).is_file():
                return file
    return None


def resolve(
    name_or_path: str | os.PathLike[str], cache: Path | None = None, *, environ: Mapping[str, str] = os.environ
) -> Path:
    """Like `find`, but says what to do where there is no file.

    Raises:
        UnknownChoice: neither a known name nor anything like a path.
        WeightsMissing: a known name that was never pulled, or a path without a file.
    """
    found, wanted = find(name_or_path, cache, environ=environ), os.fspath(name_or_path)
    if found is not None:
        return found
    if wanted in WEIGHTS:
        raise WeightsMissing(
            f"{wanted}: no file in {cache or cache_folder(environ)}; get it with `skelmap models pull {wanted}`, "
            "or give the path of a local .onnx file instead of the name"
        )
    if os.sep in wanted or wanted.endswith(".onnx"):
        raise WeightsMissing(f"{wanted}: no such file; give the path of an .onnx file or one of {', '.join(WEIGHTS)}")
    raise UnknownChoice("model", wanted, WEIGHTS)


def installed(cache: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> dict[str, Path | None]:
    """Where the file of every known name is, None for those that are not here."""
    return {name: find(name, cache, environ=environ) for name in WEIGHTS}


def verify(name: str, cache: Path | None = None, *, environ: Mapping[str, str] = os.environ) -> Verified:
    """Read the whole file of a known name and compare size and sha256; nothing is deleted.

    Raises:
        UnknownChoice: not a known name.
        WeightsMissing: never pulled.
        WeightsCorrupt: the file is not the expected one; `pull` replaces it.
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
        WeightsCorrupt: something else was delivered than expected; it is deleted.
    """
    row, folder = _row(name), cache or cache_folder(environ)
    try:
        if (present := _verified_place(row, folder, environ)) is not None:
            return present
        _refuse_offline(row, environ)
        folder.mkdir(parents=True, exist_ok=True)
        with _one_at_a_time(folder / f"{row.file_name}.lock"):
            if (present := _verified_place(row, folder, environ)) is not None:
                return present
            part = folder / f"{row.file_name}.part"
            size_bytes = None if row.is_archive else row.size_bytes
            _download(
                _Job(name, _address(row, environ), part, size_bytes, progress, timeout_s),
                attempts=attempts,
                pause_s=pause_s,
            )
            return _accept(row, part)
    except OSError as error:
        raise DownloadFailed(f"{name}: cannot use {folder}: {error}") from error


# Where files are


def _row(name: str) -> Weights:
    if name not in WEIGHTS:
        raise UnknownChoice("model", name, WEIGHTS)
    return WEIGHTS[name]


def _folder(environ: Mapping[str, str], variable: str) -> Path | None:
    """The folder that a variable names; None where it is empty or unset."""
    return Path(value).expanduser() if (value := environ.get(variable)) else None


def _hub_home(environ: Mapping[str, str]) -> Path:
    return _folder(environ, "HF_HOME") or Path("~/.cache/huggingface").expanduser()


def _places(row: Weights, folder: Path, environ: Mapping[str, str]) -> list[Path]:
    """Where the file of a row may be, best place first."""
    places = [folder / row.file_name]
    if match := re.fullmatch(rf"{re.escape(_HUB)}([^/]+)/([^/]+)/resolve/([^/]+)/(.+)", row.url):
        owner, repository, revision, file = match.groups()
        hub_cache = _folder(environ, "HF_HUB_CACHE") or _hub_home(environ) / "hub"
        places.append(hub_cache / f"models--{owner}--{repository}" / "snapshots" / revision / file)
    return places


def _verified_place(row: Weights, folder: Path, environ: Mapping[str, str]) -> Path | None:
    """The first place with an undamaged file."""
    for place in _places(row, folder, environ):
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


# Whether a file is the right one


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
            _write(record, f"{verified.sha256}  {row.file_name}\n")
        fresh.replace(target)
        _sync(target.parent)
    except WeightsCorrupt as error:
        raise WeightsCorrupt(f"{error}; it came from {row.url} and was deleted") from error
    finally:
        fresh.unlink(missing_ok=True)
        _forget(part)
    return target


def _write(path: Path, text: str) -> None:
    """Write a small file that is there either completely or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("w") as file:
        file.write(text)
        _flush(file)
    draft.replace(path)


def _flush(file: IO[bytes] | IO[str]) -> None:
    """Onto the disk, so that a later rename cannot overtake the content."""
    file.flush()
    os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """The same for the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unpack(row: Weights, archive: Path, target: Path) -> None:
    """Copy the one ONNX file out of a zip; nothing else of it reaches the disk."""
    if row.archive_sha256 not in {None, actual := _sha256(archive)}:
        raise WeightsCorrupt(f"{row.name}: {archive} has sha256 {actual}, expected {row.archive_sha256}")
    try:
        with ZipFile(archive) as zipped, zipped.open(_onnx_member(row, zipped)) as member, target.open("wb") as file:
            shutil.copyfileobj(member, file, 1 << 20)
            _flush(file)
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


# The way here


_COMPARABLE = re.compile(r'"[!#-~]*"|[A-Z][a-z]{2}, [ -~]+')
"""Versions of a file that If-Range accepts: strong ETags and dates."""


class _ConnectionLost(Exception):  # noqa: N818 - an event, never seen by a caller
    """Worth another attempt, from where this one stopped."""


@dataclass(frozen=True, slots=True)
class _Job:
    """A file to bring here, and how; size_bytes where known beforehand."""

    name: str
    url: str
    part: Path
    size_bytes: int | None
    progress: bool
    timeout_s: float


def _refuse_offline(row: Weights, environ: Mapping[str, str]) -> None:
    value = environ.get("HF_HUB_OFFLINE", "")
    if value.lower() in {"1", "true", "yes", "on"}:
        raise DownloadFailed(f"{row.name}: HF_HUB_OFFLINE={value} forbids downloads, and there is no intact file here")


def _address(row: Weights, environ: Mapping[str, str]) -> str:
    """The row's address, on the mirror of the hub that HF_ENDPOINT names."""
    endpoint = environ.get("HF_ENDPOINT", "").rstrip("/")
    url = f"{endpoint}/{row.url.removeprefix(_HUB)}" if endpoint and row.url.startswith(_HUB) else row.url
    if not _is_http(url):
        raise DownloadFailed(f"{row.name}: {url} is neither http nor https")
    return url


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))


def _download(job: _Job, *, attempts: int, pause_s: float) -> None:
    """Complete the part file, over several connections if need be."""
    for attempt in count(1):
        try:
            _continue(job)
        except _ConnectionLost as lost:
            if attempt >= attempts:
                raise DownloadFailed(f"{job.url}: {lost} (attempt {attempt} of {attempts})") from lost
            time.sleep(pause_s * 2 ** (attempt - 1))
        else:
            return


def _continue(job: _Job) -> None:
    """One connection: ask for what is missing and append it."""
    start, version = _so_far(job.part)
    with _open(job, start, version) as reply:
        first, total = _range_of(reply)
        if reply.status == 416 and total == start:  # nothing was missing
            return
        other_version = start > 0 and first == start and _version(reply.headers) not in {"", version}
        if first is None or first not in {0, start} or other_version:
            _forget(job.part)
            raise _ConnectionLost("what an earlier download left does not fit the file on the server")
        if job.size_bytes is not None and total not in {None, job.size_bytes}:
            _forget(job.part)
            raise WeightsCorrupt(f"{job.name}: {job.url} offers {total} bytes, expected {job.size_bytes}")
        _store(job, reply, first, total)


def _so_far(part: Path) -> tuple[int, str]:
    """How many bytes of which version of the file are here.

    Without a version nothing counts: bytes of two different files could be trusted as one.
    """
    version = _version_of(part)
    if not (part.is_file() and version.is_file()):
        return 0, ""
    stated = version.read_text(errors="replace")
    return (part.stat().st_size, stated) if _COMPARABLE.fullmatch(stated) else (0, "")


def _version_of(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _version_of(part).unlink(missing_ok=True)


class _HttpRedirects(HTTPRedirectHandler):
    """Redirects that stay with http and https; the standard handler also goes on to ftp."""

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: Request, fp: IO[bytes] | HTTPResponse, code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        if not _is_http(newurl):
            raise HTTPError(req.full_url, code, f"redirect to {newurl} refused", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _open(job: _Job, start: int, version: str) -> HTTPResponse | HTTPError:
    """The reply to a request for everything from byte `start` on: status 200, 206 or 416.

    A server whose file is no longer of that version replies with the whole new one (RFC 9110, 13.1.5).
    """
    wanted = {"Range": f"bytes={start}-", "If-Range": version} if start else {}
    try:
        request = Request(job.url, headers={"User-Agent": "skelmap", **wanted})  # noqa: S310 - checked by _address
        reply: HTTPResponse = build_opener(_HttpRedirects).open(request, timeout=job.timeout_s)
    except HTTPError as error:
        if error.code == 416:
            return error
        error.close()
        if error.code >= 500 or error.code in {408, 429}:
            raise _ConnectionLost(f"HTTP status {error.code} {error.reason}") from error
        raise DownloadFailed(f"{job.url}: HTTP status {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _ConnectionLost(_reason(error)) from error
    except ValueError as error:
        raise DownloadFailed(f"{job.url}: no usable address: {error}") from error
    return reply


def _reason(error: OSError | HTTPException) -> str:
    """What went wrong with a connection, in words even where the exception has none."""
    return str(getattr(error, "reason", error)) or type(error).__name__


def _range_of(reply: HTTPResponse | HTTPError) -> tuple[int | None, int | None]:
    """Which byte a reply starts with, and how long the whole file is; None where it does not say."""
    if reply.status == 200:
        length = reply.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    stated = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", reply.headers.get("Content-Range", ""))
    first, total = stated.groups() if stated else (None, None)
    return int(first) if first else None, int(total) if total and total != "*" else None


def _store(job: _Job, reply: HTTPResponse | HTTPError, first: int, total: int | None) -> None:
    """Write what arrives from byte `first` on; complain if that is not all."""
    with (
        job.part.open("ab" if first else "wb") as file,
        tqdm(desc=job.name, total=total, initial=first, unit="B", unit_scale=True, disable=not job.progress) as bar,
    ):
        if not first:
            _version_of(job.part).unlink(missing_ok=True)
            if version := _version(reply.headers):
                _write(_version_of(job.part), version)
        for chunk in _chunks(reply):
            file.write(chunk)
            bar.update(len(chunk))
        _flush(file)
    arrived = job.part.stat().st_size
    if total not in {None, arrived}:
        raise _ConnectionLost(f"the connection ended after {arrived} of {total} bytes")


def _version(headers: Message) -> str:
    """What to compare later: a strong ETag, else the date of the last change, else nothing."""
    stated = (headers.get("ETag", ""), headers.get("Last-Modified", ""))
    return next(filter(_COMPARABLE.fullmatch, stated), "")


def _chunks(reply: HTTPResponse | HTTPError) -> Iterator[bytes]:
    while True:
        try:
            chunk = reply.read(1 << 18)
        except (OSError, HTTPException) as error:
            raise _ConnectionLost(_reason(error)) from error
        if not chunk:
            return
        yield chunk
