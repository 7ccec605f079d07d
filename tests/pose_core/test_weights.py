"""Every promise of `pose_core.weights`, `pull` and `download`, against a real server on the loopback interface."""

import hashlib
import io
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pose_core import weights
from pose_core.errors import DownloadFailed, UnknownChoice, WeightsCorrupt, WeightsMissing
from pose_core.pull import pull, verify
from pose_core.weights import (
    DEFAULT_DETECTOR,
    DEFAULT_ESTIMATOR,
    EMBEDDED,
    WEIGHTS,
    Weights,
    cache_folder,
    find,
    installed,
    resolve,
    row_of,
)
from tests.pose_core.weights_server import WeightsServer, serving

ONNX = bytes(range(256)) * 4096  # 1 MiB: several reads on its way
OTHER = ONNX[::-1]
NAMES = tuple(WEIGHTS)
OWN = [name for name, row in WEIGHTS.items() if row.is_embedded]
OFFICIAL = [name for name in NAMES if name not in OWN]
REVISION = "0" * 40


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def zip_of(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as zipped:
        for name, content in members.items():
            zipped.writestr(name, content)
    return buffer.getvalue()


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"tiny.onnx.lock"}


fetch = partial(pull, "tiny", progress=False, timeout_s=5.0, pause_s=0.001, environ={})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WeightsServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        running.files = {"/tiny.onnx": ONNX, "/tiny.zip": zip_of({"tiny/end2end.onnx": ONNX, "pipeline.json": b"{}"})}
        yield running


@pytest.fixture
def row(server: WeightsServer, monkeypatch: pytest.MonkeyPatch) -> Weights:
    """A row "tiny" with a known sha256, in the table for the time of a test."""
    tiny = replace(
        WEIGHTS["dwpose-t"], name="tiny", url=f"{server.url}/tiny.onnx", size_bytes=len(ONNX), sha256=sha256(ONNX)
    )
    return put(tiny, monkeypatch)


@pytest.fixture
def unknown_sha256(row: Weights, monkeypatch: pytest.MonkeyPatch) -> Weights:
    return put(replace(row, size_bytes=None, sha256=None), monkeypatch)


@pytest.fixture
def zipped(row: Weights, server: WeightsServer, monkeypatch: pytest.MonkeyPatch) -> Weights:
    return put(replace(row, url=f"{server.url}/tiny.zip"), monkeypatch)


@pytest.fixture
def on_hub(row: Weights, server: WeightsServer, monkeypatch: pytest.MonkeyPatch) -> Weights:
    server.files[f"/someone/models/resolve/{REVISION}/tiny.onnx"] = ONNX
    return put(replace(row, url=f"https://huggingface.co/someone/models/resolve/{REVISION}/tiny.onnx"), monkeypatch)


def put(row: Weights, monkeypatch: pytest.MonkeyPatch) -> Weights:
    monkeypatch.setitem(WEIGHTS, row.name, row)
    return row


# The table


@pytest.mark.parametrize("name", NAMES)
def test_row_is_complete_and_consistent(name: str) -> None:
    row = WEIGHTS[name]
    assert row.name == name
    assert row.is_embedded or row.url.startswith("https://")
    assert row.file_name.endswith(".onnx")
    assert row.is_archive == row.url.endswith(".zip")
    assert row.is_archive or row.archive_sha256 is None
    assert all(value is None or re.fullmatch("[0-9a-f]{64}", value) for value in (row.sha256, row.archive_sha256))
    assert "trained on" in row.data_terms
    assert row.code_licence == "Apache-2.0"
    assert row.is_embedded or row.default_threshold == 0.3


@pytest.mark.parametrize("name", [name for name in OFFICIAL if WEIGHTS[name].role == "estimator"])
def test_estimators_state_the_size_their_name_and_address_state(name: str) -> None:
    row = WEIGHTS[name]
    assert row.input_size == ((288, 384) if "-384" in name else (192, 256))
    assert row.url.endswith("dw-ll_ucoco_384.onnx") or f"{row.input_size[1]}x{row.input_size[0]}" in row.url


def test_detectors_see_squares() -> None:
    sizes = {name: row.input_size for name, row in WEIGHTS.items() if row.role == "detector"}
    assert {name for name, size in sizes.items() if size == (416, 416)} == {
        "yolox-nano-humanart",
        "yolox-tiny-humanart",
    }
    assert sizes["skelmap-det"] == (320, 320)
    assert set(sizes.values()) == {(320, 320), (416, 416), (640, 640)}


