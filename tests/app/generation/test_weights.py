"""Model files before anything reads them; no torch is needed to refuse them."""

import hashlib
import json
import struct
from pathlib import Path

import pytest

from app.generation.weights import check_folder, check_safetensors
from pose_core.errors import ModelError, WeightsCorrupt


def write_weights(path: Path, values: bytes = b"\0" * 8) -> Path:
    """A safetensors file with two float32 numbers."""
    tensor = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "weight": tensor}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(header)) + header + values)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of two parts."""
    write_weights(tmp_path / "unet" / "model.safetensors")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "vocab.json").write_text("{}")
    return tmp_path


def test_a_whole_model_passes(folder: Path) -> None:
    check_folder(folder, sums=True)


@pytest.mark.parametrize("kept", [0, 7, 8, 50, -1])
def test_a_file_that_is_cut_off_is_named(folder: Path, kept: int) -> None:
    path = folder / "unet" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(WeightsCorrupt, match=r"unet/model.safetensors is cut off or damaged"):
        check_folder(folder, sums=False)


@pytest.mark.parametrize(
    "header", [b"[]", b"{", b'{"a": 1}', b'{"a": {"data_offsets": "x"}}', b"\xff\xff", b"[" * 5000]
)
def test_a_header_that_cannot_be_read_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(WeightsCorrupt, match=r"model.safetensors is damaged"):
        check_safetensors(path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.ckpt", "weights.pt"])
def test_pickles_are_refused_by_name(folder: Path, name: str) -> None:
    (folder / "vae").mkdir()
    (folder / "vae" / name).write_bytes(b"\x80\x04")
    with pytest.raises(ModelError, match=rf"vae/{name} is refused: reading it can run code"):
        check_folder(folder, sums=False)


def test_pickles_beside_safetensors_are_left_alone(folder: Path) -> None:
    (folder / "unet" / "model.bin").write_bytes(b"\x80\x04")
    check_folder(folder, sums=False)


def test_a_flipped_byte_is_found_by_its_checksum(folder: Path) -> None:
    path = folder / "unet" / "model.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  unet/model.safetensors\n{digest.upper()} *unet/model.safetensors\n")
    check_folder(folder, sums=True)
    write_weights(path, b"\1" + b"\0" * 7)
    check_folder(folder, sums=False)
    with pytest.raises(WeightsCorrupt, match=rf"unet/model.safetensors is damaged: .*{digest}"):
        check_folder(folder, sums=True)


@pytest.mark.parametrize("name", ["unet/other.safetensors", "../secret"])
def test_checksums_of_files_that_are_not_there_are_refused(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("x")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(WeightsCorrupt, match="is missing"):
        check_folder(folder, sums=True)


def test_the_hub_cache_names_files_by_their_checksums(folder: Path) -> None:
    path = folder / "unet" / "model.safetensors"
    blob = folder / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
    blob.parent.mkdir()
    path.rename(blob)
    path.symlink_to(blob)
    check_folder(folder, sums=True)
    write_weights(blob, b"\1" + b"\0" * 7)
    with pytest.raises(WeightsCorrupt, match=r"unet/model.safetensors is damaged"):
        check_folder(folder, sums=True)
