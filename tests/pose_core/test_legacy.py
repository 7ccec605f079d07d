"""The peers' resizes: their recorded pixels, and their rules by hand."""

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pose_core.geometry import shorter_side_size
from pose_core.legacy import LEGACY_RESIZES, pad_to_grid, resize_shorter_side, resize_to_grid
from pose_core.types import Image, Size

pictures = st.builds(
    lambda width, height: np.full((height, width, 3), 7, np.uint8), st.integers(1, 200), st.integers(1, 200)
)
resolutions = st.integers(1, 8).map(lambda eighth: eighth * 64)


def digest(image: Image) -> str:
    return hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:24]


def shape(image: Image) -> list[int]:
    return list(image.shape[:2])


# ---- parity


@pytest.fixture(scope="module")
def recorded(shared: Path) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((shared / "oracles" / "prepost" / "oracle.json").read_text())["resize"]
    return cases


@pytest.mark.shared
@pytest.mark.parametrize("case", range(48))
def test_resized_photos_equal_the_pre_processors(shared: Path, recorded: list[dict[str, Any]], case: int) -> None:
    about = recorded[case]
    photo = np.asarray(cv2.imread(str(shared / "oracles" / "prepost" / "pictures" / about["photo"])))
    height, width = about["hw"]
    photo = photo if shape(photo) == about["hw"] else cv2.resize(photo, (width, height))
    assert digest(photo) == about["src"], "another OpenCV than the recordings'"
    unpadded = resize_shorter_side(photo, about["res"])
    padded = pad_to_grid(unpadded)
    for peer in ("web", "comfy"):
        assert about[peer] == [shape(padded), shape(unpadded), digest(padded)]
    on_grid = resize_to_grid(photo, about["res"])
    assert about["hf_and_easy"] == [shape(on_grid), digest(on_grid)]


@pytest.mark.shared
@pytest.mark.parametrize("case", range(26))
def test_resized_maps_equal_comfyuis(shared: Path, case: int) -> None:
    folder = shared / "oracles" / "render"
    index = json.loads((folder / "index.json").read_text())
    name, resolution = index["cases"][case]["name"], index["cases"][case]["comfy_resolution"]
    drawn = np.ascontiguousarray(np.asarray(cv2.imread(str(folder / f"{name}.comfy_canvas.png")))[..., ::-1])
    resized = LEGACY_RESIZES["comfyui"].after(drawn, drawn, resolution)
    assert digest(resized) == index["sha256_24_of_RGB_bytes"][f"{name}.comfy_res{resolution}"].split()[0]


# ---- rules by hand


@pytest.mark.parametrize(
    ("photo", "resolution", "size"),
    [((427, 640), 512, (512, 767)), ((640, 427), 512, (767, 512)), ((1, 1), 64, (64, 64)), ((100, 100), 50, (50, 50))],
)
def test_the_shorter_side_becomes_the_resolution(
    photo: tuple[int, int], resolution: int, size: tuple[int, int]
) -> None:
    assert resize_shorter_side(np.zeros((*photo, 3), np.uint8), resolution).shape[:2] == size


@pytest.mark.parametrize(
    ("photo", "resolution", "size"),
    [
        ((427, 640), 512, (512, 768)),
        ((427, 660), 512, (512, 768)),  # 791 is nearer to 768 than to 832
        ((100, 112), 64, (64, 64)),
        ((100, 1000), 30, (64, 320)),  # our own floor: the peers fail at 0 rows
    ],
)
def test_both_sides_become_multiples_of_64(photo: tuple[int, int], resolution: int, size: tuple[int, int]) -> None:
    assert resize_to_grid(np.zeros((*photo, 3), np.uint8), resolution).shape[:2] == size


def test_padding_repeats_the_last_row_and_column(photo: Image) -> None:
    padded = pad_to_grid(photo)
    assert padded.shape == (128, 192, 3)
    np.testing.assert_array_equal(padded[:120, :160], photo)
    assert (padded[:120, 160:] == photo[:, -1:]).all()
    assert (padded[120:, :160] == photo[-1]).all()
    assert (padded[120:, 160:] == photo[-1, -1]).all()


def test_whole_multiples_are_not_padded() -> None:
    assert pad_to_grid(np.zeros((64, 192, 3), np.uint8)).shape == (64, 192, 3)


def test_shrinking_averages() -> None:
    edge = np.zeros((128, 128, 3), np.uint8)
    edge[:, 63:] = 200
    for resize in (resize_shorter_side, resize_to_grid):
        assert sorted(set(resize(edge, 64).ravel().tolist())) == [0, 100, 200]


def test_enlarging_rings_at_edges() -> None:
    """Bicubic to two pixels from the edge, and Lanczos, on the grid, to four."""
    edge = np.zeros((64, 64, 3), np.uint8)
    edge[:, 32:] = 200
    bicubic, lanczos = resize_shorter_side(edge, 128)[0, 64:, 0], resize_to_grid(edge, 128)[0, 64:, 0]
    assert bicubic.max() > 200
    assert (bicubic[4:] == 200).all()
    assert (lanczos[4:8] != 200).any()
    assert (lanczos[8:] == 200).all()


def test_the_same_size_stays_as_it_is(photo: Image) -> None:
    np.testing.assert_array_equal(resize_shorter_side(photo, 120), photo)


# ---- peers


@pytest.mark.parametrize(
    ("peer", "looked_at", "handed_out"),
    [
        ("comfyui", (100, 150), (512, 768)),
        ("huggingface", (512, 768), (512, 768)),
        ("webui", (512, 768), (512, 768)),
    ],
)
def test_sizes_of_each_peer(peer: str, looked_at: tuple[int, int], handed_out: tuple[int, int]) -> None:
    photo = np.zeros((100, 150, 3), np.uint8)
    picture = LEGACY_RESIZES[peer].before(photo, 512)
    assert picture.shape[:2] == looked_at
    assert LEGACY_RESIZES[peer].after(picture, photo, 512).shape[:2] == handed_out


@settings(deadline=None, max_examples=15)
@given(photo=pictures, resolution=resolutions)
def test_webui_cuts_its_padding_away_again(photo: Image, resolution: int) -> None:
    peer = LEGACY_RESIZES["webui"]
    picture = peer.before(photo, resolution)
    assert picture.shape[0] % 64 == picture.shape[1] % 64 == 0
    assert Size.of(peer.after(picture, photo, resolution)) == shorter_side_size(Size.of(photo), resolution)


@settings(deadline=None, max_examples=15)
@given(photo=pictures, resolution=resolutions)
def test_huggingface_keeps_to_its_grid(photo: Image, resolution: int) -> None:
    peer = LEGACY_RESIZES["huggingface"]
    picture = peer.before(photo, resolution)
    assert picture.shape[0] % 64 == picture.shape[1] % 64 == 0
    assert min(picture.shape[:2]) == resolution
    assert peer.after(picture, photo, resolution).shape == picture.shape


def test_comfyui_looks_at_the_photo_itself(photo: Image) -> None:
    assert LEGACY_RESIZES["comfyui"].before(photo, 512) is photo


@pytest.mark.parametrize("peer", LEGACY_RESIZES)
def test_a_uniform_picture_stays_uniform(peer: str) -> None:
    photo = np.full((90, 130, 3), 77, np.uint8)
    picture = LEGACY_RESIZES[peer].before(photo, 128)
    assert (LEGACY_RESIZES[peer].after(picture, photo, 128) == 77).all()