def test_file_names_and_hashes_are_unique() -> None:
    for values in (
        [row.file_name for row in WEIGHTS.values()],
        [row.sha256 for row in WEIGHTS.values() if row.sha256],
        [row.archive_sha256 for row in WEIGHTS.values() if row.archive_sha256],
    ):
        assert len(set(values)) == len(values)


@pytest.mark.parametrize("name", NAMES)
def test_row_of_knows_an_official_file_by_its_name(name: str) -> None:
    assert row_of(Path("/somewhere") / WEIGHTS[name].file_name) is WEIGHTS[name]


def test_row_of_any_other_file_is_none() -> None:
    assert row_of("/somewhere/end2end.onnx") is None


def test_importing_needs_no_numpy() -> None:
    code = "import sys, pose_core.weights; sys.exit(sorted({'numpy', 'torch', 'fastapi'} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


# Files inside the package


def test_the_defaults_are_inside_the_package() -> None:
    assert {DEFAULT_ESTIMATOR, DEFAULT_DETECTOR} <= set(OWN)
    assert WEIGHTS[DEFAULT_ESTIMATOR].role == "estimator"
    assert WEIGHTS[DEFAULT_DETECTOR].role == "detector"


@pytest.mark.parametrize("name", OWN)
def test_a_file_inside_the_package_is_found_anywhere_and_whole(name: str, tmp_path: Path) -> None:
    checked = verify(name, tmp_path, environ={})
    assert checked.compared_with == "table"
    assert checked.path == EMBEDDED / f"{name}.onnx" == find(name, tmp_path, environ={})
    assert pull(name, tmp_path / "cache", environ={"HF_HUB_OFFLINE": "1"}) == checked.path
    assert not (tmp_path / "cache").exists()


def test_the_files_inside_the_package_are_small() -> None:
    assert sum((EMBEDDED / WEIGHTS[name].file_name).stat().st_size for name in OWN) <= 20_000_000


def test_the_files_inside_the_package_come_with_their_terms() -> None:
    text = (EMBEDDED / "LICENSE").read_text()
    assert "non-commercial" in text
    for name in OWN:
        assert name in text
        assert "pose_core/networks/LICENSE" in WEIGHTS[name].data_terms


def test_a_damaged_file_of_the_package_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "EMBEDDED", tmp_path)
    (tmp_path / "skelmap-t.onnx").write_bytes(b"damaged")
    with pytest.raises(WeightsCorrupt, match=r"skelmap-t is part of the package.*install skelmap again"):
        pull("skelmap-t", tmp_path, environ={})
    with pytest.raises(WeightsCorrupt, match="expected"):
        verify("skelmap-t", tmp_path, environ={})
    for ask in (resolve, verify):
        with pytest.raises(WeightsMissing, match=r"skelmap-det is part of the package, but .* install skelmap again"):
            ask("skelmap-det", tmp_path, environ={})


# Where files are


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"SKELMAP_HOME": "/a", "HF_HOME": "/b"}, Path("/a")),
        ({"SKELMAP_HOME": "", "HF_HOME": "/b"}, Path("/b/skelmap")),
        ({"SKELMAP_HOME": "~/a"}, Path.home() / "a"),
        ({}, Path.home() / ".cache/huggingface/skelmap"),
    ],
)
def test_cache_folder(environ: dict[str, str], folder: Path) -> None:
    assert cache_folder(environ) == folder


def test_known_name_with_file(tmp_path: Path) -> None:
    path = tmp_path / WEIGHTS["dwpose-m"].file_name
    path.write_bytes(b"onnx")
    environ = {"SKELMAP_HOME": str(tmp_path)}
    assert find("dwpose-m", tmp_path) == resolve("dwpose-m", tmp_path) == resolve("dwpose-m", environ=environ) == path
    found = installed(tmp_path)
    assert {name: found[name] for name in OFFICIAL} == {name: path if name == "dwpose-m" else None for name in OFFICIAL}
    assert installed(environ=environ)["dwpose-m"] == path


def test_local_path_is_as_good_as_a_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes(b"onnx")
    assert resolve(path, tmp_path / "cache") == resolve(str(path), tmp_path / "cache") == path


