"""Settings: one environment variable each, checked before anything starts."""

from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from app.generation.settings import GenerationSettings
from app.images import ImageLimits
from app.jobs.settings import JobSettings
from app.security.keys import Key
from app.settings import OTHER_VARIABLES, Settings, unknown_variables, variables

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
    ("compute_niceness", -1),
    ("compute_niceness", 20),
    ("request_timeout_s", 0),
    ("drain_delay_s", -1),
    ("shutdown_timeout_s", 0),
    ("max_bytes", 0),
    ("max_pixels", 0),
    ("max_side_px", 0),
    ("max_canvas_pixels", 0),
    ("max_people", 0),
    ("max_people", 1001),
    ("max_requests_per_minute", -1),
    ("result_cache_bytes", -1),
    ("metrics", "perhaps"),
    ("log_format", "xml"),
    ("log_level", "loud"),
    ("allow_urls", "perhaps"),
    ("url_timeout_s", 0),
    ("url_timeout_s", "nan"),
    ("telemetry", "perhaps"),
    ("cors_origins", "studio.example"),
    ("cors_origins", "https://studio.example/path"),
    ("cors_origins", "https://a.example https://b.example"),
    ("api_keys", ""),
    ("api_keys", "alice:"),
    ("api_keys_file", "/no/such/file"),
]

VALUES = {
    "device": "cpu",
    "detector_channels": "rgb",
    "detector_size_px": "64",
    "max_bytes": "4096",
    "metrics": "open",
    "log_format": "json",
    "log_level": "debug",
    "allow_urls": "True",
    "telemetry": "True",
    "cors_origins": "https://studio.example",
    "api_keys": "alice:a",
}
"""A value of each setting that does not take 3."""


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


def shown(value: object) -> str:
    """A setting as it is written in a variable."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_variable_and_says_what_it_is(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("alice:a")
    usual = "0.75" if Settings.model_fields[name].annotation is float else "3"
    value = {**VALUES, "api_keys_file": str(tmp_path / "keys")}.get(name, usual)
    monkeypatch.setenv(f"SKELMAP_{name.upper()}", value)
    assert shown(getattr(Settings(), name)) == value
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


# Keys

ALICE = Key("alice", sha256(b"a").digest())


def test_without_keys_there_are_none() -> None:
    assert Settings().keys == ()


def test_keys_come_from_a_variable_a_file_or_a_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "skelmap_api_keys").write_text("# who may\nalice:a\n")
    assert Settings(api_keys=SecretStr("alice:a")).keys == (ALICE,)
    assert Settings(api_keys_file=tmp_path / "skelmap_api_keys").keys == (ALICE,)
    assert Settings(_secrets_dir=tmp_path).keys == (ALICE,)
    monkeypatch.setenv("SKELMAP_API_KEYS", "alice:a")
    assert Settings().keys == (ALICE,)


def test_keys_from_two_places_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="cannot be combined with api_keys"):
        Settings(api_keys=SecretStr("a"), api_keys_file=tmp_path)


def test_a_file_of_keys_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "keys").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ValidationError, match="is not UTF-8 text"):
        Settings(api_keys_file=tmp_path / "keys")


@pytest.mark.parametrize("keys", ["alice:hidden,alice:hidden2", "hidden hidden:x", "alice:hidden,bob:"])
def test_a_mistake_in_keys_is_told_without_them(keys: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(api_keys=SecretStr(keys))
    assert "hidden" not in str(caught.value)
    assert "hidden" not in repr(Settings(api_keys=SecretStr("alice:hidden")))


# Variables


def test_a_misspelt_variable_is_found() -> None:
    environment = ["PATH", "SKELMAP_WORKER", "skelmap_queue", "SKELMAP_WORKERS", "skelmap_device"]
    assert unknown_variables(environment, variables(Settings)) == ["SKELMAP_WORKER", "skelmap_queue"]


@pytest.mark.parametrize(
    "name",
    [
        *("SKELMAP_HOME", "SKELMAP_API_KEY"),
        *("SKELMAP_SERVICE_HOST", "SKELMAP_SERVICE_PORT", "SKELMAP_SERVICE_PORT_HTTP"),
        *("SKELMAP_PORT", "SKELMAP_PORT_8000_TCP", "SKELMAP_PORT_8000_TCP_ADDR"),
    ],
)
def test_what_is_set_for_others_is_no_mistake(name: str) -> None:
    assert unknown_variables([name], variables(Settings)) == []


def test_settings_that_others_would_set_do_not_exist() -> None:
    assert not [name for name in Settings.model_fields if OTHER_VARIABLES.fullmatch(f"SKELMAP_{name.upper()}")]


@pytest.mark.parametrize("variable", variables(Settings, GenerationSettings, JobSettings))
def test_every_setting_is_explained(variable: str) -> None:
    pages = (Path(__file__).parents[2] / "docs" / name for name in ("operating.md", "generation.md"))
    assert any(f"`{variable}`" in page.read_text() for page in pages)
