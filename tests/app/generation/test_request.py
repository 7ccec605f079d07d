"""What a request may ask for, and what its errors say."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.generation.limits import GenerationLimits
from app.generation.request import GenerationRequest, Lora, read_request
from app.generation.settings import GenerationSettings
from app.generation.sources import Source, choose_source
from app.problems import describe
from pose_core.errors import InvalidInput

BAD = [
    ("prompt", "a\0b"),
    ("seed", -1),
    ("seed", 2**53),
    ("steps", 0),
    ("guidance", float("nan")),
    ("control_scale", 5),
    ("control_start", 1.1),
    ("control_end", -0.1),
    ("width", 0),
    ("height", 20_000),
    ("images", 0),
    ("strength", 2),
    ("style", "oil"),
    ("fit", "crop"),
    ("on_empty", "cry"),
]


@pytest.mark.parametrize(("field", "value"), BAD)
def test_what_no_server_can_use_is_refused_with_its_field(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        GenerationRequest.model_validate({"prompt": "x", field: value})
    assert describe(refused.value)[0]["field"] == field


def test_a_prompt_is_needed_and_unknown_parameters_are_refused() -> None:
    with pytest.raises(ValidationError) as refused:
        GenerationRequest.model_validate({"stepz": 3})
    assert {finding["field"] for finding in describe(refused.value)} == {"prompt", "stepz"}


def test_the_map_works_for_some_time() -> None:
    with pytest.raises(ValidationError, match=r"has to be after control_start, 0.5, got 0.5"):
        GenerationRequest(prompt="x", control_start=0.5, control_end=0.5)


def test_loras_are_written_with_commas_or_as_records() -> None:
    written = GenerationRequest.model_validate({"prompt": "x", "loras": "ink:0.5, pastel.v2"})
    listed = GenerationRequest.model_validate(
        {"prompt": "x", "loras": [{"name": "ink", "weight": 0.5}, {"name": "pastel.v2"}]}
    )
    assert written.loras == listed.loras == (Lora(name="ink", weight=0.5), Lora(name="pastel.v2", weight=1.0))


@pytest.mark.parametrize("loras", ["../ink", "/etc/ink", "ink:heavy", "ink:9", "ink,ink:0.5", ".hidden"])
def test_loras_are_names_and_each_comes_once(loras: str) -> None:
    with pytest.raises(ValidationError, match="loras"):
        GenerationRequest.model_validate({"prompt": "x", "loras": loras})


LIMITS = GenerationLimits(
    max_steps=10, max_images=2, max_side_px=512, max_pixels=512 * 256, max_prompt_chars=5, max_loras=1
)


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"steps": 11}, "steps", "at most 10 here, got '11'"),
        ({"images": 3}, "images", "at most 2 here"),
        ({"width": 520}, "width", "at most 512 here"),
        ({"height": 520}, "height", "at most 512 here"),
        ({"width": 512, "height": 264}, "width", "at most 131072 pixels here, got '512x264'"),
        ({"prompt": "dancer"}, "prompt", "6 characters; at most 5 here"),
        ({"negative_prompt": "dancer"}, "negative_prompt", "6 characters; at most 5 here"),
        ({"loras": "a,b"}, "loras", "2 of them; at most 1 here"),
    ],
)
def test_a_server_sets_its_own_limits(changes: dict[str, Any], field: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says) as refused:
        read_request({"prompt": "x", **changes}, LIMITS)
    assert refused.value.field == field


def test_what_is_just_allowed_passes() -> None:
    given = {"prompt": "abcde", "steps": 10, "images": 2, "width": 512, "height": 256, "loras": "a"}
    assert read_request(given, LIMITS).steps == 10


@pytest.mark.parametrize("name", GenerationLimits.__dataclass_fields__)
def test_every_limit_is_a_setting_with_a_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = {"max_pixels": 5000, "max_side_px": 100}.get(name, 3)
    monkeypatch.setenv(f"SKELMAP_GENERATION_{name.upper()}", str(allowed))
    assert getattr(GenerationSettings().limits, name) == allowed
    assert GenerationSettings.model_fields[name].description


def test_settings_of_a_server_without_generation() -> None:
    settings = GenerationSettings()
    assert not settings.enabled
    assert settings.limits == GenerationLimits()


@pytest.mark.parametrize("sent", [{}, {"photo": None}, {"photo": b"x", "map": b"y"}])
def test_exactly_one_source_is_needed(sent: dict[str, bytes | None]) -> None:
    with pytest.raises(InvalidInput, match=r"source: exactly one is needed, got .*; valid: photo, pose, map"):
        choose_source(sent)


def test_the_source_keeps_its_bytes() -> None:
    assert choose_source({"photo": None, "pose": b"{}"}, b"init") == Source("pose", b"{}", b"init")


@pytest.mark.parametrize(("sent", "init", "field"), [({"map": b""}, None, "map"), ({"map": b"x"}, b"", "init_image")])
def test_empty_files_are_refused(sent: dict[str, bytes | None], init: bytes | None, field: str) -> None:
    with pytest.raises(InvalidInput, match=f"{field}: is empty"):
        choose_source(sent, init)