def test_unknown_name_lists_the_names(tmp_path: Path) -> None:
    for choose in (resolve, verify, pull):
        with pytest.raises(UnknownChoice, match=r"'dwpose-xxl'.*skelmap-t, skelmap-det, dwpose-t") as caught:
            choose("dwpose-xxl", tmp_path)
        assert caught.value.choices == NAMES
    assert find("dwpose-xxl", tmp_path) is None


@pytest.mark.parametrize("name", ["", "a" * 5000, "~nobody-has-this-name", "a\0b"])
def test_name_that_is_no_path_either(name: str, tmp_path: Path) -> None:
    assert find(name, tmp_path) is None
    with pytest.raises(UnknownChoice):
        resolve(name, tmp_path)


def test_missing_file_of_a_known_name_says_how_to_get_it(tmp_path: Path) -> None:
    for ask in (resolve, verify):
        with pytest.raises(WeightsMissing, match=r"`skelmap models pull dwpose-m`.*path of a local \.onnx file"):
            ask("dwpose-m", tmp_path, environ={})
    assert find("dwpose-m", tmp_path, environ={}) is None


@pytest.mark.parametrize("name", ["gone.onnx", "folder/gone", "."])
def test_path_without_a_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="no such file"):
        resolve(str(tmp_path / name), tmp_path)


def hub_file(hub_cache: Path, content: bytes) -> Path:
    path = hub_cache / "models--someone--models" / "snapshots" / REVISION / "tiny.onnx"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(("variable", "below"), [("HF_HUB_CACHE", ""), ("HF_HOME", "hub")])
@pytest.mark.usefixtures("on_hub")
def test_file_in_the_hub_cache_is_used_from_there(
    variable: str, below: str, tmp_path: Path, server: WeightsServer
) -> None:
    environ = {variable: str(tmp_path), "HF_ENDPOINT": server.url}
    path = hub_file(tmp_path / below, ONNX)
    assert fetch(tmp_path / "cache", environ=environ) == path
    assert resolve("tiny", tmp_path / "cache", environ=environ) == path
    assert verify("tiny", tmp_path / "cache", environ=environ).path == path
    assert server.asked == []
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("on_hub")
def test_damaged_file_in_the_hub_cache_is_left_alone_and_not_used(tmp_path: Path, server: WeightsServer) -> None:
    environ = {"HF_HUB_CACHE": str(tmp_path), "HF_ENDPOINT": server.url}
    damaged = hub_file(tmp_path, b"damaged")
    path = fetch(tmp_path / "cache", environ=environ)
    assert path == resolve("tiny", tmp_path / "cache", environ=environ) == tmp_path / "cache" / "tiny.onnx"
    assert path.read_bytes() == ONNX
    assert damaged.read_bytes() == b"damaged"


# A download without trouble


