"""Settings: one environment variable each, checked before anything starts."""

import pytest
from pydantic import ValidationError

from app.images import ImageLimits
from app.settings import Settings

BAD = [
    ("device", "gpu"),
    ("threads", -1),
    ("threads", "many"),
    ("detector_channels", "rgba"),
    ("detector_size_px", 31),
    ("detector_size_px", 100),
    ("max_loaded_models", 1),
    ("workers", 0),
    ("max_active", 0),
    ("max_queue", -1),
    ("max_queue_items", 0),
    ("max_batch_size", -1),
    ("max_batch_delay_s", -0.1),
    ("max_batch_delay_s", 2),
    ("request_timeout_s", 0),
    ("drain_delay_s", -1),
    ("shutdown_timeout_s", 0),
    ("max_bytes", 0),
    ("max_pixels", 0),
    ("max_side_px", 0),
    ("max_canvas_pixels", 0),
    ("max_people", 0),
    ("max_people", 1001),
]


def test_defaults_are_the_networks_of_the_package_on_any_device() -> None:
    settings = Settings()
    assert (settings.estimator, settings.detector, settings.device) == ("skelmap-t", "skelmap-det", "auto")
    assert settings.image_limits == ImageLimits()


@pytest.mark.parametrize(("name", "value"), BAD)
def test_what_cannot_be_is_refused_wherever_it_comes_from(
    name: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value})
    monkeypatch.setenv(f"SKELMAP_{name.upper()}", str(value))
    with pytest.raises(ValidationError, match=name):
        Settings()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_variable_and_says_what_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {"device": "cpu", "detector_channels": "rgb", "detector_size_px": "64", "max_bytes": "4096"}
    kind = Settings.model_fields[name].annotation
    value = other.get(name) or ("0.75" if kind is float else "3")
    monkeypatch.setenv(f"SKELMAP_{name.upper()}", value)
    assert str(getattr(Settings(), name)) == value
    assert Settings.model_fields[name].description


def test_arguments_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKELMAP_WORKERS", "3")
    assert Settings(workers=5).workers == 5
    assert Settings().workers == 3


def test_variables_of_others_are_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKELMAP_UNHEARD_OF", "1")
    monkeypatch.setenv("WORKERS", "7")
    assert Settings().workers == 2


def test_settings_stay_as_they_are() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().workers = 3  # type: ignore[misc]


def test_image_limits_follow() -> None:
    settings = Settings(max_bytes=2048, max_pixels=10, max_side_px=5)
    assert settings.image_limits == ImageLimits(max_bytes=2048, max_pixels=10, max_side=5)
    with pytest.raises(ValidationError, match="max_side_px"):
        Settings(max_side_px=40_000)  # OpenCV crops nothing larger
