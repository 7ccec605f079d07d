"""From photo and boxes to keypoints: batches, crops, the way back, and scores that nobody touches."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pose_core.codecs import Heatmap, SimCC
from pose_core.errors import ModelError
from pose_core.estimators import EstimatorSpec
from pose_core.estimators.estimator import IMAGENET_MEAN, IMAGENET_STD
from pose_core.estimators.top_down import crop_tensor, estimate, points_of_photo
from pose_core.geometry import CropRegion, crop_region
from pose_core.session import BATCH_SIZES, Session, open_session
from pose_core.skeleton import KEYPOINT_COUNT
from pose_core.steps import run_steps
from pose_core.timing import Timer
from pose_core.types import Image, PeopleKeypoints, PersonBox, Size
from tests import tiny_onnx

SIZE = Size(48, 64)
SPEC = EstimatorSpec(input_size=SIZE)
REDS = np.arange(20) * 12 + 10
"""A red of its own for each of 20 people."""


@pytest.fixture(scope="module")
def colour_session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """A network that scores every point by the red of its crop."""
    return open_session(tiny_onnx.mean_colour(tmp_path_factory.mktemp("net") / "tiny.onnx", (48, 64)), "cpu", threads=1)


def crowd() -> tuple[Image, list[PersonBox]]:
    """Twenty people as patches of 64 x 64 pixels, and boxes well inside them."""
    patches = np.kron(REDS.reshape(4, 5), np.ones((64, 64))).astype(np.uint8)
    photo = np.stack([patches, patches * 0, patches * 0], axis=-1)
    corners = [(64.0 * column, 64.0 * row) for row in range(4) for column in range(5)]
    return photo, [PersonBox(x + 22, y + 20, x + 42, y + 44) for x, y in corners]


def look(
    session: Session, spec: EstimatorSpec, image: Image, boxes: Sequence[PersonBox], timer: Timer
) -> PeopleKeypoints:
    """Photo and boxes in, everybody's keypoints out."""
    return run_steps(estimate(session, spec, image, boxes, timer), timer)


def red_of(people: np.ndarray) -> np.ndarray:
    """The red that each person's crop showed."""
    return np.rint(people[:, 0, 2] * IMAGENET_STD[0] + IMAGENET_MEAN[0]).astype(int)


# ---- crops


def test_crops_are_normalised_rgb_planes() -> None:
    photo = np.full((100, 100, 3), (10, 20, 30), np.uint8)
    tensor = crop_tensor(photo, [CropRegion(50.0, 50.0, 30.0, 40.0)], SPEC)
    assert tensor.shape == (1, 3, 64, 48)
    expected = (np.array([10, 20, 30]) - IMAGENET_MEAN) / IMAGENET_STD
    np.testing.assert_allclose(tensor[0, :, 32, 24], expected, rtol=1e-6)


def test_mean_and_deviation_are_the_specs(photo: Image) -> None:
    spec = replace(SPEC, mean=(0.0, 0.0, 0.0), std=(1.0, 2.0, 4.0))
    tensor = crop_tensor(np.full_like(photo, 100), [CropRegion(80.0, 60.0, 30.0, 40.0)], spec)
    assert tensor[0, :, 32, 24].tolist() == [100, 50, 25]


# ---- the way back


def test_points_go_back_through_their_persons_region() -> None:
    points = np.zeros((2, KEYPOINT_COUNT, 3), np.float32)
    points[..., :2] = 24, 32  # the middle of the crop
    points[..., 2] = 0.5
    placed = points_of_photo(points, [CropRegion(10.0, 20.0, 30.0, 40.0), CropRegion(5.0, 6.0, 3.0, 4.0)], SPEC)
    assert placed[:, 7].tolist() == [[10, 20, 0.5], [5, 6, 0.5]]
    assert (points[..., 0] == 24).all(), "the codec's array was overwritten"


def test_a_network_with_another_number_of_points_is_refused() -> None:
    with pytest.raises(ModelError, match="answers 17 points; scheme coco-wholebody has 133"):
        points_of_photo(np.zeros((1, 17, 3), np.float32), [CropRegion(0.0, 0.0, 3.0, 4.0)], SPEC)


# ---- all of it


def test_known_points_come_out_where_they_are_in_the_photo(tmp_path: Path, photo: Image) -> None:
    """Crop pixel (24, 32) is the box's middle; one crop pixel is 1.25 * 80 / 64 photo pixels."""
    points, scores = np.full((133, 2), (24, 32)), np.full(133, 0.5)
    points[9] = 24 + 16, 32 - 16
    session = open_session(tiny_onnx.simcc(tmp_path / "tiny.onnx", points, scores, (48, 64)), "cpu")
    (person,) = look(session, SPEC, photo, [PersonBox(60.0, 20.0, 90.0, 100.0)], Timer())
    assert person[0].tolist() == [75, 60, 0.5]
    assert person[9].tolist() == [75 + 25, 60 - 25, 0.5]