@pytest.mark.usefixtures("row")
def test_pull_leaves_the_file_and_nothing_else(tmp_path: Path, server: WeightsServer) -> None:
    path = fetch(tmp_path / "new" / "cache")
    assert path.read_bytes() == ONNX
    assert left_in(path.parent) == {"tiny.onnx"}
    assert fetch(path.parent) == path
    assert len(server.asked) == 1


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize("progress", [True, False])
def test_progress_goes_to_stderr_or_nowhere(
    progress: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fetch(tmp_path, progress=progress)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("tiny: 100%" in shown.err) is progress
    assert progress or shown.err == ""


@pytest.mark.usefixtures("on_hub")
@pytest.mark.parametrize("end", ["", "/"])
def test_hf_endpoint_replaces_the_hub(end: str, tmp_path: Path, server: WeightsServer) -> None:
    assert fetch(tmp_path, environ={"HF_ENDPOINT": server.url + end}).read_bytes() == ONNX
    assert server.asked[0].path == f"/someone/models/resolve/{REVISION}/tiny.onnx"


@pytest.mark.usefixtures("row")
def test_hf_endpoint_leaves_other_hosts_alone(tmp_path: Path) -> None:
    assert fetch(tmp_path, environ={"HF_ENDPOINT": "http://nowhere.invalid"}).read_bytes() == ONNX


@pytest.mark.usefixtures("on_hub")
@pytest.mark.parametrize("endpoint", ["file:///etc", "ftp://127.0.0.1", "127.0.0.1:80"])
def test_hf_endpoint_has_to_be_http(endpoint: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="neither http nor https"):
        fetch(tmp_path, environ={"HF_ENDPOINT": endpoint})


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_offline_contacts_nobody(value: str, tmp_path: Path, server: WeightsServer) -> None:
    with pytest.raises(DownloadFailed, match=f"HF_HUB_OFFLINE={value}"):
        fetch(tmp_path, environ={"HF_HUB_OFFLINE": value})
    assert server.asked == []
    path = fetch(tmp_path, environ={"HF_HUB_OFFLINE": "0"})
    assert fetch(tmp_path, environ={"HF_HUB_OFFLINE": value}) == path


# Interrupted downloads


@pytest.mark.usefixtures("row")
def test_lost_connection_is_resumed_where_it_stopped(tmp_path: Path, server: WeightsServer) -> None:
    server.cuts = [300_000, 400_000]
    assert fetch(tmp_path).read_bytes() == ONNX
    assert [request.range for request in server.asked] == [None, "bytes=300000-", "bytes=700000-"]
    assert [request.if_range for request in server.asked] == [None, '"v1"', '"v1"']
    assert sum(request.sent for request in server.asked) == len(ONNX)
    assert left_in(tmp_path) == {"tiny.onnx"}


@pytest.mark.usefixtures("row")
def test_later_pull_resumes_an_interrupted_one(tmp_path: Path, server: WeightsServer) -> None:
    server.cuts = [300_000]
    with pytest.raises(DownloadFailed, match=rf"/tiny\.onnx: .*after 300000 of {len(ONNX)} bytes.*1 of 1"):
        fetch(tmp_path, attempts=1)
    assert left_in(tmp_path) == {"tiny.onnx.part", "tiny.onnx.part.etag"}
    assert find("tiny", tmp_path) is None
    assert fetch(tmp_path).read_bytes() == ONNX
    assert server.asked[1].range == "bytes=300000-"
    assert sum(request.sent for request in server.asked) == len(ONNX)


def interrupted(folder: Path, server: WeightsServer, arrived: int = 300_000) -> None:
    server.cuts = [arrived]
    with pytest.raises(DownloadFailed):
        fetch(folder, attempts=1)
    server.asked.clear()


@pytest.mark.usefixtures("unknown_sha256")
@pytest.mark.parametrize("obeys_if_range", [True, False])
def test_file_that_changed_meanwhile_is_not_mixed(
    obeys_if_range: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
    server: WeightsServer,
) -> None:
    interrupted(tmp_path, server)
    server.files["/tiny.onnx"], server.headers = OTHER, {"ETag": '"v2"'}
    server.obeys_if_range = obeys_if_range
    assert fetch(tmp_path).read_bytes() == OTHER
    assert server.asked[0].range == "bytes=300000-"
    assert server.asked[-1].sent == len(OTHER)


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize(
    ("headers", "if_range"),
    [
        ({"Last-Modified": "Fri, 28 Jul 2023 10:00:00 GMT"}, "Fri, 28 Jul 2023 10:00:00 GMT"),
        ({"ETag": 'W/"weak"'}, None),
        ({}, None),
    ],
)
def test_only_a_version_that_can_be_compared_is_resumed(
    headers: dict[str, str], if_range: str | None, tmp_path: Path, server: WeightsServer
) -> None:
    server.headers = headers
    interrupted(tmp_path, server)
    assert fetch(tmp_path).read_bytes() == ONNX
    assert server.asked[0].if_range == if_range
    assert server.asked[0].sent == (len(ONNX) if if_range is None else len(ONNX) - 300_000)


@pytest.mark.usefixtures("row")
def test_server_that_ignores_range_is_read_from_the_start(tmp_path: Path, server: WeightsServer) -> None:
    interrupted(tmp_path, server)
    server.supports_range = False
    assert fetch(tmp_path).read_bytes() == ONNX
    assert [(request.range, request.sent) for request in server.asked] == [("bytes=300000-", len(ONNX))]


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize("stated", ["bytes 5-9/10", "nonsense", ""])
def test_part_that_was_not_asked_for_is_not_used(stated: str, tmp_path: Path, server: WeightsServer) -> None:
    interrupted(tmp_path, server)
    server.lies = {"Content-Range": stated}
    assert fetch(tmp_path).read_bytes() == ONNX
    assert [request.range for request in server.asked] == ["bytes=300000-", None]


@pytest.mark.usefixtures("row")
def test_part_that_is_complete_needs_no_more_bytes(tmp_path: Path, server: WeightsServer) -> None:
    interrupted(tmp_path, server)
    (tmp_path / "tiny.onnx.part").write_bytes(ONNX)
    assert fetch(tmp_path).read_bytes() == ONNX
    assert sum(request.sent for request in server.asked) == 0
    assert left_in(tmp_path) == {"tiny.onnx"}


@pytest.mark.usefixtures("row")
def test_part_that_is_too_long_is_started_over(tmp_path: Path, server: WeightsServer) -> None:
    interrupted(tmp_path, server)
    (tmp_path / "tiny.onnx.part").write_bytes(ONNX + b"more")
    assert fetch(tmp_path).read_bytes() == ONNX
    assert [request.range for request in server.asked] == [f"bytes={len(ONNX) + 4}-", None]


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize("version", [b"", b"W/", b'"v1"\r\nX-Evil: 1', b"\xff"])
def test_part_of_an_unreadable_version_is_started_over(version: bytes, tmp_path: Path, server: WeightsServer) -> None:
    interrupted(tmp_path, server)
    (tmp_path / "tiny.onnx.part.etag").write_bytes(version)
    assert fetch(tmp_path).read_bytes() == ONNX
    assert [request.range for request in server.asked] == [None]


@pytest.mark.usefixtures("row")
def test_damaged_part_is_found_out_and_not_kept(tmp_path: Path, server: WeightsServer) -> None:
    interrupted(tmp_path, server)
    (tmp_path / "tiny.onnx.part").write_bytes(OTHER[:300_000])
    with pytest.raises(WeightsCorrupt):
        fetch(tmp_path)
    assert left_in(tmp_path) == set()
    assert fetch(tmp_path).read_bytes() == ONNX


# Servers that refuse


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (500, 3), (503, 3), (429, 3)])
def test_error_status(status: int, requests: int, tmp_path: Path, server: WeightsServer) -> None:
    server.statuses["/tiny.onnx"] = status
    with pytest.raises(DownloadFailed, match=rf"{server.url}/tiny\.onnx: HTTP status {status}"):
        fetch(tmp_path, attempts=3)
    assert len(server.asked) == requests
    assert left_in(tmp_path) == set()


