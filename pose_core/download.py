"""A file from a web server, whole: resumed where an earlier attempt stopped, retried where the connection broke.

`download` completes `F.part`; `F.part.etag` beside it holds which version of the file the server said that is, and
without it nothing is resumed.
"""

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException, HTTPResponse
from itertools import count
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tqdm import tqdm

from pose_core.errors import DownloadFailed, WeightsCorrupt

_COMPARABLE = re.compile(r'"[!#-~]*"|[A-Z][a-z]{2}, [ -~]+')
"""Versions of a file that If-Range accepts: strong ETags and dates."""


class _ConnectionLost(Exception):
    """Worth another attempt, from where this one stopped."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file to bring here, and how; size_bytes where known beforehand."""

    name: str
    url: str
    part: Path
    size_bytes: int | None
    progress: bool
    timeout_s: float


def is_http(url: str) -> bool:
    """Whether an address is one that is downloaded from."""
    return url.lower().startswith(("http://", "https://"))


def download(job: Job, *, attempts: int, pause_s: float) -> None:
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


def _continue(job: Job) -> None:
    """One connection: ask for what is missing and append it."""
    start, version = _so_far(job.part)
    with _open(job, start, version) as reply:
        first, total = _range_of(reply)
        if reply.status == 416 and total == start:  # nothing was missing
            return
        other_version = start > 0 and first == start and _version(reply.headers) not in {"", version}
        if first is None or first not in {0, start} or other_version:
            forget(job.part)
            raise _ConnectionLost("what an earlier download left does not fit the file on the server")
        if job.size_bytes is not None and total not in {None, job.size_bytes}:
            forget(job.part)
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


def forget(part: Path) -> None:
    """Delete what an attempt left behind."""
    part.unlink(missing_ok=True)
    _version_of(part).unlink(missing_ok=True)


class _HttpRedirects(HTTPRedirectHandler):
    """Redirects that stay with http and https; the standard handler also goes on to ftp."""

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: Request, fp: IO[bytes] | HTTPResponse, code: int, msg: str, headers: Message, newurl: str
    ) -> Request | None:
        if not is_http(newurl):
            raise HTTPError(req.full_url, code, f"redirect to {newurl} refused", headers, fp)
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def _open(job: Job, start: int, version: str) -> HTTPResponse | HTTPError:
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


def _store(job: Job, reply: HTTPResponse | HTTPError, first: int, total: int | None) -> None:
    """Write what arrives from byte `first` on; complain if that is not all."""
    with (
        job.part.open("ab" if first else "wb") as file,
        tqdm(desc=job.name, total=total, initial=first, unit="B", unit_scale=True, disable=not job.progress) as bar,
    ):
        if not first:
            _version_of(job.part).unlink(missing_ok=True)
            if version := _version(reply.headers):
                write_whole(_version_of(job.part), version)
        for chunk in _chunks(reply):
            file.write(chunk)
            bar.update(len(chunk))
        flush(file)
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


def write_whole(path: Path, text: str) -> None:
    """Write a small file that is there either completely or not at all."""
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("w") as file:
        file.write(text)
        flush(file)
    draft.replace(path)


def flush(file: IO[bytes] | IO[str]) -> None:
    """Onto the disk, so that a later rename cannot overtake the content."""
    file.flush()
    os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """The same for the names in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
