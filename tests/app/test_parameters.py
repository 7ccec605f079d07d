"""Parameters as records: what they accept, and what they mean. Their errors over HTTP: `test_bad_requests`."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.parameters import MAP_PARTS, CanvasParameters, ConvertParameters, PoseParameters, RenderParameters
from app.problems import describe
from pose_core.skeleton import PARTS
from pose_core.types import PersonBox, Size

EVERY = [CanvasParameters, PoseParameters, RenderParameters, ConvertParameters]


@pytest.mark.parametrize("model", EVERY)
def test_nothing_is_required(model: type[CanvasParameters]) -> None:
    parameters = model()
    assert (parameters.style, parameters.dialect, parameters.fit) == ("controlnet", "a1111", "contain")
    assert parameters.parts == (PARTS if model is ConvertParameters else MAP_PARTS)
    assert parameters.canvas_size(Size(7, 5)) == Size(7, 5)


@pytest.mark.parametrize("model", EVERY)
def test_every_parameter_says_what_it_is(model: type[CanvasParameters]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("asked", "photo", "size"),
    [
        ({"resolution": 512}, (1000, 500), (1024, 512)),
        ({"resolution": 512}, (500, 1000), (512, 1024)),
        ({"resolution": 1}, (1000, 3), (333, 1)),
        ({"resolution": 5}, (10, 10), (5, 5)),
        ({"resolution": 1}, (2, 5), (1, 2)),  # 2.5 rounds to even, as in the WebUI
        ({"width": 10}, (100, 3), (10, 1)),
        ({"width": 1}, (16384, 1), (1, 1)),
        ({"height": 1}, (1, 16384), (1, 1)),
        ({"height": 50}, (200, 100), (100, 50)),
        ({"width": 3, "height": 4}, (200, 100), (3, 4)),
    ],
)
def test_canvas_size(asked: dict[str, int], photo: tuple[int, int], size: tuple[int, int]) -> None:
    assert CanvasParameters.model_validate(asked).canvas_size(Size(*photo)) == Size(*size)


@pytest.mark.parametrize("given", ["body,face", " body , face ", ",body,,face,", ["body", "face"], ("body", "face")])
def test_lists_come_with_commas_or_as_lists(given: object) -> None:
    assert CanvasParameters.model_validate({"parts": given}).parts == ("body", "face")


@pytest.mark.parametrize("given", ["[[1, 2, 3, 4.5]]", [[1, 2, 3, 4.5]], [("1", "2", "3", "4.5")]])
def test_boxes_come_as_json_or_as_lists(given: object) -> None:
    request = PoseParameters.model_validate({"boxes": given}).people_request(64)
    assert request.boxes == (PersonBox(1.0, 2.0, 3.0, 4.5, score=1.0),)


@pytest.mark.parametrize(("asked", "most", "people"), [(None, 64, 64), (3, 64, 3), (64, 3, 3)])
def test_the_smaller_number_of_people_counts(asked: int | None, most: int, people: int) -> None:
    assert PoseParameters(max_people=asked).people_request(most).max_people == people


def test_a_request_for_people_repeats_the_parameters() -> None:
    request = PoseParameters(person_threshold=0.0, order="area", on_empty="error").people_request(1)
    assert (request.threshold, request.order, request.on_empty) == (0.0, "area", "error")
    assert PoseParameters().people_request(1).threshold is None


def test_a_canvas_has_two_sides() -> None:
    assert RenderParameters(canvas_width=3, canvas_height=4).canvas == Size(3, 4)
    assert RenderParameters().canvas is None


def finding(model: type[CanvasParameters], **given: Any) -> tuple[str, str]:
    """Field and message of the only thing that is wrong."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(given)
    (only,) = describe(caught.value)
    return only["field"], only["message"]


@pytest.mark.parametrize("other", [{"width": 1}, {"height": 1}, {"width": 1, "height": 1}])
def test_one_size_is_enough(other: dict[str, int]) -> None:
    expected = "resolution", "cannot be combined with width or height"
    assert finding(CanvasParameters, resolution=1, **other) == expected


def test_conflicts_name_the_field_to_change() -> None:
    assert finding(PoseParameters, legacy_resize="webui", width=9) == ("legacy_resize", "needs resolution")
    assert finding(RenderParameters, canvas_height=9)[0] == "canvas_width"


@pytest.mark.parametrize("legacy", ["webui", "huggingface"])
def test_boxes_do_not_fit_a_picture_that_is_resized_first(legacy: str) -> None:
    given = {"legacy_resize": legacy, "resolution": 60, "boxes": [[0, 0, 160, 120]]}
    assert finding(PoseParameters, **given)[0] == "boxes"


def test_a_finding_inside_a_list_hides_what_follows_from_it() -> None:
    field, message = finding(PoseParameters, boxes=[[0, 0, 1, 1], [3, 0, 1, 1]])
    assert field == "boxes[1]"
    assert message == "expected [left, top, right, bottom] with right > left and bottom > top"


def test_long_values_are_cut_in_messages() -> None:
    with pytest.raises(ValidationError) as caught:
        PoseParameters.model_validate({"style": "x" * 1000})
    (only,) = describe(caught.value)
    assert only["value"] == "x" * 97 + "..."


def test_parameters_stay_as_they_are() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PoseParameters().width = 3  # type: ignore[misc]
