"""Reading pictures: exactly, at a reduced size, from memory, and what is said of the unreadable ones."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from pose_core.errors import InvalidImage
from pose_core.geometry import CropRegion, photo_to_crop
from pose_core.types import Image, Size
from tests.training.data_folder import gradient, jpeg
from training.data.pictures import LeastRecentlyUsed, PictureReader, decode_picture, reduced_matrix, reduction_for
from training.data.records import Picture

INPUT = Size(192, 256)


def ramp(size: Size) -> Image:
    """Red is 3 x, green 3 y."""
    y, x = np.mgrid[: size.height, : size.width]
    return np.stack([3 * x, 3 * y, np.full_like(x, 100)], axis=-1).astype(np.uint8)


def region(width: float) -> CropRegion:
    return CropRegion(0.0, 0.0, width, width / 192 * 256)


# ---- the rule


@pytest.mark.parametrize(
    ("width", "reduction"),
    [(1.0, 1), (192.0, 1), (383.9, 1), (384.0, 2), (767.9, 2), (768.0, 4), (1536.0, 8), (1e5, 8)],
)
def test_reduction_is_the_largest_that_does_not_enlarge(width: float, reduction: int) -> None:
    assert reduction_for(region(width), INPUT) == reduction


@given(st.floats(1, 1e5))
def test_a_crop_is_never_enlarged_by_the_reduction(width: float) -> None:
    reduction = reduction_for(region(width), INPUT)
    assert reduction == 1 or width / reduction >= INPUT.width


# ---- pixels


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize("size", [Size(80, 64), Size(83, 61), Size(81, 33)])
def test_a_reduced_pixel_is_where_the_matrix_says(reduction: int, size: Size) -> None:
    """The colour at a reduced pixel is the ramp's at the place the matrix gives for it."""
    image, found = decode_picture(jpeg(ramp(size)), size, reduction)
    assert found == reduction
    assert image.shape == (-(-size.height // reduction), -(-size.width // reduction), 3)
    matrix = reduced_matrix(np.array([[1.0, 0, 0], [0, 1, 0]]), reduction)
    whole = size.height // reduction, size.width // reduction  # the last ones may cover less
    y, x = np.mgrid[: whole[0], : whole[1]]
    place = photo_to_crop(np.stack([x, y], axis=-1).astype(float), matrix)
    difference = image[: whole[0], : whole[1], :2] - 3 * place
    assert abs(difference).max() <= 3
    assert abs(difference.mean(axis=(0, 1))).max() < 0.8, "half a pixel would be 1.5"


def test_an_overhang_moves_the_first_column() -> None:
    """A photo of 7 columns, mirrored and halved to 4: the first reduced column covers the columns -1 and 0."""
    matrix = reduced_matrix(np.array([[1.0, 0, 5], [0, 1, 0]]), 2, overhang_px=1)
    np.testing.assert_allclose(matrix @ [[0], [0], [1]], [[4.5], [0.5]])
    np.testing.assert_allclose(matrix @ [[3], [0], [1]], [[10.5], [0.5]])


def test_without_reduction_the_matrix_stays_exactly() -> None:
    matrix = np.array([[0.1, 0.7, 3.3], [-0.7, 0.1, 1.1]])
    np.testing.assert_array_equal(reduced_matrix(matrix, 1), matrix)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 4, 8]))
def test_every_size_is_read(width: int, height: int, reduction: int) -> None:
    image, found = decode_picture(jpeg(gradient(Size(width, height))), Size(width, height), reduction)
    assert image.shape == (-(-height // found), -(-width // found), 3)


def test_full_size_is_what_opencv_and_serving_see() -> None:
    data = jpeg(gradient())
    image, _ = decode_picture(data, Size(120, 90))
    bgr = np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))
    np.testing.assert_array_equal(image, bgr[..., ::-1])


def test_png_is_read_and_not_reduced() -> None:
    data = cv2.imencode(".png", gradient()[..., ::-1])[1].tobytes()
    image, reduction = decode_picture(data, Size(120, 90), 4)
    assert reduction == 1
    np.testing.assert_array_equal(image, gradient())


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_become_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "picture.jpg"
    Pillow.fromarray(gradient()).convert(mode).save(path, quality=95)
    image, _ = decode_picture(path.read_bytes(), Size(120, 90), 2)
    assert image.shape[2] == 3
    assert np.ptp(image) > 50


def test_orientation_in_exif_is_not_followed(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    path = tmp_path / "picture.jpg"
    Pillow.fromarray(gradient()).save(path, exif=exif)
    assert decode_picture(path.read_bytes(), Size(120, 90)).image.shape == (90, 120, 3)


@pytest.mark.parametrize("reduction", [1, 4])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no picture"),
        (b"no picture at all", "no picture"),
        (b"\xff\xd8", "damaged"),
        (jpeg(gradient())[:1500], "damaged"),
        (jpeg(gradient(Size(90, 120))), "90 x 120 pixels, the annotations say 120 x 90"),
    ],
    ids=["empty", "text", "start only", "half", "turned"],
)
def test_unreadable_content_is_an_error(data: bytes, message: str, reduction: int) -> None:
    with pytest.raises(InvalidImage, match=message):
        decode_picture(data, Size(120, 90), reduction)


# ---- the reader


@pytest.fixture
def picture(tmp_path: Path) -> Picture:
    (tmp_path / "1.jpg").write_bytes(jpeg(gradient()))
    return Picture(1, tmp_path / "1.jpg", Size(120, 90))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidImage, match="No such file"):
        PictureReader().read(Picture(1, tmp_path / "1.jpg", Size(120, 90)))


def test_pixels_in_memory_are_taken_as_they_are() -> None:
    pixels = gradient()
    image, reduction = PictureReader().read(Picture(1, Path("drawn"), Size(120, 90), pixels), 8)
    assert image is pixels
    assert reduction == 1


def test_decoded_pictures_are_remembered_by_reduction(picture: Picture) -> None:
    reader = PictureReader(10**6)
    first, half = reader.read(picture), reader.read(picture, 2)
    picture.file.unlink()
    assert reader.read(picture).image is first.image
    assert reader.read(picture, 2).image is half.image
    with pytest.raises(InvalidImage):
        reader.read(picture, 4)


def test_files_are_remembered_for_all_reductions(picture: Picture) -> None:
    reader = PictureReader(10**6, "encoded")
    first = reader.read(picture)
    picture.file.unlink()
    np.testing.assert_array_equal(reader.read(picture).image, first.image)
    assert reader.read(picture, 2).image.shape == (45, 60, 3)


def test_nothing_is_remembered_by_default(picture: Picture) -> None:
    reader = PictureReader()
    reader.read(picture)
    picture.file.unlink()
    with pytest.raises(InvalidImage):
        reader.read(picture)


def test_the_least_recently_used_is_forgotten() -> None:
    cache = LeastRecentlyUsed[str, bytes](10, len)
    made: list[str] = []

    def ask(key: str, size: int) -> None:
        def make() -> bytes:
            made.append(key)
            return bytes(size)

        assert len(cache.get(key, make)) == size

    for key, size in (("a", 4), ("b", 4), ("a", 4), ("c", 4), ("a", 4), ("b", 4), ("huge", 11), ("a", 4)):
        ask(key, size)
    assert made == ["a", "b", "c", "b", "huge"]
