"""The work behind a request, called directly as the command line does."""

import io
import json

import numpy as np
import pytest

from app.answer import Answer
from app.models import ModelStore
from app.parameters import ConvertParameters, PoseParameters, RenderParameters
from app.service import PoseService
from app.settings import Settings
from pose_core.errors import InvalidImage, InvalidInput, InvalidPoseData, NoPersonFound
from pose_core.steps import run_steps
from pose_core.timing import Timer
from pose_core.types import Image, Size
from tests.app.scenery import LEFT, MIDDLE, PHOTO, RIGHT, keypoints_in, read_png

DOCUMENT = {"people": [], "canvas_width": 8, "canvas_height": 6}


def answer_photo(service: PoseService, photo: Image, parameters: PoseParameters, timer: Timer) -> Answer:
    """The answer to a decoded photo."""
    return run_steps(service.photo_steps(photo, parameters, timer), timer)


@pytest.fixture(scope="module")
def service(settings: Settings) -> PoseService:
    """A service with the tiny networks."""
    return PoseService(ModelStore(settings), settings)


def test_a_photo_becomes_an_answer(service: PoseService, png: bytes) -> None:
    timer = Timer()
    answer = service.answer(png, PoseParameters(), timer)
    assert answer.photo_size == PHOTO
    assert answer.timer is timer
    assert "decode" in timer.seconds
    assert (answer.estimator, answer.detector, answer.warnings) == ("figure", "three people", ())
    for pose, box in zip(answer.poses, (MIDDLE, RIGHT, LEFT), strict=True):
        np.testing.assert_allclose(pose.keypoints, keypoints_in(box), atol=2e-3)


def test_pixels_do_as_well_as_bytes(service: PoseService, png: bytes, photo: Image) -> None:
    from_pixels = answer_photo(service, photo, PoseParameters(), Timer())
    from_bytes = service.answer(png, PoseParameters(), Timer())
    np.testing.assert_array_equal(from_pixels.photo, from_bytes.photo)
    assert from_pixels.map_png() == from_bytes.map_png()


def test_the_scene_lies_on_the_canvas_and_the_poses_in_the_photo(service: PoseService, photo: Image) -> None:
    answer = answer_photo(service, photo, PoseParameters(width=320, max_people=1, parts=("body",)), Timer())
    (person,), (pose,) = answer.scene.people, answer.poses
    assert answer.scene.size == Size(320, 240)
    assert person.body is not None
    np.testing.assert_allclose(person.body[0, :2], 2 * pose.keypoints[0, :2], atol=1e-3)
    assert person.face is person.feet is person.left_hand is person.right_hand is None


def test_a_person_keeps_the_estimators_threshold_unless_asked(service: PoseService, photo: Image) -> None:
    assert answer_photo(service, photo, PoseParameters(), Timer()).threshold == 0.3
    assert answer_photo(service, photo, PoseParameters(keypoint_threshold=0), Timer()).threshold == 0


def test_errors_are_those_of_the_parts(service: PoseService, photo: Image) -> None:
    with pytest.raises(InvalidImage, match="image: the file is empty"):
        service.answer(b"", PoseParameters(), Timer())
    with pytest.raises(NoPersonFound, match="found nobody above person_threshold 1"):
        answer_photo(service, photo, PoseParameters(person_threshold=1, on_empty="error"), Timer())
    with pytest.raises(InvalidPoseData, match="people: expected a list"):
        service.render({"people": 1, "canvas_width": 8, "canvas_height": 6}, RenderParameters())


@pytest.mark.parametrize("given", [{"width": 101, "height": 100}, {"resolution": 101}])
def test_the_largest_canvas(settings: Settings, photo: Image, given: dict[str, int]) -> None:
    limited = settings.model_copy(update={"max_canvas_pixels": 10_000})
    service = PoseService(ModelStore(limited), limited)
    field = next(iter(given))
    with pytest.raises(InvalidInput, match=f"{field}: the map would be .* pixels; at most 10000 are allowed"):
        answer_photo(service, photo, PoseParameters.model_validate(given), Timer())
    with pytest.raises(InvalidInput, match="the map would be"):
        service.render(DOCUMENT, RenderParameters.model_validate(given))
    with pytest.raises(InvalidInput, match="the map would be"):
        service.convert(DOCUMENT, ConvertParameters.model_validate(given))
    assert answer_photo(service, photo, PoseParameters(width=100, height=100), Timer()).scene.size == Size(100, 100)


def test_a_legacy_resize_is_done_to_the_map_alone(service: PoseService, photo: Image) -> None:
    answer = answer_photo(service, photo, PoseParameters(legacy_resize="comfyui", resolution=60), Timer())
    assert answer.photo_size == answer.scene.size == PHOTO
    assert read_png(answer.map_png()).shape == (60, 80, 3)


def test_a_legacy_resize_looks_at_the_peers_picture(service: PoseService, photo: Image) -> None:
    answer = answer_photo(service, photo, PoseParameters(legacy_resize="webui", resolution=60), Timer())
    assert answer.photo_size == answer.scene.size == Size(128, 64)
    assert read_png(answer.map_png()).shape == (60, 80, 3)


def test_a_document_becomes_a_map(service: PoseService) -> None:
    assert read_png(service.render(DOCUMENT, RenderParameters())).shape == (6, 8, 3)
    svg = service.render(DOCUMENT, RenderParameters(format="svg", width=16))
    assert svg.startswith(b'<svg xmlns="http://www.w3.org/2000/svg" width="16" height="12"')


def test_a_document_becomes_another(service: PoseService) -> None:
    converted = service.convert(DOCUMENT, ConvertParameters(dialect="skelmap", width=4))
    assert json.loads(json.dumps(converted)) == {"width": 4, "height": 3, "people": []}


def test_one_service_answers_from_many_formats(service: PoseService, photo: Image) -> None:
    answer = answer_photo(service, photo, PoseParameters(include=("map",)), Timer())
    assert read_png(answer.map_png()).shape == read_png(answer.overlay_png()).shape == photo.shape
    assert answer.map_data_url().startswith("data:image/png;base64,iVBORw0KGgo")
    assert io.StringIO(answer.svg()).readline().startswith("<svg")