@pytest.mark.parametrize("provider", BATCH_SIZES)
@pytest.mark.parametrize("count", [1, 3, 8, 20])
def test_nobodys_crop_is_mixed_up_with_anothers(colour_session: Session, provider: str, count: int) -> None:
    """With batches that are filled up, as on CUDA, and with exact ones."""
    photo, boxes = crowd()
    people = look(replace(colour_session, provider=provider), SPEC, photo, boxes[:count], Timer())
    assert red_of(people).tolist() == REDS[:count].tolist()


def test_people_come_in_the_order_of_their_boxes(colour_session: Session) -> None:
    photo, boxes = crowd()
    assert red_of(look(colour_session, SPEC, photo, boxes[::-1], Timer())).tolist() == REDS[::-1].tolist()


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch(tmp_path: Path, photo: Image, batch: int) -> None:
    points, scores = np.full((133, 2), 10), np.linspace(0.1, 1, 133)
    path = tiny_onnx.simcc(tmp_path / "tiny.onnx", points, scores, (48, 64), batch=batch)
    boxes = [PersonBox(10.0 * i, 0.0, 10.0 * i + 30, 40.0) for i in range(5)]
    people = look(open_session(path, "cpu"), SPEC, photo, boxes, Timer())
    np.testing.assert_allclose(people[:, 0, 0] - people[0, 0, 0], [0, 10, 20, 30, 40], atol=1e-4)
    np.testing.assert_allclose(people[..., 2], np.tile(scores, (5, 1)), rtol=1e-6)


def test_scores_are_what_the_network_said(tmp_path: Path, photo: Image) -> None:
    """Negative, tiny and far above one; a SimCC that says -1 everywhere else cannot score lower."""
    scores = np.linspace(-0.99, 12, 133).astype(np.float32)
    path = tiny_onnx.simcc(tmp_path / "tiny.onnx", np.full((133, 2), 10), scores, (48, 64))
    (person,) = look(open_session(path, "cpu"), SPEC, photo, [PersonBox(0.0, 0.0, 30.0, 40.0)], Timer())
    np.testing.assert_array_equal(person[:, 2], scores)


def test_points_that_the_scheme_does_not_know_are_zero(tmp_path: Path, photo: Image) -> None:
    spec = EstimatorSpec(input_size=SIZE, codec=Heatmap(), scheme="coco")
    path = tiny_onnx.heatmaps(tmp_path / "tiny.onnx", np.full((17, 2), 5), np.full(17, 0.5), (48, 64))
    (person,) = look(open_session(path, "cpu"), spec, photo, [PersonBox(0.0, 0.0, 30.0, 40.0)], Timer())
    assert (person[:17, 2] == 0.5).all()
    assert not person[17:].any()


def test_a_network_and_a_scheme_that_disagree(tmp_path: Path, photo: Image) -> None:
    path = tiny_onnx.simcc(tmp_path / "tiny.onnx", np.zeros((26, 2)), np.ones(26), (48, 64))
    with pytest.raises(ModelError, match="answers 26 points"):
        look(open_session(path, "cpu"), SPEC, photo, [PersonBox(0.0, 0.0, 30.0, 40.0)], Timer())


def test_nobody_needs_no_network(colour_session: Session, photo: Image) -> None:
    timer = Timer()
    people = look(colour_session, SPEC, photo, [], timer)
    assert people.shape == (0, KEYPOINT_COUNT, 3)
    assert people.dtype == np.float32
    assert timer.seconds == {}


def test_every_stage_is_timed(colour_session: Session) -> None:
    photo, boxes = crowd()
    timer = Timer()
    look(colour_session, SPEC, photo, boxes, timer)
    assert list(timer.seconds) == ["crop", "pose", "decode_pose"]


def test_odd_photos_and_boxes(colour_session: Session) -> None:
    pixel = np.full((1, 1, 3), 255, np.uint8)
    boxes = [PersonBox(0.0, 0.0, 1.0, 1.0), PersonBox(0.5, 0.5, 0.5, 0.5), PersonBox(-1e6, -1e6, 1e6, 1e6)]
    assert np.isfinite(look(colour_session, SPEC, pixel, boxes, Timer())).all()


def test_a_bin_is_found_for_every_person_and_point(tmp_path: Path, photo: Image, rng: np.random.Generator) -> None:
    """All 133 points at places of their own, in a crop of the real size."""
    spec = EstimatorSpec(input_size=Size(192, 256), codec=SimCC())
    points = rng.integers(0, (384, 512), (133, 2)) / 2
    session = open_session(tiny_onnx.simcc(tmp_path / "tiny.onnx", points, np.full(133, 0.75)), "cpu")
    box = PersonBox(60.0, 20.0, 90.0, 100.0)
    (person,) = look(session, spec, photo, [box], Timer())
    region = crop_region(box, spec.input_size)
    corner = np.array([region.center_x - region.width / 2, region.center_y - region.height / 2])
    np.testing.assert_allclose(person[:, :2], corner + points * region.width / 192, atol=1e-4)