@pytest.mark.usefixtures("row")
def test_silent_server_times_out(tmp_path: Path, server: WeightsServer) -> None:
    server.pause_s = 0.5
    with pytest.raises(DownloadFailed, match=r"/tiny\.onnx: .*timed out \(attempt 2 of 2\)"):
        fetch(tmp_path, timeout_s=0.1, attempts=2)


@pytest.mark.usefixtures("row")
def test_server_that_falls_silent_midway_is_left_and_asked_for_the_rest(tmp_path: Path, server: WeightsServer) -> None:
    server.cuts, server.stall_s = [300_000], 1.0
    assert fetch(tmp_path, timeout_s=0.3).read_bytes() == ONNX
    assert len(server.asked) == 2
    assert server.asked[1].range is not None


def test_nobody_listens(row: Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        put(replace(row, url=f"http://127.0.0.1:{silent.getsockname()[1]}/tiny.onnx"), monkeypatch)
        with pytest.raises(DownloadFailed, match=r"/tiny\.onnx: .*refused"):
            fetch(tmp_path, attempts=2)


@pytest.mark.usefixtures("row")
def test_redirect_is_followed_and_resumed(tmp_path: Path, server: WeightsServer) -> None:
    server.files["/elsewhere"] = ONNX
    server.redirects["/tiny.onnx"] = "/elsewhere"
    server.cuts = [0, 300_000]
    assert fetch(tmp_path).read_bytes() == ONNX
    assert [request.range for request in server.asked if request.path == "/elsewhere"] == [None, "bytes=300000-"]


@pytest.mark.usefixtures("row")
@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/tiny.onnx", "data:,tiny"])
def test_redirect_away_from_http_is_refused(target: str, tmp_path: Path, server: WeightsServer) -> None:
    server.redirects["/tiny.onnx"] = target
    with pytest.raises(DownloadFailed, match=rf"/tiny\.onnx: HTTP status 302 .*{target}"):
        fetch(tmp_path)
    assert left_in(tmp_path) == set()


@pytest.mark.usefixtures("row")
def test_redirect_to_nonsense(tmp_path: Path, server: WeightsServer) -> None:
    server.redirects["/tiny.onnx"] = "http://[nonsense"
    with pytest.raises(DownloadFailed, match=r"/tiny\.onnx: no usable address"):
        fetch(tmp_path)


@pytest.mark.usefixtures("row")
def test_disk_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadFailed, match=r"cannot use .*file/cache"):
        fetch(tmp_path / "file" / "cache")


