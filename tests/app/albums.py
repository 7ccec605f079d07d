"""Folders and shards of photos for `skelmap batch`, its command as a process, and what a finished batch must hold.

Photos are cuts of a public-domain photo; the estimator behind `COLOUR` scores every point by the mean red of what it
sees, so that no two photos have one answer.
"""

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from skimage import data

from app.batch.job import Job
from app.parameters import PoseParameters
from app.settings import Settings
from pose_core.types import Image
from tests.app.scenery import OTHER_ESTIMATOR

PROGRAM = "from app.commands import main; main()"
SIDE = 64
COLOUR: Mapping[str, str] = {"--estimator": OTHER_ESTIMATOR, "--detector": "whole-image", "--device": "cpu"}
BROKEN = b"\xff\xd8 no photo"


@cache
def astronaut() -> Image:
    """The photo."""
    photo: Image = data.astronaut()
    return photo


def cut(number: int) -> bytes:
    """The JPEG of a piece of a photo, another one for each number, made darker the higher it is."""
    photo = astronaut()
    left, top = (number * 7) % (photo.shape[1] - SIDE), (number * 3) % (photo.shape[0] - SIDE)
    piece = photo[top : top + SIDE, left : left + SIDE].astype(np.float32) * (1 - number / 2000)
    return bytes(cv2.imencode(".jpg", piece.astype(np.uint8)[..., ::-1])[1])


def write_album(folder: Path, names: Iterable[str], broken: Iterable[str] = ()) -> Path:
    """A folder of photos."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cut(number))
    for name in broken:
        (folder / name).write_bytes(BROKEN)
    return folder


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    """A shard as WebDataset packs it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def read_tar(path: Path) -> dict[str, bytes]:
    """The members of a shard, each of which it must hold once."""
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr] # files
    assert len(dict(members)) == len(members)
    return dict(members)


def make_job(settings: Settings, *outputs: str) -> Job:
    """Work with the networks of `COLOUR`."""
    chosen = {"estimator": OTHER_ESTIMATOR, "detector": "whole-image", "device": "cpu", "threads": 1}
    return Job(outputs or ("png",), PoseParameters(), settings.model_copy(update=chosen))


def command(source: Path | str, dest: Path, *options: object) -> list[str]:
    """`skelmap batch` with the networks of `COLOUR`."""
    networks = [word for option in COLOUR.items() for word in option]
    return [sys.executable, "-c", PROGRAM, "batch", str(source), str(dest), *networks, *map(str, options)]


def run_batch(
    source: Path | str, dest: Path, *options: object, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The whole command."""
    arguments = command(source, dest, *options)
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=120)


def rows_of(dest: Path) -> list[dict[str, Any]]:
    """The manifest, without rows that are being written."""
    paths = (path for path in sorted((dest / "manifest").rglob("*.json")) if not path.name.startswith("."))
    return [json.loads(path.read_text()) for path in paths]


def assert_complete(dest: Path, keys: Sequence[str], bad: Iterable[str], extension: str = "png") -> None:
    """Every photo has its results exactly once, all bad ones are listed, and the manifest tells the truth."""
    rows = rows_of(dest)
    held: Counter[str] = Counter()
    for row in rows:
        members: dict[str, bytes] = {}
        for file in row["files"]:
            content = (dest / file["name"]).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
            members |= read_tar(dest / file["name"])
        assert len(members) == row["written"] == row["photos"] - len(row["bad"])
        held.update(list(members))
    assert held == Counter(f"{key}.{extension}" for key in keys)
    assert sorted(photo["photo"] for row in rows for photo in row["bad"]) == sorted(bad)
    assert {path.relative_to(dest).as_posix() for path in dest.rglob("*.tar")} == {
        file["name"] for row in rows for file in row["files"]
    }
    assert list(dest.rglob(".partial-*")) == []