# The wrong file


@pytest.mark.usefixtures("row")
def test_wrong_content_is_deleted(tmp_path: Path, server: WeightsServer) -> None:
    server.files["/tiny.onnx"] = OTHER
    with pytest.raises(WeightsCorrupt, match=rf"{sha256(OTHER)}, expected {sha256(ONNX)}; .*{server.url}.* deleted"):
        fetch(tmp_path)
    assert left_in(tmp_path) == set()


@pytest.mark.usefixtures("row")
def test_wrong_size_is_not_even_fetched(tmp_path: Path, server: WeightsServer) -> None:
    server.files["/tiny.onnx"] = ONNX * 3
    with pytest.raises(WeightsCorrupt, match=f"{len(ONNX) * 3} bytes, expected {len(ONNX)}"):
        fetch(tmp_path)
    assert left_in(tmp_path) == set()


@pytest.mark.usefixtures("row")
def test_damaged_file_is_told_by_verify_and_replaced_by_pull(tmp_path: Path, server: WeightsServer) -> None:
    path = fetch(tmp_path)
    for damaged in (OTHER, ONNX[:-1]):
        path.write_bytes(damaged)
        with pytest.raises(WeightsCorrupt, match="expected"):
            verify("tiny", tmp_path)
        with pytest.raises(DownloadFailed, match="no intact file"):
            fetch(tmp_path, environ={"HF_HUB_OFFLINE": "1"})
        assert path.read_bytes() == damaged
        assert fetch(tmp_path).read_bytes() == ONNX
    assert len(server.asked) == 3


@pytest.mark.usefixtures("row")
def test_verify_tells_what_it_read(tmp_path: Path) -> None:
    path = fetch(tmp_path)
    told = verify("tiny", tmp_path)
    assert (told.name, told.path, told.size_bytes, told.sha256) == ("tiny", path, len(ONNX), sha256(ONNX))
    assert told.compared_with == "table"


@pytest.mark.usefixtures("unknown_sha256")
def test_first_download_is_trusted_and_then_enforced(tmp_path: Path, server: WeightsServer) -> None:
    path = fetch(tmp_path)
    assert left_in(tmp_path) == {"tiny.onnx", "tiny.onnx.sha256"}
    assert (tmp_path / "tiny.onnx.sha256").read_text() == f"{sha256(ONNX)}  tiny.onnx\n"
    assert verify("tiny", tmp_path).compared_with == "first download"
    path.unlink()
    server.files["/tiny.onnx"] = OTHER
    with pytest.raises(WeightsCorrupt, match=rf"{sha256(OTHER)}, expected {sha256(ONNX)} .*tiny\.onnx\.sha256"):
        fetch(tmp_path)
    assert left_in(tmp_path) == {"tiny.onnx.sha256"}
    server.files["/tiny.onnx"] = ONNX
    assert fetch(tmp_path) == path


@pytest.mark.usefixtures("unknown_sha256")
def test_file_put_there_by_hand_is_compared_with_nothing(tmp_path: Path, server: WeightsServer) -> None:
    (tmp_path / "tiny.onnx").write_bytes(OTHER)
    assert verify("tiny", tmp_path).compared_with == "nothing"
    assert fetch(tmp_path).read_bytes() == OTHER
    assert server.asked == []


@pytest.mark.usefixtures("unknown_sha256")
@pytest.mark.parametrize("record", [b"", b"\xff"])
def test_unreadable_record_trusts_nothing(record: bytes, tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx.sha256").write_bytes(record)
    with pytest.raises(WeightsCorrupt):
        fetch(tmp_path)


# Zips


@pytest.mark.usefixtures("zipped")
def test_zip_gives_its_onnx_and_nothing_else(tmp_path: Path, server: WeightsServer) -> None:
    server.cuts = [500]
    assert fetch(tmp_path).read_bytes() == ONNX
    assert [request.range for request in server.asked] == [None, "bytes=500-"]
    assert left_in(tmp_path) == {"tiny.onnx"}


def test_zip_hash_is_checked_where_known(
    zipped: Weights, tmp_path: Path, server: WeightsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    actual = sha256(server.files["/tiny.zip"])
    put(replace(zipped, archive_sha256="0" * 64), monkeypatch)
    with pytest.raises(WeightsCorrupt, match=f"{actual}, expected {'0' * 64}"):
        fetch(tmp_path)
    assert left_in(tmp_path) == set()
    put(replace(zipped, archive_sha256=actual), monkeypatch)
    assert fetch(tmp_path).read_bytes() == ONNX


@pytest.mark.usefixtures("zipped")
@pytest.mark.parametrize("name", ["../evil.onnx", "a/../../evil", "/tmp/evil", "..\\evil", "C:\\evil", "C:evil"])  # noqa: S108
def test_zip_that_leaves_its_folder_is_refused(name: str, tmp_path: Path, server: WeightsServer) -> None:
    server.files["/tiny.zip"] = zip_of({"end2end.onnx": ONNX, name: b"evil"})
    with pytest.raises(WeightsCorrupt, match="leaves its folder"):
        fetch(tmp_path / "cache")
    assert left_in(tmp_path / "cache") == set()
    assert left_in(tmp_path) == {"cache"}


BROKEN = bytearray(zip_of({"end2end.onnx": ONNX}))
BROKEN[200:300] = bytes(100)


@pytest.mark.usefixtures("zipped")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zip_of({"pipeline.json": b"{}"}), "0 .onnx members"),
        (zip_of({"a.onnx": ONNX, "b.onnx": ONNX}), "2 .onnx members"),
        (zip_of({"end2end.onnx": OTHER}), f"{sha256(OTHER)}, expected {sha256(ONNX)}"),
        (zip_of({"end2end.onnx": b"short"}), f"5 bytes, expected {len(ONNX)}"),
        (b"<html>not found</html>", "not a usable zip"),
        (zip_of({"end2end.onnx": ONNX}, zipfile.ZIP_LZMA), "compressed in an unusual way"),
        (zip_of({"end2end.onnx": ONNX, "ü": b""}).replace("ü".encode(), b"\xff\xff"), "not a usable zip"),
        (bytes(BROKEN), "not a usable zip"),
        (b"", "not a usable zip"),
    ],
)
def test_unusable_zip_is_deleted(content: bytes, message: str, tmp_path: Path, server: WeightsServer) -> None:
    server.files["/tiny.zip"] = content
    with pytest.raises(WeightsCorrupt, match=message):
        fetch(tmp_path)
    assert left_in(tmp_path) == set()


# Several at once


@pytest.mark.usefixtures("unknown_sha256")
def test_threads_that_pull_the_same_name_share_one_download(tmp_path: Path, server: WeightsServer) -> None:
    server.pause_s = 0.1
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(lambda _: fetch(tmp_path), range(8)))
    assert set(paths) == {tmp_path / "tiny.onnx"}
    assert paths[0].read_bytes() == ONNX
    assert len(server.asked) == 1


def test_processes_that_pull_the_same_name_share_one_download(
    row: Weights, tmp_path: Path, server: WeightsServer
) -> None:
    server.pause_s = 0.5
    code = f"""
from pathlib import Path
from pose_core.pull import pull
from pose_core.weights import WEIGHTS, Weights
WEIGHTS["tiny"] = {row!r}
print(pull("tiny", Path({str(tmp_path)!r}), environ={{}}).stat().st_size)
"""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=Path(weights.__file__).parents[1],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(3)
    ]
    assert [process.communicate(timeout=60)[0] for process in started] == [f"{len(ONNX)}\n".encode()] * 3
    assert len(server.asked) == 1
    assert left_in(tmp_path) == {"tiny.onnx"}


@pytest.mark.usefixtures("row")
def test_process_that_died_leaves_no_stale_lock(tmp_path: Path) -> None:
    (tmp_path / "tiny.onnx.lock").touch()
    (tmp_path / "tiny.onnx.part").write_bytes(b"half")
    assert fetch(tmp_path).read_bytes() == ONNX
